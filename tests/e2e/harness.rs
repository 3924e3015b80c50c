//! Starts Glint, speaks plain HTTP/1.1 to it and makes the images the tests move.
//!
//! A [`Glint`] is killed and its state removed when it goes out of scope. Waiting is polling with a
//! deadline, never a fixed sleep that a slow machine could outlast.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Which runtime the server is to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Uring,
    Epoll,
}

impl Runtime {
    pub(crate) const BOTH: [Self; 2] = [Self::Uring, Self::Epoll];
}

/// A directory that is removed with its contents when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(label: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("glint-e2e-{}-{number}-{label}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary under test, built by cargo together with this test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_glint")
}

/// A free port that stays ours across restarts: below the range the kernel takes for outgoing
/// connections, and counted up from a place of this process's own.
pub(crate) fn free_port() -> u16 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(37);
    for _ in 0..1000 {
        let step = NUMBER.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + first.wrapping_add(step) % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// Polls until `probe` gives a value.
///
/// # Panics
/// With `what` when the deadline passes.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A running server process.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output going to `log` (appended).
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then waits for the orderly end; gives whether the exit code was 0.
    pub(crate) fn terminate(&mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        eventually("the server ends after SIGTERM", || self.child.try_wait().unwrap()).success()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(6000);
            eprintln!("--- end of {}:\n{}", self.log.display(), log.get(tail..).unwrap_or(&log));
        }
    }
}

/// Name of the configuration file in a state directory, if there is one.
const CONFIGURATION: &str = "glance-api.conf";

/// `glint serve` with a state directory and a port of its own.
pub(crate) struct Glint {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) state: PathBuf,
    runtime: Runtime,
    _scratch: Option<Scratch>,
}

impl Glint {
    pub(crate) fn start(runtime: Runtime) -> Self {
        let scratch = Scratch::new("state");
        let state = scratch.path().to_owned();
        let mut glint = Self::start_in(&state, runtime, &[]);
        glint._scratch = Some(scratch);
        glint
    }

    /// Starts with a paste file of its own.
    pub(crate) fn start_behind(runtime: Runtime, paste: &str) -> Self {
        let scratch = Scratch::new("state");
        let state = scratch.path().to_owned();
        let paste_file = state.join("paste.ini");
        fs::write(&paste_file, paste).unwrap();
        let options = format!("[paste_deploy]\nconfig_file = {}\n", paste_file.display());
        fs::write(state.join(CONFIGURATION), options).unwrap();
        let mut glint = Self::start_in(&state, runtime, &[]);
        glint._scratch = Some(scratch);
        glint
    }

    /// Starts on an existing state directory, with extra environment variables.
    pub(crate) fn start_in(state: &Path, runtime: Runtime, environment: &[(&str, &str)]) -> Self {
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let process = Self::spawn(state, address, runtime, environment);
        let mut glint = Self { process, address, state: state.to_owned(), runtime, _scratch: None };
        glint.wait_until_ready();
        glint
    }

    fn spawn(
        state: &Path,
        address: SocketAddr,
        runtime: Runtime,
        environment: &[(&str, &str)],
    ) -> Process {
        let mut command = Command::new(binary());
        command
            .args(["serve", "--bind", &address.to_string(), "--state-dir"])
            .arg(state)
            .current_dir(state)
            .envs(environment.iter().copied());
        let configuration = state.join(CONFIGURATION);
        if configuration.exists() {
            command.arg("--config-file").arg(configuration);
        }
        if runtime == Runtime::Epoll {
            command.env("GLINT_NO_URING", "1");
        }
        Process::start(&mut command, &state.join("test.log"))
    }

    fn wait_until_ready(&mut self) {
        let address = self.address;
        eventually("the server answers /healthcheck", || {
            assert!(!self.process.has_ended(), "the server ended:\n{}", self.process.log());
            // Where callers have to say who they are, this one is told so.
            [200, 401].contains(&try_get(address, "/v2/images?limit=1")?).then_some(())
        });
    }

    /// Starts the server again on the same state after it ended or was killed.
    pub(crate) fn restart(&mut self, environment: &[(&str, &str)]) {
        self.process.kill();
        self.process = Self::spawn(&self.state, self.address, self.runtime, environment);
        self.wait_until_ready();
    }

    pub(crate) fn datadir(&self) -> PathBuf {
        self.state.join("images")
    }

    /// Names in the store, those still arriving included, without the directory for them.
    pub(crate) fn stored(&self) -> Vec<String> {
        stored_in(&self.datadir())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Body<'_>) -> Response {
        Connection::open(self.address).call(method, path, &[], body)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.call("GET", path, Body::None)
    }

    /// Creates an image of raw disk format; gives its id.
    pub(crate) fn create(&self) -> String {
        let body = br#"{"name": "e2e", "disk_format": "raw", "container_format": "bare"}"#;
        let created = self.call("POST", "/v2/images", Body::Json(body));
        assert_eq!(created.status, 201, "{created:?}");
        created.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn upload(&self, id: &str, bytes: &[u8]) -> Response {
        self.call("PUT", &format!("/v2/images/{id}/file"), Body::Bytes(bytes))
    }

    pub(crate) fn status(&self, id: &str) -> String {
        let shown = self.get(&format!("/v2/images/{id}"));
        if shown.status == 404 {
            return "absent".to_owned();
        }
        shown.json()["status"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn stored_in(datadir: &Path) -> Vec<String> {
    let names = |folder: PathBuf| -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".incoming")
            .collect()
    };
    let mut all = names(datadir.to_owned());
    all.extend(
        names(datadir.join(".incoming")).into_iter().map(|name| format!(".incoming/{name}")),
    );
    all.sort();
    all
}

fn try_get(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    None,
    Json(&'a [u8]),
    Patch(&'a [u8]),
    Bytes(&'a [u8]),
    /// In chunks of the given size.
    Chunked(&'a [u8], usize),
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection, kept open between calls.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::with_capacity(256 * 1024, stream) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Closes the sending half.
    pub(crate) fn finish_sending(&mut self) {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
    }

    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body<'_>,
    ) -> Response {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let (content_type, length) = match body {
            Body::None => (None, None),
            Body::Json(bytes) => (Some("application/json"), Some(bytes.len())),
            Body::Patch(bytes) => {
                (Some("application/openstack-images-v2.1-json-patch"), Some(bytes.len()))
            }
            Body::Bytes(bytes) => (Some("application/octet-stream"), Some(bytes.len())),
            Body::Chunked(..) => (Some("application/octet-stream"), None),
        };
        let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type.filter(|_| !given) {
            head += &format!("Content-Type: {content_type}\r\n");
        }
        match (body, length) {
            (_, Some(length)) => head += &format!("Content-Length: {length}\r\n"),
            (Body::Chunked(..), None) => head += "Transfer-Encoding: chunked\r\n",
            _ => {}
        }
        head += "\r\n";
        self.send(head.as_bytes());
        match body {
            Body::None => {}
            Body::Json(bytes) | Body::Patch(bytes) | Body::Bytes(bytes) => self.send(bytes),
            Body::Chunked(bytes, size) => {
                for chunk in bytes.chunks(size) {
                    self.send(format!("{:x}\r\n", chunk.len()).as_bytes());
                    self.send(chunk);
                    self.send(b"\r\n");
                }
                self.send(b"0\r\n\r\n");
            }
        }
        self.response(method).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// Reads one response; `None` when the connection was closed before one began.
    pub(crate) fn response(&mut self, method: &str) -> Option<Response> {
        loop {
            let response = self.any_response(method)?;
            if response.status != 100 {
                return Some(response);
            }
        }
    }

    /// Reads one response, interim ones included.
    pub(crate) fn any_response(&mut self, method: &str) -> Option<Response> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        let bodyless = method == "HEAD" || status == 204 || status == 304 || status < 200;
        if bodyless {
            return Some(response);
        }
        if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().unwrap();
            (&mut self.stream).take(length as u64).read_to_end(&mut response.body).ok()?;
        } else if response.header("transfer-encoding").is_some() {
            panic!("the server never needs chunked responses: {response:?}");
        } else {
            let _ = self.stream.read_to_end(&mut response.body);
        }
        Some(response)
    }

    /// Reads a response's head only; gives the status.
    pub(crate) fn head(&mut self) -> u16 {
        let status_line = self.line().expect("a response");
        while self.line().is_some_and(|line| !line.is_empty()) {}
        status_line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Reads `count` bytes of a body after [`Connection::head`].
    pub(crate) fn rest(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).ok()?;
        let text = String::from_utf8(line).unwrap();
        text.ends_with("\r\n").then(|| text.trim_end().to_owned()).filter(|_| !text.is_empty())
    }
}

/// `count` bytes that look random and are the same for the same seed (xorshift64*).
pub(crate) fn pattern(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Runs a command to its end; gives its standard output.
///
/// # Panics
/// With both outputs when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A small real bootable image, made by `tests/run` from the kernel and initrd of Debian's
/// installer.
pub(crate) fn mini_iso() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests-images/mini.iso");
    assert!(path.is_file(), "{} is missing: tests/run makes it", path.display());
    path
}

/// MD5 and SHA-512 of a file, by coreutils.
pub(crate) fn digests(path: &Path) -> (String, String) {
    let sum = |tool: &str| {
        run(Command::new(tool).arg(path)).split(' ').next().unwrap().trim_matches('\\').to_owned()
    };
    (sum("md5sum"), sum("sha512sum"))
}
