//! The data plane on real sockets, disks and QUIC, against a control plane made of a map; on both
//! runtimes.
//!
//! What the real control plane decides, and what real clients see, is tested where both planes
//! meet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use dataplane_server::{Data, DataOptions};
use glint_link::wire::Outcome;
use glint_quic::Credentials;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::client::{Client, Response};
use support::control::{Control, image};
use support::{Scratch, eventually, pattern};

/// A data plane with its control plane.
struct Node {
    control: Control,
    data: Option<Data>,
    scratch: Scratch,
    credentials: (Credentials, Credentials),
    force_epoll: bool,
}

impl Node {
    fn start(force_epoll: bool) -> Self {
        let credentials = glint_quic::ca::ephemeral().unwrap();
        let control = Control::start(&credentials.0);
        let scratch = Scratch::new();
        let mut node = Self { control, data: None, scratch, credentials, force_epoll };
        node.start_data();
        node
    }

    fn start_data(&mut self) {
        let options = DataOptions {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            link: self.control.address,
            credentials: self.credentials.1.clone(),
            state_dir: self.scratch.path().join("state"),
            datadir: self.datadir(),
            shards: Some(2),
            force_epoll: self.force_epoll,
        };
        self.data = Some(Data::start(options).unwrap());
        eventually("the link is up", || (self.client().get("/", "").status == 200).then_some(()));
    }

    fn stop_data(&mut self) {
        self.data.take().expect("running").shutdown(Duration::from_secs(5));
    }

    fn data(&self) -> &Data {
        self.data.as_ref().expect("running")
    }

    fn client(&self) -> Client {
        Client::open(self.data().bound())
    }

    fn datadir(&self) -> PathBuf {
        self.scratch.path().join("images")
    }

    /// Makes an active image with these bytes.
    fn store(&self, bytes: &[u8]) -> String {
        let id = self.control.create("queued");
        let path = self.datadir().join(&id);
        std::fs::write(&path, bytes).unwrap();
        let size = bytes.len() as u64;
        let mut state = self.control.state();
        let row = state.rows.get_mut(&image(&id)).unwrap();
        row.status = "active";
        row.size = Some(size);
        row.md5 = Some("0123456789abcdef0123456789abcdef".to_owned());
        row.url = Some(format!("file://{}", path.display()));
        drop(state);
        id
    }

    fn put(&self, id: &str, bytes: &[u8]) -> Response {
        self.client().call("PUT", &file(id), OCTETS, bytes)
    }

    /// Names in the store, arriving ones included.
    fn stored(&self) -> Vec<String> {
        let names = |folder: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name != ".incoming").collect()
        };
        let mut all = names(&self.datadir());
        all.extend(names(&self.datadir().join(".incoming")));
        all.sort();
        all
    }

    fn status(&self, id: &str) -> &'static str {
        self.control.state().rows[&image(id)].status
    }
}

const OCTETS: &str = "Content-Type: application/octet-stream\r\n";

fn file(id: &str) -> String {
    format!("/v2/images/{id}/file")
}

fn on_both(test: impl Fn(Node)) {
    for force_epoll in [false, true] {
        test(Node::start(force_epoll));
    }
}

#[test]
fn downloads_carry_the_bytes_of_the_view() {
    on_both(|node| {
        let bytes = pattern(1, 3 * 1024 * 1024 + 17);
        let id = node.store(&bytes);
        let mut client = node.client();
        let mut check = |extra: &str, status: u16, part: &[u8]| {
            let got = client.get(&file(&id), extra);
            assert_eq!(got.status, status, "{extra:?} {:?}", got.headers);
            assert!(got.body == part, "{extra:?}: other bytes");
            assert_eq!(got.header("content-md5"), Some("0123456789abcdef0123456789abcdef"));
            assert!(got.header("x-openstack-request-id").unwrap().starts_with("req-"));
        };
        check("", 200, &bytes);
        check("Range: bytes=1000000-2999999\r\n", 206, &bytes[1_000_000..3_000_000]);
        check("Range: bytes=-5\r\n", 206, &bytes[bytes.len() - 5..]);
        check("x-openstack-request-id: req-mine\r\n", 200, &bytes);
        let unknown = "71c675ab-d94f-49cd-a114-e12490b328d9";
        let missing = client.get(&file(unknown), "");
        assert_eq!(missing.status, 404);
        assert!(missing.text().contains(&format!("No image found with ID {unknown}")));
        let queued = node.control.create("queued");
        assert_eq!(client.get(&file(&queued), "").status, 204);
        assert!(node.data().counters().bytes_sent > 2 * bytes.len() as u64);
    });
}

#[test]
fn bytes_that_are_not_in_memory_come_through_pipes_unchanged() {
    on_both(|node| {
        let bytes = pattern(2, 9 * 1024 * 1024 + 4097);
        let id = node.store(&bytes);
        let stored = std::fs::File::open(node.datadir().join(&id)).unwrap();
        stored.sync_all().unwrap();
        rustix::fs::fadvise(&stored, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert!(node.client().get(&file(&id), "").body == bytes);
        let in_memory = rustix::fs::fstatfs(&stored).is_ok_and(|found| found.f_type == 0x0102_1994);
        assert!(in_memory || node.data().counters().windows_cold > 0, "no window was cold");
        assert!(node.client().get(&file(&id), "").body == bytes, "the pipes are clean");
    });
}

#[test]
fn many_downloads_share_a_shard_without_mixing() {
    on_both(|node| {
        let images: Vec<(String, Vec<u8>)> = (0..12)
            .map(|seed| {
                let bytes = pattern(seed, 5_000_000 + usize::try_from(seed).unwrap());
                (node.store(&bytes), bytes)
            })
            .collect();
        std::thread::scope(|scope| {
            for (id, bytes) in &images {
                let node = &node;
                scope.spawn(move || {
                    let mut client = node.client();
                    for _ in 0..3 {
                        assert!(&client.get(&file(id), "").body == bytes, "other bytes");
                    }
                });
            }
        });
    });
}

#[test]
fn uploads_of_both_framings_are_stored_and_committed() {
    on_both(|node| {
        for size in [0, 1, 4096, 524_287, 524_288, 524_289, 5_000_003] {
            let bytes = pattern(size as u64 + 7, size);
            for chunk in [None, Some(999), Some(300_000)] {
                let id = node.control.create("queued");
                let mut client = node.client();
                let answer = match chunk {
                    None => client.call("PUT", &file(&id), OCTETS, &bytes),
                    Some(chunk) => client.put_chunked(&file(&id), &bytes, chunk),
                };
                assert_eq!(answer.status, 204, "{size} {chunk:?} {answer:?}");
                assert_eq!(node.status(&id), "active");
                assert!(std::fs::read(node.datadir().join(&id)).unwrap() == bytes);
                assert!(client.get(&file(&id), "").body == bytes, "on the same connection");
                assert_eq!(node.control.state().rows[&image(&id)].size, Some(size as u64));
            }
        }
        for _ in 0..30 {
            let id = node.control.create("queued");
            let mut others: Vec<Client> = (0..4).map(|_| node.client()).collect();
            assert_eq!(node.put(&id, b"bytes").status, 204);
            // Each shard has some of these connections, and all know of the image by now.
            let statuses: Vec<u16> =
                others.iter_mut().map(|other| other.get(&file(&id), "").status).collect();
            assert_eq!(statuses, [200; 4]);
        }
        let id = node.control.create("queued");
        assert_eq!(node.put(&id, b"abc").status, 204);
        let row = node.control.state().rows[&image(&id)].clone();
        assert_eq!(row.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(row.sha512[..4], [0xdd, 0xaf, 0x35, 0xa1], "SHA-512 of abc");
        let incoming = node.datadir().join(".incoming");
        assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
    });
}

#[test]
fn many_uploads_at_once_do_not_mix() {
    on_both(|node| {
        std::thread::scope(|scope| {
            for seed in 0..10 {
                let node = &node;
                scope.spawn(move || {
                    let bytes = pattern(seed, 2_000_000 + usize::try_from(seed).unwrap());
                    let id = node.control.create("queued");
                    assert_eq!(node.put(&id, &bytes).status, 204);
                    assert!(std::fs::read(node.datadir().join(&id)).unwrap() == bytes);
                });
            }
        });
    });
}

#[test]
fn a_refused_upload_gets_its_answer_though_the_body_is_on_its_way() {
    on_both(|node| {
        let id = node.control.create("queued");
        node.control.state().refuse = Some((409, "Not now."));
        let answer = node.put(&id, &pattern(3, 4_000_000));
        assert_eq!((answer.status, answer.text().as_str()), (409, "Not now."));
        assert_eq!(node.stored(), Vec::<String>::new());
        let mut waiting = node.client();
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\n{OCTETS}Content-Length: 5\r\n\
             Expect: 100-continue\r\n\r\n",
            file(&id)
        );
        waiting.send(head.as_bytes());
        assert_eq!(waiting.any_response("PUT").unwrap().status, 409, "before the body");
        node.control.state().refuse = None;
        let mut waiting = node.client();
        waiting.send(head.as_bytes());
        assert_eq!(waiting.any_response("PUT").unwrap().status, 100);
        waiting.send(b"bytes");
        assert_eq!(waiting.any_response("PUT").unwrap().status, 204);
    });
}

#[test]
fn a_body_over_the_cap_is_413_and_leaves_nothing() {
    on_both(|node| {
        node.control.state().size_bytes_max = 1_000_000;
        for chunked in [false, true] {
            let id = node.control.create("queued");
            let bytes = pattern(4, 1_000_001);
            let answer = match chunked {
                false => node.put(&id, &bytes),
                true => node.client().put_chunked(&file(&id), &bytes, 70_000),
            };
            assert_eq!(answer.status, 413, "{answer:?}");
            assert_eq!((node.status(&id), node.stored()), ("queued", Vec::new()));
        }
    });
}

#[test]
fn a_deletion_ends_the_upload_with_410_and_leaves_nothing() {
    on_both(|node| {
        for sent in [0, 10, 600_000, 2_000_000] {
            let id = node.control.create("queued");
            let mut client = node.client();
            let head = format!(
                "PUT {} HTTP/1.1\r\nHost: x\r\n{OCTETS}Content-Length: 3000000\r\n\r\n",
                file(&id)
            );
            client.send(head.as_bytes());
            client.send(&vec![5; sent]);
            eventually("it is saving", || (node.status(&id) == "saving").then_some(()));
            node.control.delete(&id);
            // Without another byte from the client.
            let answer = client.response("PUT").expect("an answer");
            assert_eq!(answer.status, 410, "{sent} {answer:?}");
            assert!(answer.text().contains("could not be found after upload"), "{answer:?}");
            eventually("nothing is left", || node.stored().is_empty().then_some(()));
        }
    });
}

#[test]
fn a_client_that_leaves_gives_the_image_back() {
    on_both(|node| {
        let id = node.control.create("queued");
        let mut client = node.client();
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\n{OCTETS}Content-Length: 3000000\r\n\r\n",
            file(&id)
        );
        client.send(head.as_bytes());
        client.send(&[5; 700_000]);
        eventually("it is saving", || (node.status(&id) == "saving").then_some(()));
        drop(client);
        eventually("it is queued", || (node.status(&id) == "queued").then_some(()));
        assert_eq!(node.stored(), Vec::<String>::new());
        assert_eq!(node.put(&id, b"now whole").status, 204);
    });
}

#[test]
fn a_lost_answer_to_the_commit_is_asked_for_again() {
    on_both(|node| {
        node.control.state().lose_commit_answers = 2;
        let id = node.control.create("queued");
        let bytes = pattern(6, 1_234_567);
        assert_eq!(node.put(&id, &bytes).status, 204);
        assert_eq!(node.status(&id), "active");
        assert!(node.client().get(&file(&id), "").body == bytes);
    });
}

#[test]
fn other_requests_are_relayed_with_their_bodies() {
    on_both(|node| {
        let mut client = node.client();
        let check = |answer: Response, expected: &str| {
            assert_eq!((answer.status, answer.text().as_str()), (200, expected));
        };
        check(client.get("/v2/images?limit=5", ""), "GET /v2/images Some(\"limit=5\") 0");
        check(client.call("POST", "/v2/images", "", b"{}"), "POST /v2/images None 2");
        let large = pattern(8, 3_000_000);
        check(client.call("POST", "/v2/x", "", &large), "POST /v2/x None 3000000");
        check(client.put_chunked("/v2/y", &large, 50_000), "PUT /v2/y None 3000000");
        assert!(node.control.state().relayed.iter().any(|(_, body)| *body == large));
        let head = client.call("HEAD", "/v2/images/x", "", b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_ne!(head.header("content-length"), Some("0"), "the length that GET would have");
        // Two requests at once, and the second sees what is behind the first.
        client.send(
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
              GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        );
        check(client.response("POST").unwrap(), "POST /a None 3");
        check(client.response("GET").unwrap(), "GET /b None 0");
        let too_large = node.client().call("POST", "/v2/images", "", &vec![b' '; 17 << 20]);
        assert_eq!(too_large.status, 413);
    });
}

#[test]
fn a_head_that_nobody_should_trust_ends_the_connection() {
    on_both(|node| {
        let check = |bytes: &[u8], status: u16| {
            let mut client = node.client();
            client.send(bytes);
            client.finish_sending();
            assert_eq!(client.response("GET").map(|answer| answer.status), Some(status));
            assert!(client.is_closed());
        };
        check(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
        check(b"\x16\x03\x01\x02\x00", 400);
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(70_000));
        check(long.as_bytes(), 431);
        check(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400);
        check(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", 400);
    });
}

#[test]
fn after_the_answer_to_a_delete_no_shard_serves_the_image() {
    on_both(|node| {
        for round in 0..10 {
            let id = node.store(&pattern(round, 100_000));
            let mut clients: Vec<Client> = (0..6).map(|_| node.client()).collect();
            for client in &mut clients {
                assert_eq!(client.get(&file(&id), "").status, 200);
            }
            let path = format!("/v2/images/{id}");
            assert_eq!(node.client().call("DELETE", &path, "", b"").status, 204);
            for client in &mut clients {
                assert_eq!(client.get(&file(&id), "").status, 404);
            }
            eventually("the bytes are gone", || node.stored().is_empty().then_some(()));
        }
    });
}

#[test]
fn without_a_control_plane_known_images_are_served_and_all_else_is_503() {
    on_both(|node| {
        let bytes = pattern(9, 200_000);
        let known = node.store(&bytes);
        let unknown = node.store(&bytes);
        assert_eq!(node.client().get(&file(&known), "").status, 200);
        let Node { control, data, scratch, credentials, force_epoll } = node;
        let (address, state) = (control.address, control.stop());
        let bound = data.as_ref().unwrap().bound();
        let check = |path: &str, status: u16| {
            let answer = Client::open(bound).get(path, "");
            assert_eq!(answer.status, status, "{path}");
        };
        check(&file(&known), 200);
        check(&file(&unknown), 503);
        check("/v2/images", 503);
        let control = Control::start_at(address, &credentials.0, state);
        let node = Node { control, data, scratch, credentials, force_epoll };
        eventually("the link is up again", || {
            (node.client().get("/", "").status == 200).then_some(())
        });
        assert!(node.client().get(&file(&unknown), "").body == bytes);
    });
}

#[test]
fn a_cut_link_comes_back_and_uploads_survive_it() {
    on_both(|node| {
        let id = node.control.create("queued");
        let bytes = pattern(10, 2_000_000);
        let mut client = node.client();
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\n{OCTETS}Content-Length: 2000000\r\n\r\n",
            file(&id)
        );
        client.send(head.as_bytes());
        client.send(&bytes[..900_000]);
        eventually("it is saving", || (node.status(&id) == "saving").then_some(()));
        node.control.cut();
        client.send(&bytes[900_000..]);
        assert_eq!(client.response("PUT").expect("an answer").status, 204);
        assert!(std::fs::read(node.datadir().join(&id)).unwrap() == bytes);
        let hellos = node.control.state().hellos.clone();
        assert!(hellos.len() >= 2);
        assert!(hellos.iter().all(|hello| hello.incarnation == hellos[0].incarnation));
        assert_eq!(hellos[1].catalogue, Some([9; 16]));
    });
}

#[test]
fn what_an_earlier_process_left_is_settled_before_the_first_upload() {
    on_both(|mut node| {
        node.stop_data();
        let name = std::fs::read_to_string(node.scratch.path().join("state/node-id")).unwrap();
        let leave = |epoch: u64, outcome: Option<Outcome>, linked: bool| {
            let id = node.control.create("queued");
            let incoming = node.datadir().join(format!(".incoming/{id}.{epoch}.{}", name.trim()));
            std::fs::write(&incoming, b"bytes").unwrap();
            if linked {
                std::fs::hard_link(&incoming, node.datadir().join(&id)).unwrap();
            }
            node.control.state().outcomes.extend(outcome.map(|outcome| (epoch, outcome)));
            id
        };
        let committed = leave(900, Some(Outcome::Committed), true);
        leave(901, Some(Outcome::Dead), true);
        leave(902, Some(Outcome::Dead), false);
        leave(903, None, false);
        let id = node.control.create("queued");
        node.start_data();
        assert_eq!(node.put(&id, b"new").status, 204);
        let mut expected = vec![committed, id];
        expected.sort();
        eventually("leftovers are settled", || (node.stored() == expected).then_some(()));
    });
}

#[test]
fn bytes_are_removed_on_order_once_and_only_those() {
    on_both(|node| {
        let id = node.store(b"bytes");
        let kept = node.store(b"kept");
        let url = |id: &str| format!("file://{}", node.datadir().join(id).display());
        node.control.order_reclaim(77, &id, &url(&id));
        node.control.order_reclaim(78, &id, &url(&kept));
        node.control.order_reclaim(79, &id, "file:///etc/hostname");
        eventually("the order is reported", || {
            (node.control.state().reclaimed == [77]).then_some(())
        });
        assert_eq!(node.stored(), [kept]);
        node.control.order_reclaim(80, &id, &url(&id));
        eventually("an order for what is gone is reported too", || {
            (node.control.state().reclaimed == [77, 80]).then_some(())
        });
    });
}

#[test]
fn the_end_closes_idle_connections_and_waits_for_the_others() {
    on_both(|mut node| {
        let bytes = pattern(11, 40_000_000);
        let id = node.store(&bytes);
        let mut idle = node.client();
        assert_eq!(idle.get("/", "").status, 200);
        let mut busy = node.client();
        busy.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", file(&id)).as_bytes());
        eventually("it is under way", || (node.data().counters().bytes_sent > 0).then_some(()));
        let data = node.data.take().unwrap();
        let address = data.bound();
        std::thread::scope(|scope| {
            let ending = scope.spawn(move || data.shutdown(Duration::from_secs(20)));
            assert!(idle.is_closed());
            eventually("nobody is let in any more", || {
                std::net::TcpStream::connect(address).err().map(|_| ())
            });
            assert!(busy.response("GET").unwrap().body == bytes);
            drop(busy);
            ending.join().unwrap();
        });
        node.start_data();
        assert!(node.client().get(&file(&id), "").body == bytes);
    });
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let node = Node::start(false);
    let options = DataOptions {
        bind: node.data().bound(),
        link: node.control.address,
        credentials: node.credentials.1.clone(),
        state_dir: node.scratch.path().join("other-state"),
        datadir: node.scratch.path().join("other-images"),
        shards: Some(1),
        force_epoll: true,
    };
    let error = Data::start(options).expect_err("the port is taken").to_string();
    assert!(error.contains(&node.data().bound().to_string()), "{error}");
}

#[test]
fn it_starts_and_ends_promptly_where_no_control_plane_answers() {
    let node = Node::start(false);
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let options = DataOptions {
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        link: silent.local_addr().unwrap(),
        credentials: node.credentials.1.clone(),
        state_dir: node.scratch.path().join("other-state"),
        datadir: node.scratch.path().join("other-images"),
        shards: Some(2),
        force_epoll: false,
    };
    let began = std::time::Instant::now();
    let data = Data::start(options).unwrap();
    let mut client = Client::open(data.bound());
    assert_eq!(client.get("/v2/images", "").status, 503);
    data.shutdown(Duration::from_secs(5));
    assert!(client.is_closed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
