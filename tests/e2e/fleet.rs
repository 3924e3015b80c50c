//! `glint control` and `glint data` as processes of their own: either may die and come back.

use crate::harness::{
    Body, Connection, Process, Scratch, binary, eventually, free_port, pattern, run, stored_in,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// Dropped in this order: the processes end before their files go.
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<(Process, SocketAddr, PathBuf)>,
    pub(crate) control: Process,
    link: SocketAddr,
    pub(crate) scratch: Scratch,
}

impl Fleet {
    pub(crate) fn start(nodes: usize) -> Self {
        Self::start_with(nodes, &[])
    }

    /// Starts with files, name and text, beside the control plane's `glance-api.conf`, which is one
    /// of them. `{here}` stands for their directory.
    pub(crate) fn start_with(nodes: usize, files: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new("fleet");
        let certificates = scratch.path().join("link");
        run(Command::new(binary()).args(["link", "init"]).arg(&certificates));
        let link: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        // One store for all nodes.
        let images = scratch.path().join("images");
        std::fs::create_dir(&images).unwrap();
        let conf = format!("[glance_store]\nfilesystem_store_datadir = {}\n", images.display());
        std::fs::write(scratch.path().join("glint.conf"), conf).unwrap();
        for (name, text) in files {
            let text = text.replace("{here}", scratch.path().to_str().unwrap());
            std::fs::write(scratch.path().join(name), text).unwrap();
        }
        let mut fleet =
            Self { link, control: Self::control(&scratch, link), nodes: Vec::new(), scratch };
        for number in 0..nodes {
            let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
            let state = fleet.scratch.path().join(format!("data-{number}"));
            std::fs::create_dir(&state).unwrap();
            let process = Self::data(&fleet.scratch, link, address, &state);
            fleet.nodes.push((process, address, state));
        }
        for number in 0..nodes {
            fleet.wait_until_serving(number);
        }
        fleet
    }

    fn control(scratch: &Scratch, link: SocketAddr) -> Process {
        let state = scratch.path().join("control");
        std::fs::create_dir_all(&state).unwrap();
        let mut command = Command::new(binary());
        command.args(["control", "--link-bind", &link.to_string(), "--link-dir"]);
        command.arg(scratch.path().join("link")).arg("--state-dir").arg(&state);
        let conf = scratch.path().join("glance-api.conf");
        if conf.exists() {
            command.arg("--config-file").arg(conf);
        }
        Process::start(&mut command, &scratch.path().join("control.log"))
    }

    fn data(scratch: &Scratch, link: SocketAddr, address: SocketAddr, state: &PathBuf) -> Process {
        let mut command = Command::new(binary());
        command.args(["data", "--bind", &address.to_string(), "--link", &link.to_string()]);
        command.arg("--link-dir").arg(scratch.path().join("link")).arg("--state-dir").arg(state);
        command.arg("--config-file").arg(scratch.path().join("glint.conf"));
        Process::start(&mut command, &state.join("data.log"))
    }

    pub(crate) fn restart_control(&mut self) {
        self.control.kill();
        self.control = Self::control(&self.scratch, self.link);
    }

    fn restart_node(&mut self, number: usize) {
        let (process, address, state) = &mut self.nodes[number];
        process.kill();
        *process = Self::data(&self.scratch, self.link, *address, state);
    }

    pub(crate) fn call(
        &self,
        node: usize,
        method: &str,
        path: &str,
        body: Body<'_>,
    ) -> (u16, Vec<u8>) {
        let answer = Connection::open(self.nodes[node].1).call(method, path, &[], body);
        (answer.status, answer.body)
    }

    /// Waits until a node answers, and not with 503.
    pub(crate) fn wait_until_serving(&self, node: usize) {
        let address = self.nodes[node].1;
        eventually("the node answers from the control plane", || {
            let mut stream = std::net::TcpStream::connect(address).ok()?;
            use std::io::{Read, Write};
            let request = "GET /v2/images HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            let answered = ["HTTP/1.1 200", "HTTP/1.1 401"];
            answered.iter().any(|begin| answer.starts_with(begin)).then_some(())
        });
    }

    fn stored(&self) -> Vec<String> {
        stored_in(&self.scratch.path().join("images"))
    }

    pub(crate) fn create(&self, node: usize) -> String {
        let body = br#"{"disk_format": "raw", "container_format": "bare"}"#;
        let (status, body) = self.call(node, "POST", "/v2/images", Body::Json(body));
        assert_eq!(status, 201);
        let image: serde_json::Value = serde_json::from_slice(&body).unwrap();
        image["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn file(id: &str) -> String {
    format!("/v2/images/{id}/file")
}

#[test]
fn what_one_node_stores_another_serves_and_a_delete_reaches_both() {
    let fleet = Fleet::start(2);
    let bytes = pattern(21, 1_000_000);
    for _ in 0..10 {
        let id = fleet.create(0);
        assert_eq!(fleet.call(0, "PUT", &file(&id), Body::Bytes(&bytes)).0, 204);
        for node in [0, 1] {
            let (status, body) = fleet.call(node, "GET", &file(&id), Body::None);
            assert!(status == 200 && body == bytes, "node {node}: {status}");
        }
        assert_eq!(fleet.call(1, "DELETE", &format!("/v2/images/{id}"), Body::None).0, 204);
        for node in [0, 1] {
            assert_eq!(fleet.call(node, "GET", &file(&id), Body::None).0, 404, "node {node}");
        }
    }
    eventually("the bytes are gone", || fleet.stored().is_empty().then_some(()));
}

#[test]
fn a_killed_control_plane_comes_back_and_known_images_are_served_meanwhile() {
    let mut fleet = Fleet::start(1);
    let bytes = pattern(22, 300_000);
    let id = fleet.create(0);
    assert_eq!(fleet.call(0, "PUT", &file(&id), Body::Bytes(&bytes)).0, 204);
    assert_eq!(fleet.call(0, "GET", &file(&id), Body::None).0, 200);
    for _ in 0..3 {
        fleet.control.kill();
        let (status, body) = fleet.call(0, "GET", &file(&id), Body::None);
        assert!(
            status == 200 && body == bytes,
            "within its lease a known image is served: {status}"
        );
        let (status, _) = fleet.call(0, "GET", "/v2/images", Body::None);
        assert_eq!(status, 503, "what only the control plane knows");
        fleet.restart_control();
        fleet.wait_until_serving(0);
        assert_eq!(fleet.call(0, "GET", &file(&id), Body::None).0, 200);
    }
    assert_eq!(fleet.call(0, "DELETE", &format!("/v2/images/{id}"), Body::None).0, 204);
    assert_eq!(fleet.call(0, "GET", &file(&id), Body::None).0, 404);
    eventually("the bytes are gone", || fleet.stored().is_empty().then_some(()));
}

#[test]
fn a_killed_node_leaves_nothing_and_comes_back() {
    let mut fleet = Fleet::start(2);
    let id = fleet.create(0);
    let mut upload = Connection::open(fleet.nodes[0].1);
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: 5000000\r\n\r\n",
        file(&id)
    );
    upload.send(head.as_bytes());
    upload.send(&[5; 2_000_000]);
    let status = |fleet: &Fleet| {
        let (_, body) = fleet.call(1, "GET", &format!("/v2/images/{id}"), Body::None);
        let image: serde_json::Value = serde_json::from_slice(&body).unwrap();
        image["status"].as_str().unwrap().to_owned()
    };
    eventually("it is saving", || (status(&fleet) == "saving").then_some(()));
    fleet.restart_node(0);
    eventually("it is queued again", || (status(&fleet) == "queued").then_some(()));
    eventually("no byte is left", || fleet.stored().is_empty().then_some(()));
    fleet.wait_until_serving(0);
    assert_eq!(fleet.call(0, "PUT", &file(&id), Body::Bytes(b"whole")).0, 204);
    assert_eq!(fleet.call(1, "GET", &file(&id), Body::None).1, b"whole");
}

#[test]
fn a_node_that_is_gone_for_good_holds_back_a_delete_for_its_lease_only() {
    let mut fleet = Fleet::start(2);
    let id = fleet.create(0);
    assert_eq!(fleet.call(0, "PUT", &file(&id), Body::Bytes(b"bytes")).0, 204);
    assert_eq!(fleet.call(1, "GET", &file(&id), Body::None).0, 200);
    fleet.nodes[1].0.kill();
    let begun = std::time::Instant::now();
    assert_eq!(fleet.call(0, "DELETE", &format!("/v2/images/{id}"), Body::None).0, 204);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert_eq!(fleet.call(0, "GET", &file(&id), Body::None).0, 404);
}
