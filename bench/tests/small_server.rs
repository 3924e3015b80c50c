//! Whole runs against a small image server: what is measured, what is refused, and that nothing is
//! left behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use clap::Parser;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    bench: glint_bench::Cli,
}

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Changes a byte of what was uploaded.
    Corrupts,
    /// Answers uploads with 507.
    RefusesUploads,
    /// Ends bodies with the connection, as Glance does; no fault, but to be understood.
    ClosesAfterBodies,
    /// The same, and too early.
    CutsBodies,
}

/// Images and their bytes.
type Images = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

struct Server {
    address: SocketAddr,
    images: Images,
}

impl Server {
    fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let images = Images::default();
        let shared = Arc::clone(&images);
        // Ends with the process; it holds nothing but memory.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (shared, stream) = (Arc::clone(&shared), stream.unwrap());
                std::thread::spawn(move || serve(number, stream, &shared, fault));
            }
        });
        Self { address, images }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Answers requests until the client goes away.
fn serve(number: usize, stream: TcpStream, images: &Images, fault: Fault) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    for turn in 0.. {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let (method, rest) = line.split_once(' ')?;
        let path = rest.split(' ').next()?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok().filter(|count| *count > 2)?;
            let (name, value) = header.split_once(':').unwrap();
            if name == "Content-Length" {
                length = value.trim().parse().unwrap();
            }
            if header_ends(&mut reader) {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let id = path.trim_start_matches("/v2/images").trim_matches('/').trim_end_matches("/file");
        let (status, answer) = match method {
            "POST" => {
                let id = format!("{number:08x}-{turn:04x}-4000-8000-000000000000");
                images.lock().unwrap().insert(id.clone(), Vec::new());
                (201, format!("{{\"id\": \"{id}\"}}").into_bytes())
            }
            "PUT" if fault == Fault::RefusesUploads => (507, b"full".to_vec()),
            "PUT" => {
                if fault == Fault::Corrupts {
                    body[length / 2] ^= 1;
                }
                images.lock().unwrap().insert(id.to_owned(), body);
                (204, Vec::new())
            }
            "DELETE" => {
                images.lock().unwrap().remove(id);
                (204, Vec::new())
            }
            _ if id.is_empty() => (200, b"{\"images\": []}".to_vec()),
            _ => match images.lock().unwrap().get(id) {
                Some(bytes) => (200, bytes.clone()),
                None => (404, Vec::new()),
            },
        };
        if matches!(fault, Fault::ClosesAfterBodies | Fault::CutsBodies)
            && path.ends_with("/file")
            && method == "GET"
        {
            let kept = if fault == Fault::CutsBodies { answer.len() - 1 } else { answer.len() };
            let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n\r\n");
            let _ = writer.write_all(&[head.as_bytes(), &answer[..kept]].concat());
            return None;
        }
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", answer.len());
        // One write: two would wait for each other (Nagle, delayed acknowledgement).
        writer.write_all(&[head.into_bytes(), answer].concat()).ok()?;
    }
    None
}

/// Takes the empty line if it comes next.
fn header_ends(reader: &mut BufReader<TcpStream>) -> bool {
    let next = reader.fill_buf().unwrap();
    let ends = next.starts_with(b"\r\n");
    if ends {
        reader.consume(2);
    }
    ends
}

fn bench(arguments: &[&str]) -> Result<String, String> {
    let small = ["--rounds", "1", "--seconds", "1", "--conns", "2", "--size", "3000000"];
    let all = [&["bench"], arguments, &small].concat();
    let command = Command::try_parse_from(all).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    glint_bench::run(&command.bench, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

fn check_refused(arguments: &[&str], expected: &str) {
    let refused = bench(arguments).unwrap_err();
    assert!(refused.contains(expected), "{arguments:?}: {refused}");
}

#[test]
fn every_measurement_gives_figures_and_leaves_nothing() {
    let (first, second) = (Server::start(Fault::None), Server::start(Fault::None));
    let both = format!("{},{}", first.url(), second.url());
    let own = std::process::id().to_string();
    for what in ["download", "upload", "meta"] {
        let pids = format!("{own},{own}");
        let text = bench(&[what, "--against", &both, "--json", "--pid", &pids]).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        let servers = &report["results"][0]["servers"];
        for server in [&servers[0], &servers[1]] {
            assert!(server["rate"].as_f64().unwrap() > 0.0, "{text}");
            assert!(server["cpu"].as_f64().unwrap() > 0.0, "{text}");
        }
        assert!(report["results"][0]["ratio"]["rate"].as_f64().unwrap() > 0.0, "{text}");
        for server in [&first, &second] {
            assert_eq!(server.images.lock().unwrap().len(), 0, "{what}");
        }
    }
}

#[test]
fn the_table_names_both_servers_and_their_ratio() {
    let (first, second) = (Server::start(Fault::None), Server::start(Fault::None));
    let both = format!("{},{}", first.url(), second.url());
    let text = bench(&["meta", "--against", &both]).unwrap();
    for part in [&first.url(), &second.url(), "first / second", "req/s", "load average"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn wrong_bytes_and_refusals_end_the_run_and_leave_nothing() {
    let check = |fault: Fault, what: &str, expected: &str| {
        let server = Server::start(fault);
        check_refused(&[what, "--against", &server.url()], expected);
        assert_eq!(server.images.lock().unwrap().len(), 0, "{what}");
    };
    check(Fault::Corrupts, "download", "not the bytes that were uploaded");
    check(Fault::Corrupts, "upload", "not the bytes that were uploaded");
    check(Fault::RefusesUploads, "upload", "unexpected status 507");
    check(Fault::CutsBodies, "download", "not the bytes that were uploaded");
}

#[test]
fn bodies_that_end_with_the_connection_are_measured() {
    let server = Server::start(Fault::ClosesAfterBodies);
    for what in ["download", "upload"] {
        let text = bench(&[what, "--against", &server.url(), "--json"]).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        assert!(report["results"][0]["servers"][0]["rate"].as_f64().unwrap() > 0.0, "{text}");
    }
}

#[test]
fn refuses_what_cannot_be_compared() {
    let server = Server::start(Fault::None);
    let images = [("a", b"one".to_vec()), ("b", b"two".to_vec())];
    server.images.lock().unwrap().extend(images.map(|(id, bytes)| (id.to_owned(), bytes)));
    let url = server.url();
    let both = format!("{url}/v2/images/a/file,{url}/v2/images/b/file");
    check_refused(&["download", "--against", &both], "do not serve the same bytes");
    check_refused(&["upload", "--against", &format!("{url}/x")], "upload needs servers");
    check_refused(&["meta", "--against", &format!("{url},{url},{url}")], "one URL or two");
    check_refused(&["meta", "--against", &url, "--pid", "1,2"], "one process for each URL");
    check_refused(&["meta", "--against", "https://x"], "http://host");
    check_refused(&["download", "--against", &format!("{url}/v2/images/c/file")], "status 404");
}
