//! One client connection: head after head, each answered by its route.
//!
//! What an answer is, is left to the routes. Invariants: bytes behind a request stay for the next;
//! where the end of a request is in doubt, or its body was not read, nothing more is taken for a
//! request and the connection closes; an idle connection holds no buffer, and every wait has a
//! deadline.

use crate::clock;
use crate::shard::Shard;
use crate::stream::{Filled, Stop, Stream};
use crate::{download, relay, upload};
use dataplane_core::Millis;
use dataplane_core::drain::{Drain, Draining};
use dataplane_core::head::{Head, Parsed, Parser, Persistence};
use dataplane_core::respond::Response;
use dataplane_core::route::{Route, route};
use glint_image::limits::{HEAD_MS_MAX, IDLE_MS_MAX};
use glint_image::{Fault, FaultShape, RequestId};
use glint_link::wire::Header;
use monoio::net::TcpStream;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the routes need to know of a request beside its head.
#[derive(Debug)]
pub(crate) struct Request {
    /// The id under which it is logged.
    pub(crate) id: RequestId,
    /// The shape of a fault's body that the client accepts.
    pub(crate) shape: FaultShape,
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// Headers that let the page behind it read the answer.
    pub(crate) cross_origin: Vec<Header>,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next request.
    Keep,
    /// Close. The client may still be sending: what it sends is read over for a while, so that it
    /// sees the answer.
    Close,
    /// Close at once.
    Cut,
}

/// What came instead of a head, or a head.
#[derive(Debug)]
enum Came {
    Head(Box<Head>),
    Bad(Fault),
    /// Nothing, or half a head and then the end.
    Nothing,
}

/// Serves a connection to its end.
pub(crate) async fn serve(shard: Rc<Shard>, socket: Rc<TcpStream>, peer: SocketAddr) {
    let number = shard.connected(&socket);
    shard.counters.connections_open.add(1);
    let mut stream = Stream::new(socket);
    if let Next::Close = converse(&shard, &mut stream, peer, number).await {
        linger(&mut stream).await;
    }
    drop(stream);
    shard.counters.connections_open.sub(1);
    shard.disconnected(number);
}

async fn converse(shard: &Shard, stream: &mut Stream, peer: SocketAddr, number: u64) -> Next {
    loop {
        let next = match read_head(shard, stream, number).await {
            Came::Head(head) => {
                shard.counters.requests.add(1);
                // On the heap, so that an idle connection is small.
                Box::pin(answer(shard, stream, *head, peer)).await
            }
            Came::Bad(fault) => {
                let request = Request {
                    id: RequestId::random(),
                    shape: FaultShape::from_accept(None),
                    peer,
                    cross_origin: Vec::new(),
                };
                tracing::debug!(%peer, status = fault.status, "a request head was refused");
                respond(stream, &Response::Fault(fault), &request, Persistence::Close).await
            }
            Came::Nothing => Next::Cut,
        };
        if next != Next::Keep {
            return next;
        }
    }
}

/// Waits for a request and reads its head.
async fn read_head(shard: &Shard, stream: &mut Stream, number: u64) -> Came {
    if stream.input.is_empty() {
        stream.input.release();
        if shard.draining.get() {
            return Came::Nothing;
        }
        shard.set_idle(number, true);
        let waited = stream.readable(Duration::from_millis(IDLE_MS_MAX)).await;
        shard.set_idle(number, false);
        if waited.is_err() {
            return Came::Nothing;
        }
    }
    let began = Instant::now();
    let mut parser = Parser::new();
    loop {
        match parser.parse(stream.input.unread()) {
            Parsed::Head(head, length) => {
                stream.input.consume(length);
                return Came::Head(head);
            }
            Parsed::Bad(fault) => return Came::Bad(fault),
            Parsed::Incomplete => {}
        }
        let left = Duration::from_millis(HEAD_MS_MAX).saturating_sub(began.elapsed());
        match stream.fill(left).await {
            Ok(Filled::Bytes(_)) => {}
            Err(Stop::Slow) if !stream.input.is_empty() => return Came::Bad(Fault::bare(408)),
            Ok(Filled::End) | Err(_) => return Came::Nothing,
        }
    }
}

async fn answer(shard: &Shard, stream: &mut Stream, mut head: Head, peer: SocketAddr) -> Next {
    if shard.draining.get() {
        head.persistence = Persistence::Close;
    }
    let request = Request {
        id: head.request_id().unwrap_or_else(RequestId::random),
        shape: FaultShape::from_accept(head.header("accept").as_deref()),
        peer,
        cross_origin: shard.view.borrow().cross_origin(&head),
    };
    let line = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| (Instant::now(), format!("{} {}", head.method, head.path)));
    let route = route(&head, shard.view.borrow().minor_versions());
    let next = match route {
        Route::Download { id_text } => {
            download::serve(shard, stream, head, &id_text, &request).await
        }
        Route::Upload { id_text } => upload::serve(shard, stream, head, &id_text, &request).await,
        Route::Relay => relay::serve(shard, stream, head, &request).await,
    };
    if let Some((began, line)) = line {
        let took = began.elapsed();
        tracing::debug!(%peer, request = request.id.as_str(), line, ?took, ?next, "answered");
    }
    next
}

/// Sends a response whose body is at hand.
pub(crate) async fn respond(
    stream: &mut Stream,
    response: &Response,
    request: &Request,
    persistence: Persistence,
) -> Next {
    let mut out = Vec::with_capacity(1024);
    response.write(&mut out, request.shape, &request.id, &request.cross_origin, persistence);
    match stream.send_all(&out, false).await {
        Ok(()) => next_of(persistence),
        Err(_) => Next::Cut,
    }
}

/// What follows a response that was sent whole.
pub(crate) fn next_of(persistence: Persistence) -> Next {
    match persistence {
        Persistence::Keep | Persistence::KeepSaid => Next::Keep,
        Persistence::Close => Next::Close,
    }
}

/// Reads over what the client still sends, within the bounds of [`Drain`]: closing a socket with
/// unread bytes resets it, and the reset may overtake the answer.
async fn linger(stream: &mut Stream) {
    if dataplane_io::socket::finish_sending(&*stream.socket).is_err() {
        return;
    }
    stream.input.consume(stream.input.unread().len());
    let now = || Millis(clock::now().0);
    let mut drain = Drain::new(now());
    while let Draining::Read { until } = drain.next(now()) {
        let left = Duration::from_millis(until.since(now()));
        match stream.fill_large(left).await {
            Ok(Filled::Bytes(bytes)) => {
                drain.read(bytes as u64);
                stream.input.consume(bytes);
            }
            Ok(Filled::End) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, F: Future>(_serve: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let bytes = future_bytes(serve);
        assert!(bytes <= 2048, "{bytes} bytes: what a request needs belongs on the heap");
    }
}
