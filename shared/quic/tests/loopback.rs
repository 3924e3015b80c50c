//! The link on real loopback sockets: who is let in, and what a stream takes.
//!
//! Everything runs between two ends in this process. Invariant of the helpers: every wait has a
//! deadline, so a refusal that does not come fails the test instead of hanging it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use glint_image::limits::{FRAME_PAYLOAD_BYTES_MAX, RELAY_PIECE_BYTES};
use glint_link::frame::{FrameError, HEADER_BYTES};
use glint_link::wire::{Answer, Ask, Mark, Piece};
use glint_quic::ca::ephemeral;
use glint_quic::frames::{BodyError, ReadError};
use glint_quic::{
    Authority, Connection, Connector, Credentials, Listener, RecvStream, Role, SendStream,
    read_body, read_frame, write_body, write_frame,
};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("answered in time")
}

/// Whether a client with these credentials gets a frame across to a server with those.
async fn meets(server: &Credentials, client: &Credentials) -> Result<(), String> {
    let listener = Listener::bind(LOOPBACK, server).expect("a free port");
    let connector = Connector::new(listener.local_addr(), client).expect("usable credentials");
    let serving = tokio::spawn(async move {
        let accepted = listener.accept().await.ok_or("closed")?;
        let connection = accepted.finish().await.map_err(|error| error.to_string())?;
        let (mut send, mut recv) = connection.accept_bi().await.map_err(|e| e.to_string())?;
        let _: Ask = read_frame(&mut recv).await.map_err(|error| error.to_string())?;
        write_frame(&mut send, &Answer::Noted).await.map_err(|error| error.to_string())?;
        send.finish().map_err(|error| error.to_string())?;
        connection.closed().await;
        Ok::<(), String>(())
    });
    let asked = soon(async {
        let connection = connector.connect().await.map_err(|error| error.to_string())?;
        let (mut send, mut recv) = connection.open_bi().await.map_err(|e| e.to_string())?;
        let ask = Ask::Reclaimed { order: 1 };
        write_frame(&mut send, &ask).await.map_err(|error| error.to_string())?;
        let answer: Answer = read_frame(&mut recv).await.map_err(|error| error.to_string())?;
        assert_eq!(answer, Answer::Noted);
        Ok::<(), String>(())
    })
    .await;
    connector.close("done");
    let served = soon(serving).await.expect("the serving end does not panic");
    match (&asked, &served) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(error), Err(_)) => Err(error.clone()),
        other => panic!("the two ends disagree: {other:?}"),
    }
}

#[tokio::test]
async fn only_the_right_roles_of_the_same_authority_meet() {
    let ours = Authority::create().unwrap();
    let theirs = Authority::create().unwrap();
    let issue = |authority: &Authority, role| authority.issue(role).unwrap();
    let check = async |server: Credentials, client: Credentials, expected: bool, what: &str| {
        let met = meets(&server, &client).await;
        assert_eq!(met.is_ok(), expected, "{what}: {met:?}");
    };
    let (control, data) = (issue(&ours, Role::Control), issue(&ours, Role::Data));
    check(control.clone(), data.clone(), true, "the right certificates").await;
    check(control.clone(), issue(&theirs, Role::Data), false, "a stranger's data node").await;
    check(issue(&theirs, Role::Control), data.clone(), false, "a stranger's control plane").await;
    check(data.clone(), data.clone(), false, "a data certificate used as server").await;
    check(control.clone(), control.clone(), false, "a control certificate used as client").await;
    let (control, data) = ephemeral().unwrap();
    check(control, data, true, "one process, both planes").await;
}

/// Two ends of one stream: the client's and the server's.
struct Pair {
    client: (SendStream, RecvStream),
    server: (SendStream, RecvStream),
    _keep: (Listener, Connector, Connection, Connection),
}

async fn pair() -> Pair {
    let (control, data) = ephemeral().unwrap();
    let listener = Listener::bind(LOOPBACK, &control).unwrap();
    let connector = Connector::new(listener.local_addr(), &data).unwrap();
    let (near, far) = soon(async {
        tokio::join!(async { connector.connect().await.unwrap() }, async {
            listener.accept().await.unwrap().finish().await.unwrap()
        })
    })
    .await;
    let mut client = near.open_bi().await.unwrap();
    write_frame(&mut client.0, &Answer::Noted).await.unwrap();
    let mut server = soon(far.accept_bi()).await.unwrap();
    let _: Answer = soon(read_frame(&mut server.1)).await.unwrap();
    Pair { client, server, _keep: (listener, connector, near, far) }
}

#[tokio::test]
async fn bodies_of_every_size_arrive_whole_and_larger_ones_are_refused() {
    let check = async |bytes: usize, bytes_max: usize, expected: bool| {
        let Pair { mut client, mut server, _keep } = pair().await;
        let body: Vec<u8> = (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sending = async {
            // A refused body is not read to its end: the refusing side drops the stream.
            let _ = write_body(&mut client.0, &body).await;
        };
        let reading = async {
            let read = read_body(&mut server.1, bytes_max).await;
            let _ = server.1.stop(glint_quic::VarInt::from_u32(1));
            read
        };
        match soon(async { tokio::join!(sending, reading) }).await.1 {
            Ok(read) => {
                assert!(expected, "{bytes} of at most {bytes_max}");
                assert!(read == body, "{bytes} bytes differ");
            }
            Err(BodyError::TooLong(max)) => {
                assert!(!expected, "{bytes} of at most {bytes_max}");
                assert_eq!(max, bytes_max);
            }
            Err(other) => panic!("{other}"),
        }
    };
    check(0, 0, true).await;
    check(1, 1, true).await;
    check(RELAY_PIECE_BYTES, RELAY_PIECE_BYTES, true).await;
    check(RELAY_PIECE_BYTES + 1, RELAY_PIECE_BYTES + 1, true).await;
    check(5 * 1024 * 1024, 5 * 1024 * 1024, true).await;
    check(5 * 1024 * 1024 + 1, 5 * 1024 * 1024, false).await;
    check(1, 0, false).await;
}

#[tokio::test]
async fn what_is_no_frame_is_refused_with_its_reason() {
    let check = async |bytes: &[u8], expected: &str| {
        let Pair { mut client, mut server, _keep } = pair().await;
        client.0.write_all(bytes).await.unwrap();
        client.0.finish().unwrap();
        let error = soon(read_frame::<Answer>(&mut server.1)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let good = glint_link::frame::encode(&Answer::Committed { at: Mark { session: 1, number: 2 } });
    let good = good.unwrap();
    let mut giant = good.clone();
    giant[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut bent = good.clone();
    *bent.last_mut().unwrap() ^= 1;
    check(&giant, &FrameError::TooLong(u32::MAX as usize).to_string()).await;
    check(&bent, &FrameError::Checksum.to_string()).await;
    check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &FrameError::Magic.to_string()).await;
    check(&good[..HEADER_BYTES + 1], &ReadError::Truncated.to_string()).await;
    check(&good[..3], &ReadError::Truncated.to_string()).await;
    check(&[], &ReadError::Ended.to_string()).await;
}

#[tokio::test]
async fn a_frame_over_the_bound_is_not_sent_at_all() {
    let Pair { mut client, mut server, _keep } = pair().await;
    let giant = Piece { bytes: vec![0; FRAME_PAYLOAD_BYTES_MAX + 1], last: true };
    assert!(write_frame(&mut client.0, &giant).await.is_err());
    write_frame(&mut client.0, &Answer::Fenced).await.unwrap();
    let next: Answer = soon(read_frame(&mut server.1)).await.unwrap();
    assert_eq!(next, Answer::Fenced, "the stream is still good");
}

#[tokio::test]
async fn an_empty_piece_in_the_middle_is_refused() {
    let Pair { mut client, mut server, _keep } = pair().await;
    write_frame(&mut client.0, &Piece { bytes: vec![], last: false }).await.unwrap();
    let read = soon(read_body(&mut server.1, 10)).await;
    assert!(matches!(read, Err(BodyError::EmptyPiece)), "{read:?}");
}
