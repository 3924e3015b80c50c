//! What untrusted bytes may do to us: one function for each place that reads them, and inputs to
//! begin with.
//!
//! A target is a function of bytes that panics when a promise is broken. `tests/smoke.rs` runs each
//! on mutated examples in every test run; `run TARGET SECONDS` gives it to libFuzzer for as long as
//! one likes. Invariant: a target does the same thing for the same bytes, so whatever breaks one
//! can be kept as an example.

mod config;
mod http;
mod mutate;
pub mod paste;
mod replica;

pub use config::config;
pub use http::{body, head};
pub use mutate::Mutator;
pub use replica::replica;

use glint_link::frame::{HEADER_BYTES, Header, decode, encode};
use glint_link::wire::{Answer, Ask, Hello, Piece, ToControl, ToData, Welcome};
use std::fmt::Debug;

/// A place that reads untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Reads the bytes; panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Examples to mutate.
    pub examples: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 6] = [
    Target { name: "frame", run: frame, examples: frame_examples },
    Target { name: "head", run: head, examples: http::head_examples },
    Target { name: "body", run: body, examples: http::body_examples },
    Target { name: "config", run: config, examples: config::examples },
    Target { name: "replica", run: replica, examples: replica::examples },
    Target { name: "paste", run: paste::paste, examples: paste::examples },
];

/// Frames of the link. The first byte picks the type; the rest is taken as a whole frame, and as
/// the payload of one whose header is right.
///
/// # Panics
/// If an accepted frame does not mean the same after it was written and read again.
pub fn frame(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if let Some((header, payload)) = rest.split_first_chunk::<HEADER_BYTES>()
        && let Ok(header) = Header::parse(header)
    {
        read_as(*kind, header, payload);
    }
    let mut whole = Vec::with_capacity(HEADER_BYTES + rest.len());
    whole.extend_from_slice(b"GLNK\x01\x00\x00\x00");
    whole.extend_from_slice(&u32::try_from(rest.len()).unwrap_or(u32::MAX).to_le_bytes());
    whole.extend_from_slice(&crc32c::crc32c(rest).to_le_bytes());
    let header = whole.first_chunk::<HEADER_BYTES>().expect("sixteen bytes were written");
    if let Ok(header) = Header::parse(header) {
        read_as(*kind, header, rest);
    }
}

fn read_as(kind: u8, header: Header, payload: &[u8]) {
    macro_rules! read {
        ($type:ty) => {{
            // Two values that differ in a payload the other does not have cannot both be right.
            if let Ok(value) = decode::<$type>(header, payload) {
                let again = encode(&value).expect("what fitted a frame fits one again");
                let (head, rest) = again.split_first_chunk::<HEADER_BYTES>().expect("a header");
                let header = Header::parse(head).expect("our own header");
                assert_same(&decode::<$type>(header, rest).expect("our own payload"), &value);
            }
        }};
    }
    match kind % 7 {
        0 => read!(Hello),
        1 => read!(Welcome),
        2 => read!(ToControl),
        3 => read!(ToData),
        4 => read!(Ask),
        5 => read!(Answer),
        _ => read!(Piece),
    }
}

fn assert_same<T: Debug + PartialEq>(again: &T, value: &T) {
    assert_eq!(again, value, "written and read again");
}

fn frame_examples() -> Vec<Vec<u8>> {
    let image = *b"71c675ab-d94f-49cd-a114-e12490b328d9";
    let mut examples = Vec::new();
    let mut add = |kind: u8, frame: Vec<u8>| {
        examples.push([&[kind], &frame[HEADER_BYTES..]].concat());
        examples.push([&[kind], &frame[..]].concat());
    };
    let encoded = "an example fits a frame";
    let hello = Hello {
        versions: (1, 1),
        node: [1; 16],
        incarnation: 2,
        catalogue: Some([3; 16]),
        engine: "ring".to_owned(),
    };
    add(0, encode(&hello).expect(encoded));
    let welcome = Welcome::Refused { reason: "no room".to_owned() };
    add(1, encode(&welcome).expect(encoded));
    let held = glint_link::wire::Held { image, seq: 9 };
    let hold = ToControl::Hold { session: 7, from: 0, images: vec![held], last: true };
    add(2, encode(&hold).expect(encoded));
    let forget = ToControl::Forget { session: 7, through: 3, images: vec![image, image] };
    add(2, encode(&forget).expect(encoded));
    let body = glint_link::wire::Push::Image(replica::record(image, 5, true));
    add(3, encode(&ToData::Push { session: 7, number: 1, body }).expect(encoded));
    let body = glint_link::wire::Push::Settings(replica::settings(4));
    add(3, encode(&ToData::Push { session: 7, number: 2, body }).expect(encoded));
    let body = glint_link::wire::Push::Caller(replica::caller(4));
    add(3, encode(&ToData::Push { session: 7, number: 3, body }).expect(encoded));
    add(3, encode(&ToData::Pong { nonce: 5, lease_ms: 10_000 }).expect(encoded));
    let header = glint_link::wire::Header { name: "accept".to_owned(), value: b"*/*".to_vec() };
    let request = glint_link::wire::RequestHead {
        method: "GET".to_owned(),
        path: "/v2/images".to_owned(),
        query: Some("limit=1".to_owned()),
        headers: vec![header.clone()],
        request_id: "req-1".to_owned(),
        peer: "[::1]:9".to_owned(),
    };
    let headers = vec![header.clone()];
    add(4, encode(&Ask::Identify { key: [8; 32], headers }).expect(encoded));
    add(4, encode(&Ask::Relay { head: request, caller: Some([8; 32]) }).expect(encoded));
    let at = glint_link::wire::Mark { session: 7, number: 1 };
    let keep = glint_link::wire::Keep { image: Some(image), as_of: 5, caller: true, generation: 9 };
    let headers = vec![header.clone(), header];
    let relayed = Answer::Relayed { status: 200, headers, at, keep: Some(keep) };
    add(5, encode(&relayed).expect(encoded));
    add(6, encode(&Piece { bytes: vec![7; 40], last: true }).expect(encoded));
    examples
}
