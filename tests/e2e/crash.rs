//! kill -9 at each named step of an upload: after the restart there is neither an active image
//! without its bytes nor a byte without a row.
//!
//! The server aborts itself at the step (`GLINT_FAILPOINT`), which loses as much as SIGKILL does.
//! Neither shows a missing fsync: the page cache survives. That is what the order of system calls
//! in `fsync_order` is checked for.

use crate::harness::{Glint, Runtime, Scratch, eventually, pattern, stored_in};
use std::process::Command;

const STEPS: [&str; 10] = [
    "upload-reserved",
    "upload-temp-opened",
    "upload-first-write",
    "upload-body-done",
    "upload-truncated",
    "upload-fsynced",
    "upload-linked",
    "upload-dir-fsynced",
    "upload-committed",
    "upload-temp-unlinked",
];

/// Rounds at each step and runtime: 10 steps × 2 runtimes × 11 rounds = 220 crashes.
const ROUNDS: u64 = 11;

fn crash_rounds(runtime: Runtime) {
    let scratch = Scratch::new("crash");
    let mut images: Vec<(String, Vec<u8>)> = Vec::new();
    let mut glint = Glint::start_in(scratch.path(), runtime, &[]);
    for step in STEPS {
        for round in 0..ROUNDS {
            glint.restart(&[("GLINT_FAILPOINT", step)]);
            let id = glint.create();
            let bytes = pattern(round, usize::try_from(round).unwrap() * 77_777 + 1);
            let mut upload = crate::harness::Connection::open(glint.address);
            let head = format!(
                "PUT /v2/images/{id}/file HTTP/1.1\r\nHost: localhost\r\n\
                 Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            upload.send(head.as_bytes());
            upload.send(&bytes);
            let answer = upload.response("PUT");
            eventually("the server crashed at the step", || {
                glint.process.has_ended().then_some(())
            });
            assert!(answer.is_none(), "{step}: answered before the crash: {answer:?}");
            glint.restart(&[]);
            // An upload whose commit went through is active with its bytes; any other is queued
            // without one.
            let status = eventually("recovery settles the image", || {
                Some(glint.status(&id)).filter(|status| status != "saving")
            });
            let committed = ["upload-committed", "upload-temp-unlinked"].contains(&step);
            assert_eq!(status, if committed { "active" } else { "queued" }, "{step}");
            if committed {
                images.push((id, bytes));
            } else if round == 0 {
                assert_eq!(glint.upload(&id, &bytes).status, 204, "{step}: a second try");
                images.push((id, bytes));
            }
            let mut expected: Vec<String> = images.iter().map(|(id, _)| id.clone()).collect();
            expected.sort();
            eventually("only active images have bytes", || {
                (glint.stored() == expected).then_some(())
            });
        }
    }
    for (id, bytes) in &images {
        let back = glint.get(&format!("/v2/images/{id}/file"));
        assert!(back.status == 200 && &back.body == bytes, "{id}");
    }
}

#[test]
fn no_crash_of_an_upload_loses_or_leaks_a_byte_on_io_uring() {
    crash_rounds(Runtime::Uring);
}

#[test]
fn no_crash_of_an_upload_loses_or_leaks_a_byte_on_epoll() {
    crash_rounds(Runtime::Epoll);
}

#[test]
fn kill_9_in_the_middle_of_many_uploads_leaves_nothing() {
    let scratch = Scratch::new("kill");
    let mut glint = Glint::start_in(scratch.path(), Runtime::Uring, &[]);
    for round in 0..10 {
        let ids: Vec<String> = (0..4).map(|_| glint.create()).collect();
        let mut uploads = Vec::new();
        for id in &ids {
            let mut upload = crate::harness::Connection::open(glint.address);
            let head = format!(
                "PUT /v2/images/{id}/file HTTP/1.1\r\nHost: localhost\r\n\
                 Content-Type: application/octet-stream\r\nContent-Length: 9000000\r\n\r\n"
            );
            upload.send(head.as_bytes());
            upload.send(&vec![1; 1_000_000 + round * 100_000]);
            uploads.push(upload);
        }
        for id in &ids {
            eventually("it is saving", || (glint.status(id) == "saving").then_some(()));
        }
        glint.restart(&[]);
        for id in &ids {
            eventually("it is queued", || (glint.status(id) == "queued").then_some(()));
        }
        eventually("no byte is left", || stored_in(&glint.datadir()).is_empty().then_some(()));
    }
}

/// The promise is an order of system calls: the bytes, then the name, then the row. Watched from
/// outside with strace, on the runtime whose calls it can see.
#[test]
fn fsync_order() {
    let scratch = Scratch::new("strace");
    let glint = Glint::start_in(scratch.path(), Runtime::Epoll, &[]);
    let trace = scratch.path().join("trace");
    let pid = glint.process.id().to_string();
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-e",
        "trace=pwrite64,fsync,fdatasync,ftruncate,linkat,unlinkat,renameat2",
    ]);
    strace.args(["-o", trace.to_str().unwrap(), "-p", &pid]);
    let mut strace =
        crate::harness::Process::start(&mut strace, &scratch.path().join("strace.log"));
    eventually("strace is attached", || strace.log().contains("attached").then_some(()));
    let id = glint.create();
    assert_eq!(glint.upload(&id, &pattern(1, 1_000_001)).status, 204);
    eventually("the temporary name is gone", || (glint.stored() == [id.clone()]).then_some(()));
    strace.terminate();
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls = calls(&text);
    let find = |name: &str, path: &str| {
        calls
            .iter()
            .rfind(|call| call.text.starts_with(name) && call.text.contains(path))
            .unwrap_or_else(|| panic!("no {name} of {path} in\n{text}"))
    };
    let incoming = format!(".incoming/{id}.");
    let written = find("pwrite64(", &incoming);
    let synced = find("fsync(", &incoming);
    let linked = find("linkat(", &id);
    let named = find("fsync(", &format!("{}>)", glint.datadir().display()));
    let committed = find("fsync(", "glance.sqlite");
    let settled = find("unlinkat(", &id);
    assert!(written.end < synced.begin, "bytes were written after the fsync\n{text}");
    assert!(synced.end < linked.begin, "the name came before the bytes were durable\n{text}");
    assert!(linked.end < named.begin, "the directory was synced before the name was in it\n{text}");
    assert!(named.end < committed.end, "the row came before the name was durable\n{text}");
    assert!(committed.end < settled.begin, "the mark was removed before the commit\n{text}");
}

/// A system call in a trace, with the places of the lines where it began and ended.
struct Call<'a> {
    text: &'a str,
    begin: usize,
    end: usize,
}

/// Reads what `strace -f` wrote: a call that others interrupt stands on two lines, the second
/// beginning with "resumed".
fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut open: Vec<(&str, Call<'_>)> = Vec::new();
    let mut done = Vec::new();
    for (place, line) in trace.lines().enumerate() {
        let (thread, text) = line.split_once(' ').expect("a thread id and a call");
        let text = text.trim_start();
        let call = Call { text, begin: place, end: place };
        if text.contains("<unfinished") {
            open.push((thread, call));
        } else if text.contains(" resumed>") {
            let begun = open.iter().position(|(of, _)| *of == thread).expect("it had begun");
            done.push(Call { end: place, ..open.remove(begun).1 });
        } else {
            done.push(call);
        }
    }
    done.sort_by_key(|call| call.begin);
    done
}
