//! Which runtime and bulk engine run, how the operator learns it, and how the service starts and
//! ends.

use crate::harness::{Glint, Process, Runtime, Scratch, binary, eventually, free_port};
use std::process::Command;

/// Denies `io_uring_setup` to itself with seccomp, then becomes the command given: what the default
/// profiles of container engines do.
const DENY_IO_URING: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, EPERM = 425, 1
def bpf(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
program = (bpf(0x20, 0, 0, 0) + bpf(0x15, 0, 1, IO_URING_SETUP) +
           bpf(0x06, 0, 0, 0x00050000 | EPERM) + bpf(0x06, 0, 0, 0x7fff0000))
class Prog(ctypes.Structure):
    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_char_p)]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
prog = Prog(len(program) // 8, program)
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(prog), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn the_start_says_what_runs_where_and_what_to_try() {
    let glint = Glint::start(Runtime::Uring);
    let log = glint.process.log();
    for word in [
        "io_uring",
        &glint.address.to_string(),
        glint.state.to_str().unwrap(),
        "curl",
        "openstack",
        "glance",
    ] {
        assert!(log.contains(word), "{word} is missing in\n{log}");
    }
    let glint = Glint::start(Runtime::Epoll);
    assert!(glint.process.log().contains("epoll"), "{}", glint.process.log());
    assert!(glint.process.log().contains("GLINT_NO_URING"), "{}", glint.process.log());
}

#[test]
fn where_seccomp_denies_io_uring_it_serves_on_epoll_and_says_why() {
    let scratch = Scratch::new("seccomp");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("python3");
    command.args(["-c", DENY_IO_URING, binary(), "serve", "--bind", &address, "--state-dir"]);
    command.arg(scratch.path());
    let mut process = Process::start(&mut command, &scratch.path().join("test.log"));
    eventually("it listens", || {
        assert!(!process.has_ended(), "{}", process.log());
        std::net::TcpStream::connect(&address).ok()
    });
    eventually("it names epoll and the refusal", || {
        let log = process.log();
        (log.contains("epoll") && log.contains("not permitted")).then_some(())
    });
}

#[test]
fn sigterm_ends_it_cleanly_and_the_state_can_be_served_again() {
    let scratch = Scratch::new("term");
    let mut glint = Glint::start_in(scratch.path(), Runtime::Uring, &[]);
    let id = glint.create();
    assert_eq!(glint.upload(&id, b"bytes").status, 204);
    assert!(glint.process.terminate(), "{}", glint.process.log());
    glint.restart(&[]);
    assert_eq!(glint.get(&format!("/v2/images/{id}/file")).body, b"bytes");
}

#[test]
fn a_state_directory_serves_one_process_only() {
    let glint = Glint::start(Runtime::Uring);
    let address = format!("127.0.0.1:{}", free_port());
    let output = Command::new(binary())
        .args(["serve", "--bind", &address, "--state-dir"])
        .arg(&glint.state)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn usage_and_configuration_errors_say_what_and_where() {
    let check = |arguments: &[&str], code: i32, text: &str| {
        let output = Command::new(binary()).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {said}");
        assert!(said.contains(text), "{arguments:?} {said}");
    };
    let scratch = Scratch::new("config");
    let bad = scratch.path().join("bad.conf");
    std::fs::write(&bad, "[DEFAULT]\nlimit_param_default = many\n").unwrap();
    check(&["--help"], 0, "serve");
    check(&["--version"], 0, env!("CARGO_PKG_VERSION"));
    check(&["serve", "--nonsense"], 2, "--nonsense");
    check(&["serve", "--config-file", bad.to_str().unwrap()], 78, "bad.conf:2");
    check(&["serve", "--config-file", "/nonexistent/x.conf"], 78, "/nonexistent/x.conf");
}
