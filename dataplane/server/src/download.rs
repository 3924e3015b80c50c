//! Performs downloads: the driver of [`dataplane_core::download`].
//!
//! Every decision is the machine's. Invariants: a file is opened with the machine's permit and
//! nothing else; a pipe that is left with bytes in it is dropped, never kept for another window; on
//! the way of a hot window nothing is allocated.

use crate::clock;
use crate::connection::{Next, Request, respond};
use crate::relay;
use crate::shard::Shard;
use crate::stream::{Stop, Stream};
use dataplane_core::Millis;
use dataplane_core::download::{self, Cut, Open, OpenError, Step};
use dataplane_core::head::{Head, Persistence};
use dataplane_io::socket::{self, SentFile, SocketError};
use dataplane_io::{BulkFile, Drained, Pipe, Prober, Residency};
use dataplane_store::ReadError;
use glint_image::limits::{ASK_MS_MAX, MARK_WAIT_MS_MAX};
use glint_link::wire::{Answer, Ask};
use std::time::{Duration, Instant};

/// An inline call that takes longer than this held up the shard.
const STALL: Duration = Duration::from_millis(2);

/// What the driver holds between two steps.
#[derive(Debug)]
struct Source {
    file: Option<BulkFile>,
    prober: Prober,
    pipe: Option<Pipe>,
}

/// Answers one download.
pub(crate) async fn serve(
    shard: &Shard,
    stream: &mut Stream,
    head: Head,
    id_text: &str,
    request: &Request,
) -> Next {
    let who = shard.view.borrow().who(&head);
    let mut step = download::start(&head, id_text, who);
    let mut source = Source { file: None, prober: Prober::new(), pipe: None };
    loop {
        step = match step {
            Step::Look(look) => {
                if let Some(image) = look.image() {
                    shard.used(image);
                    shard.settle_lease(image).await;
                }
                let view = shard.view.borrow();
                let (who, image) = (look.who(), look.image());
                look.found(&view.sight(who, image, shard.now()))
            }
            Step::Identify(identify) => {
                let question = identify.ask(shard.view.borrow().identity_headers(&head));
                identify.answered(&ask(shard, question).await)
            }
            Step::Resolve(resolve) => {
                let question = resolve.ask();
                resolve.answered(&ask(shard, question).await)
            }
            Step::Wait(wait) => {
                if shard.reaches(wait.mark(), Duration::from_millis(MARK_WAIT_MS_MAX)).await {
                    wait.reached()
                } else {
                    wait.timed_out()
                }
            }
            Step::Open(open) => open_file(shard, &mut source, open).await,
            Step::TurnAway => return relay::serve(shard, stream, head, request).await,
            Step::Respond(response, persistence) => {
                return respond(stream, &response, request, persistence).await;
            }
            Step::Done(Persistence::Close) => return Next::Close,
            Step::Done(Persistence::Keep | Persistence::KeepSaid) => return Next::Keep,
            Step::Cut(cut) => return cut_off(cut, request),
            sending => send(shard, stream, &mut source, sending, request).await,
        };
    }
}

async fn ask(shard: &Shard, question: Ask) -> Answer {
    let asked = shard.common.asker.ask(question);
    let none = |_| Answer::Unavailable { reason: "no answer in time".to_owned() };
    monoio::time::timeout(Duration::from_millis(ASK_MS_MAX), asked).await.unwrap_or_else(none)
}

async fn open_file(shard: &Shard, source: &mut Source, open: Open) -> Step {
    let store = shard.common.store.clone();
    let url = open.location().url.clone();
    match shard.common.bulk.call(move || store.open_read(&url)).await {
        Ok(read) => {
            source.file = Some(read.file);
            open.opened(read.size_bytes)
        }
        Err(ReadError::Missing) => open.failed(OpenError::Missing),
        Err(ReadError::Refused(refused)) => {
            let image = open.permit().image();
            tracing::warn!(%image, %refused, "a location cannot be read from here");
            open.failed(OpenError::Unsupported)
        }
        Err(ReadError::Failed(error)) => {
            tracing::error!(image = %open.permit().image(), %error, "cannot open an image's file");
            open.failed(OpenError::Unreachable)
        }
    }
}

/// Performs the steps between the head and the last byte.
async fn send(
    shard: &Shard,
    stream: &mut Stream,
    source: &mut Source,
    step: Step,
    request: &Request,
) -> Step {
    let Source { file: Some(file), prober, pipe } = source else {
        unreachable!("the machine sends only what it has had opened");
    };
    match step {
        Step::Head(head) => {
            let mut bytes = Vec::with_capacity(512);
            head.write(&mut bytes, &request.id, &request.cross_origin);
            match stream.send_all(&bytes, head.body_bytes() > 0).await {
                Ok(()) => head.sent(),
                Err(_) => head.failed(),
            }
        }
        Step::Probe(probe) => {
            let residency = match prober.probe(file, probe.offset(), count(probe.length())) {
                Residency::Hot => download::Residency::Hot,
                Residency::Cold => download::Residency::Cold,
            };
            probe.probed(residency, shard.now())
        }
        Step::SendFile(sending) => send_file(shard, stream, file, sending).await,
        Step::SpliceIn(splice) => splice_in(shard, file, pipe, splice).await,
        Step::DrainPipe(draining) => {
            let held = pipe.as_mut().expect("the machine drains only what was spliced in");
            let step = drain_pipe(shard, stream, held, draining).await;
            if held.held() == 0 {
                *pipe = None;
            }
            step
        }
        Step::Yield(turn) => match shard.turn.give_way(&stream.socket).await {
            Ok(()) => turn.resumed(),
            Err(_) => Step::Cut(Cut::Gone),
        },
        Step::Look(_)
        | Step::Identify(_)
        | Step::TurnAway
        | Step::Resolve(_)
        | Step::Wait(_)
        | Step::Open(_)
        | Step::Respond(..)
        | Step::Done(_)
        | Step::Cut(_) => unreachable!("these steps are performed by the caller"),
    }
}

/// Sends from the page cache; one call, or a wait and one call.
async fn send_file(
    shard: &Shard,
    stream: &Stream,
    file: &BulkFile,
    sending: download::SendFile,
) -> Step {
    loop {
        let began = Instant::now();
        let sent =
            socket::sendfile(&*stream.socket, file, sending.offset(), count(sending.length()));
        if began.elapsed() > STALL {
            shard.counters.stalls.add(1);
        }
        match sent {
            Ok(SentFile::Bytes(bytes)) => {
                shard.counters.bytes_sent.add(bytes as u64);
                return sending.sent(bytes as u64);
            }
            Ok(SentFile::FileEnded) => return sending.sent(0),
            Ok(SentFile::WouldBlock) => match stream.writable(until(sending.deadline())).await {
                Ok(()) => {}
                Err(Stop::Slow) => return sending.timed_out(),
                Err(Stop::Socket(error)) => return sending.failed(cut_of(&error)),
            },
            Err(error) => return sending.failed(cut_of(&error)),
        }
    }
}

/// Has the bulk engine fetch a cold window.
async fn splice_in(
    shard: &Shard,
    file: &BulkFile,
    pipe: &mut Option<Pipe>,
    splice: download::SpliceIn,
) -> Step {
    shard.counters.windows_cold.add(1);
    let taken = match shard.pipes.take().await {
        Ok(taken) => taken,
        Err(error) => {
            tracing::error!(%error, "no pipe for a download");
            return splice.failed();
        }
    };
    let (offset, length) = (splice.offset(), count(splice.length()));
    match shard.common.bulk.splice_to_pipe(file, offset, length, taken).await {
        Ok(filled) => {
            let held = filled.held() as u64;
            *pipe = Some(filled);
            splice.spliced(held, shard.now())
        }
        Err(failed) => {
            tracing::error!(error = %failed.error, "cannot read an image's file");
            splice.failed()
        }
    }
}

async fn drain_pipe(
    shard: &Shard,
    stream: &Stream,
    pipe: &mut Pipe,
    draining: download::DrainPipe,
) -> Step {
    loop {
        match pipe.drain(&*stream.socket) {
            Ok(Drained::Bytes(bytes)) => {
                shard.counters.bytes_sent.add(bytes as u64);
                return draining.drained(bytes as u64);
            }
            Ok(Drained::WouldBlock) => match stream.writable(until(draining.deadline())).await {
                Ok(()) => {}
                Err(Stop::Slow) => return draining.timed_out(),
                Err(Stop::Socket(error)) => return draining.failed(cut_of(&error)),
            },
            Err(error) => return draining.failed(cut_of(&error)),
        }
    }
}

fn cut_of(error: &SocketError) -> Cut {
    match error {
        SocketError::Gone(_) => Cut::Gone,
        SocketError::Failed(_) => Cut::Store,
    }
}

fn cut_off(cut: Cut, request: &Request) -> Next {
    match cut {
        Cut::Gone | Cut::Slow => {
            tracing::debug!(request = request.id.as_str(), reason = %cut, "a download was cut");
        }
        Cut::Short | Cut::Store => {
            tracing::error!(request = request.id.as_str(), reason = %cut, "a download was cut");
        }
    }
    Next::Cut
}

fn until(deadline: Millis) -> Duration {
    Duration::from_millis(deadline.since(Millis(clock::now().0)))
}

/// Windows fit the address space.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a window is a megabyte")
}
