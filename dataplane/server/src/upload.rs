//! Performs uploads: the driver of [`dataplane_core::upload`].
//!
//! Every decision is the machine's. Invariants: bytes of a body framed by its length go from the
//! socket straight into the buffer that is hashed and written; a chunked one is copied once; a
//! buffer goes to the hasher and the writer at the same time; an upload is driven to its end also
//! when its client is gone.

mod body;
mod files;

use crate::connection::{Next, Request, next_of, respond};
use crate::failpoint::Step as Failpoint;
use crate::shard::Shard;
use crate::stream::Stream;
use body::Intake;
use dataplane_core::authorize::undecided;
use dataplane_core::body::Framing;
use dataplane_core::head::{Head, Persistence};
use dataplane_core::respond::{CONTINUE, Response};
use dataplane_core::upload::{self, Digests, Done, Seal, SealOp, Settle, Settling, Step};
use dataplane_store::Temp;
use glint_image::limits::{ASK_MS_MAX, MARK_WAIT_MS_MAX};
use glint_image::{Md5, Sha512};
use glint_link::wire::{Answer, Ask, Location};
use std::time::Duration;

/// How long an upload may wait for the leftovers of an earlier process to be settled.
const RECOVERY_WAIT: Duration = Duration::from_millis(MARK_WAIT_MS_MAX);

/// What the driver holds between two steps.
#[derive(Debug)]
struct Held {
    framing: Framing,
    temp: Option<Temp>,
    intake: Option<Intake>,
}

/// Answers one upload.
pub(crate) async fn serve(
    shard: &Shard,
    stream: &mut Stream,
    head: Head,
    id_text: &str,
    request: &Request,
) -> Next {
    let mut recovered = shard.common.recovered.clone();
    let settled = recovered.wait_for(|recovered| *recovered);
    if !matches!(monoio::time::timeout(RECOVERY_WAIT, settled).await, Ok(Ok(_))) {
        let response = Response::Fault(undecided());
        return respond(stream, &response, request, Persistence::Close).await;
    }
    let mut held = Held { framing: head.framing, temp: None, intake: None };
    let mut step = upload::start(head, id_text, &request.id, request.peer.to_string());
    loop {
        step = match step {
            Step::Continue(interim) => match stream.send_all(CONTINUE, false).await {
                Ok(()) => interim.sent(),
                Err(_) => interim.failed(),
            },
            Step::Receive(receive) => held.intake().receive(shard, stream, receive).await,
            Step::Settle(settle) => settle_one(&mut held, settle).await,
            Step::Detach(detach) => {
                if let Some(response) = detach.response() {
                    let closing = Persistence::Close;
                    // The client may be gone; what is left to do is not for it anyway.
                    let _ = respond(stream, response, request, closing).await;
                    let _ = dataplane_io::socket::finish_sending(&*stream.socket);
                }
                detach.detached()
            }
            Step::Done(done) => return finish(shard, stream, request, done).await,
            other => perform(shard, &mut held, other).await,
        };
    }
}

// === impl Held ===

impl Held {
    fn temp(&self) -> &Temp {
        self.temp.as_ref().expect("the machine has had the temporary file opened")
    }

    fn intake(&mut self) -> &mut Intake {
        self.intake.as_mut().expect("the machine has had the temporary file opened")
    }
}

/// Performs the steps that need neither the client nor the body.
async fn perform(shard: &Shard, held: &mut Held, step: Step) -> Step {
    let failpoints = &shard.common.failpoints;
    match step {
        Step::Reserve(reserve) => {
            let answer = ask(shard, reserve.ask()).await;
            if matches!(answer, Answer::Reserved { .. }) {
                failpoints.reached(Failpoint::Reserved);
            }
            reserve.answered(answer)
        }
        Step::Open(open) => {
            match files::create(shard, open.image(), open.epoch(), open.size_bytes()).await {
                Ok(temp) => {
                    failpoints.reached(Failpoint::TempOpened);
                    held.intake = Some(Intake::new(shard, temp.file.clone(), held.framing));
                    held.temp = Some(temp);
                    open.opened()
                }
                Err(error) => open.failed(error),
            }
        }
        Step::Seal(seal) => seal_one(shard, held, seal).await,
        Step::Commit(commit) => {
            let url = shard.common.store.url_for(commit.image());
            let answer = ask(shard, commit.ask(Location { store: String::new(), url })).await;
            if matches!(answer, Answer::Committed { .. }) {
                failpoints.reached(Failpoint::Committed);
            }
            commit.answered(&answer, shard.now())
        }
        Step::Clean(clean) => {
            files::clean(shard, held.temp().name).await;
            failpoints.reached(Failpoint::TempUnlinked);
            clean.done()
        }
        Step::Wait(wait) => {
            let within = Duration::from_millis(MARK_WAIT_MS_MAX);
            if !shard.reaches_everywhere(wait.mark(), within).await {
                tracing::warn!("answering before the view has reached the commit");
            }
            wait.over()
        }
        Step::Suspect(suspect) => {
            shard.common.suspicion.raise();
            suspect.marked()
        }
        Step::Undo(undo) => {
            // What the body still had in buffers is of no use any more.
            held.intake = None;
            match files::undo(shard, held.temp().name, undo.op()).await {
                Ok(()) => undo.done(),
                Err(_) => undo.failed(),
            }
        }
        Step::Abort(abort) => {
            let answer = ask(shard, abort.ask()).await;
            abort.answered(&answer, shard.now())
        }
        Step::Pause(pause) => {
            monoio::time::sleep(Duration::from_millis(pause.pause_ms())).await;
            pause.over()
        }
        Step::Continue(_)
        | Step::Receive(_)
        | Step::Settle(_)
        | Step::Detach(_)
        | Step::Done(_) => unreachable!("these steps are performed by the caller"),
    }
}

/// One step to a durable final name.
async fn seal_one(shard: &Shard, held: &Held, seal: Seal) -> Step {
    let failpoints = &shard.common.failpoints;
    if matches!(seal.op(), SealOp::Truncate { .. }) {
        failpoints.reached(Failpoint::BodyDone);
    }
    if let Err(error) = files::seal(shard, held.temp(), seal.op()).await {
        return seal.failed(error);
    }
    match seal.op() {
        SealOp::Truncate { .. } => failpoints.reached(Failpoint::Truncated),
        SealOp::Fsync => failpoints.reached(Failpoint::Fsynced),
        SealOp::SyncIncoming => {}
        SealOp::Link => failpoints.reached(Failpoint::Linked),
        SealOp::SyncDatadir => failpoints.reached(Failpoint::DirFsynced),
    }
    seal.done()
}

/// Waits for one write, or for the digests.
async fn settle_one(held: &mut Held, settle: Settle) -> Step {
    match settle.waits_for() {
        Settling::Write => {
            let result = held.intake().completion().await;
            settle.completed(result)
        }
        Settling::Digests => {
            let intake = held.intake.take().expect("the digests are asked for once");
            let digests = intake.finish().await;
            settle.hashed(Digests { md5: Md5(digests.md5), sha512: Sha512(digests.sha512) })
        }
    }
}

/// Asks, and takes no answer in time for none.
async fn ask(shard: &Shard, ask: Ask) -> Answer {
    let asked = shard.common.asker.ask(ask);
    let none = Answer::Unavailable { reason: "no answer in time".to_owned() };
    monoio::time::timeout(Duration::from_millis(ASK_MS_MAX), asked).await.unwrap_or(none)
}

async fn finish(shard: &Shard, stream: &mut Stream, request: &Request, done: Done) -> Next {
    let stored = done.response == Some(Response::Stored);
    let counter =
        if stored { &shard.counters.uploads_stored } else { &shard.counters.uploads_failed };
    counter.add(1);
    let Some(response) = done.response else { return Next::Cut };
    if !stored {
        let status = response.status();
        tracing::info!(request = request.id.as_str(), status, "an upload ended without an image");
    }
    let next = respond(stream, &response, request, done.persistence).await;
    if next == Next::Keep && done.unread { next_of(Persistence::Close) } else { next }
}
