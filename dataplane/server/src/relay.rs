//! Relays requests that the control plane answers: head and body over the link, the response back
//! to the client.
//!
//! What the answer is, is the control plane's matter. Invariants: a body is relayed only when its
//! end was proved; it never takes more memory than its bound and its share of the shard's; the
//! response goes out when this shard's view has reached the change it speaks of, so a client that
//! reads what it wrote finds it; a reply is given again only while the view says that it stands.

use crate::connection::{Next, Request, next_of, respond};
use crate::shard::Shard;
use crate::stream::{Filled, Stop, Stream};
use dataplane_core::authorize::undecided;
use dataplane_core::body::{Body, Framing};
use dataplane_core::caller::Who;
use dataplane_core::head::{Head, Persistence};
use dataplane_core::kept::{KeptReply, ReplyKey};
use dataplane_core::respond::{CONTINUE, HeadWriter, Length, Response};
use glint_image::Fault;
use glint_image::limits::{
    ASK_MS_MAX, BODY_SPAN_BYTES_MIN, BODY_SPAN_MS, MARK_WAIT_MS_MAX, RELAY_BODY_BYTES_MAX,
};
use glint_link::wire::{Answer, Ask, Header, Keep};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::link::asks::Answered;

/// Why there is no body to relay.
#[derive(Debug)]
enum NoBody {
    /// Answer with this and close: what the client still sends is not read.
    Refused(Fault),
    /// The client is gone.
    Gone,
}

/// Answers one request with what the control plane says, or has said before.
pub(crate) async fn serve(
    shard: &Shard,
    stream: &mut Stream,
    head: Head,
    request: &Request,
) -> Next {
    let asker = Asker::of(shard, &head);
    let Some(reply) = asker.kept(shard) else {
        return relay(shard, stream, head, asker, request).await;
    };
    shard.counters.replies_kept.add(1);
    give_again(stream, &reply, request, head.persistence).await
}

async fn relay(
    shard: &Shard,
    stream: &mut Stream,
    head: Head,
    asker: Asker,
    request: &Request,
) -> Next {
    let persistence = head.persistence;
    let mut room = shard.relay_room();
    let body = match read_body(stream, &head, |bytes| room.take(bytes)).await {
        Ok(body) => body,
        Err(NoBody::Gone) => return Next::Cut,
        Err(NoBody::Refused(fault)) => {
            return respond(stream, &Response::Fault(fault), request, Persistence::Close).await;
        }
    };
    let is_head = head.method == "HEAD";
    let ask = Ask::Relay {
        head: head.into_request(&request.id, request.peer.to_string()),
        caller: asker.unknown(shard),
    };
    let asked = shard.common.asker.ask_with_body(ask, body);
    let answered = monoio::time::timeout(Duration::from_millis(ASK_MS_MAX), asked).await;
    drop(room);
    let Answered { answer, body } =
        answered.unwrap_or_else(|_| Answered::unavailable("no answer in time"));
    let (status, headers, body) = match answer {
        Answer::Relayed { status, headers, at, keep } => {
            // The change is made: when the view does not come to it in time, the answer is still
            // the truth.
            if !shard.reaches_everywhere(at, Duration::from_millis(MARK_WAIT_MS_MAX)).await {
                tracing::warn!(
                    request = request.id.as_str(),
                    "answering before the view has reached the change"
                );
            }
            if let Some(keep) = keep {
                asker.keep(shard, &keep, status, &headers, &body);
            }
            (status, headers, body)
        }
        Answer::Refused { status, headers, body } => (status, headers, body),
        Answer::Unavailable { reason } => {
            tracing::info!(
                request = request.id.as_str(),
                reason,
                "the control plane has no answer"
            );
            return respond(stream, &Response::Fault(undecided()), request, persistence).await;
        }
        other => {
            tracing::error!(
                request = request.id.as_str(),
                ?other,
                "the control plane misunderstood"
            );
            return respond(stream, &Response::Fault(Fault::bare(500)), request, persistence).await;
        }
    };
    let mut out = Vec::with_capacity(1024);
    let sends_body = write_head(&mut out, status, &headers, body.len(), is_head, persistence);
    let body: &[u8] = if sends_body { &body } else { &[] };
    match stream.send_response(&out, body).await {
        Ok(()) => next_of(persistence),
        Err(_) => Next::Cut,
    }
}

/// Sends a reply that was kept.
async fn give_again(
    stream: &mut Stream,
    reply: &KeptReply,
    request: &Request,
    persistence: Persistence,
) -> Next {
    let mut out = Vec::with_capacity(1024);
    let mut head = HeadWriter::new(&mut out, reply.status);
    head.headers_again(&reply.headers, &request.id);
    head.length(Length::Known(reply.body.len() as u64));
    head.end(persistence);
    match stream.send_response(&out, &reply.body).await {
        Ok(()) => next_of(persistence),
        Err(_) => Next::Cut,
    }
}

/// Who asks for what, where the reply may be kept.
#[derive(Clone, Copy, Debug)]
struct Asker {
    who: Who,
    key: Option<ReplyKey>,
}

// === impl Asker ===

impl Asker {
    fn of(shard: &Shard, head: &Head) -> Self {
        let view = shard.view.borrow();
        let who = view.who(head);
        Self { who, key: view.reply_key(head, who) }
    }

    fn kept(self, shard: &Shard) -> Option<Arc<KeptReply>> {
        let (reply, image) = shard.view.borrow_mut().kept(self.key?, shard.now())?;
        if let Some(image) = image {
            shard.used(image);
        }
        Some(reply)
    }

    /// The name under which the control plane is to push what it knows of the caller.
    fn unknown(self, shard: &Shard) -> Option<[u8; 32]> {
        let Who::Caller(key) = self.who else { return None };
        let wanted = self.key.is_some() && !shard.view.borrow().knows(self.who, shard.now());
        wanted.then(|| key.bytes())
    }

    fn keep(self, shard: &Shard, keep: &Keep, status: u16, headers: &[Header], body: &[u8]) {
        if let Some(key) = self.key {
            let (headers, body) = (headers.to_vec(), body.to_vec());
            let reply = KeptReply { status, headers, body };
            shard.view.borrow_mut().keep(key, self.who, keep, reply, shard.now());
        }
    }
}

/// Writes the head of a relayed response; says whether its body follows (RFC 9110 §6.4.1: none for
/// HEAD, 204 and 304).
fn write_head(
    out: &mut Vec<u8>,
    status: u16,
    headers: &[Header],
    body_bytes: usize,
    is_head: bool,
    persistence: Persistence,
) -> bool {
    let empty = matches!(status, 204 | 304);
    let mut head = HeadWriter::new(out, status);
    head.headers(headers);
    head.length(match status {
        304 => Length::Unsaid,
        // Glance's server says so of an empty 204 too.
        204 => Length::Known(0),
        _ => Length::Known(body_bytes as u64),
    });
    head.end(persistence);
    !is_head && !empty
}

/// Reads a request's body to its proved end. `take` reserves memory for so many bytes more.
async fn read_body(
    stream: &mut Stream,
    head: &Head,
    mut take: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, NoBody> {
    let too_large = || NoBody::Refused(Fault::bare(413));
    if let Framing::Length(bytes) = head.framing
        && bytes > RELAY_BODY_BYTES_MAX as u64
    {
        return Err(too_large());
    }
    let mut decoder = Body::new(head.framing);
    let mut body = Vec::new();
    if head.expects_continue && !decoder.is_done() && stream.input.is_empty() {
        stream.send_all(CONTINUE, false).await.map_err(|_| NoBody::Gone)?;
    }
    let began = Instant::now();
    loop {
        while !decoder.is_done() && !stream.input.is_empty() {
            let unread = stream.input.unread();
            // One byte over the bound shows that it is passed.
            let room = RELAY_BODY_BYTES_MAX + 1 - body.len();
            let found = decoder.decode(unread, room).map_err(|error| {
                NoBody::Refused(Fault::new(400, format!("The request body is not valid: {error}.")))
            })?;
            let data = &unread[found.data];
            if body.len() + data.len() > RELAY_BODY_BYTES_MAX {
                return Err(too_large());
            }
            if !take(data.len()) {
                return Err(NoBody::Refused(Fault::bare(503)));
            }
            body.extend_from_slice(data);
            stream.input.consume(found.consumed);
        }
        if decoder.is_done() {
            return Ok(body);
        }
        match stream.fill_large(pace_left(began, decoder.total())).await {
            Ok(Filled::Bytes(_)) => {}
            Ok(Filled::End) => return Err(ended_early()),
            Err(Stop::Slow) => return Err(NoBody::Refused(Fault::bare(408))),
            Err(Stop::Socket(_)) => return Err(NoBody::Gone),
        }
    }
}

/// A client that shuts down its sending side may still listen.
fn ended_early() -> NoBody {
    NoBody::Refused(Fault::new(400, "The request body ended before its announced end."))
}

/// How long the next bytes of a body may take: the whole body has to keep the least pace.
pub(crate) fn pace_left(began: Instant, received: u64) -> Duration {
    let spans = 1 + received / BODY_SPAN_BYTES_MIN;
    Duration::from_millis(BODY_SPAN_MS.saturating_mul(spans)).saturating_sub(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_responses_that_may_have_a_body_get_one() {
        let check = |status: u16, is_head: bool, length: Option<&str>, sends_body: bool| {
            let mut out = Vec::new();
            let sends = write_head(&mut out, status, &[], 5, is_head, Persistence::Keep);
            let text = String::from_utf8(out).unwrap();
            let said = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            assert_eq!((said, sends), (length, sends_body), "{status} {is_head}");
        };
        check(200, false, Some("5"), true);
        check(200, true, Some("5"), false);
        check(404, false, Some("5"), true);
        check(204, false, Some("0"), false);
        check(304, false, None, false);
    }

    #[test]
    fn a_body_earns_time_by_arriving() {
        let began = Instant::now();
        let check = |received: u64, spans: u64| {
            let left = pace_left(began, received);
            let whole = Duration::from_millis(BODY_SPAN_MS * spans);
            assert!(left <= whole && left + Duration::from_secs(5) > whole, "{received} {left:?}");
        };
        check(0, 1);
        check(BODY_SPAN_BYTES_MIN - 1, 1);
        check(BODY_SPAN_BYTES_MIN, 2);
        check(10 * BODY_SPAN_BYTES_MIN, 11);
    }
}
