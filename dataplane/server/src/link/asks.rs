//! Questions to the control plane: one QUIC stream each.
//!
//! Leaves deadlines to the asker: dropping the future of an ask gives the ask up. Invariants: at
//! most [`ASKS_IN_FLIGHT_MAX`] streams at once; an ask that cannot be answered gets
//! [`Answer::Unavailable`], never silence; a reservation whose asker has gone is given back, so
//! that no image is held by an upload that does not exist.

use glint_image::limits::{ASKS_IN_FLIGHT_MAX, RELAY_RESPONSE_BYTES_MAX};
use glint_link::wire::{Answer, Ask};
use glint_quic::{Connection, RecvStream, SendStream, VarInt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// The QUIC code with which a stream is given up.
const GIVEN_UP: VarInt = VarInt::from_u32(1);

/// How long to wait before a reservation that nobody wants any more is offered back again.
const GIVE_BACK_RETRY: Duration = Duration::from_millis(500);

/// An answer with the response body that follows `Relayed`.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The answer.
    pub(crate) answer: Answer,
    /// The body of a relayed response; empty for every other answer.
    pub(crate) body: Vec<u8>,
}

/// Asks; clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    queue: mpsc::Sender<Job>,
}

/// The link's end of the queue.
#[derive(Debug)]
pub(crate) struct Asks {
    queue: mpsc::Receiver<Job>,
    connection: watch::Receiver<Option<Connection>>,
}

#[derive(Debug)]
struct Job {
    ask: Ask,
    /// The request body behind `Relay`.
    body: Vec<u8>,
    reply: oneshot::Sender<Answered>,
}

/// Makes both ends; asks go over whatever connection is current.
pub(crate) fn channel(connection: watch::Receiver<Option<Connection>>) -> (Asker, Asks) {
    let (sender, queue) = mpsc::channel(ASKS_IN_FLIGHT_MAX);
    (Asker { queue: sender }, Asks { queue, connection })
}

// === impl Asker ===

impl Asker {
    /// Asks, and waits for the answer. `Unavailable` also where the link is away.
    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        self.ask_with_body(ask, Vec::new()).await.answer
    }

    /// Asks with a request body.
    pub(crate) async fn ask_with_body(&self, ask: Ask, body: Vec<u8>) -> Answered {
        let (reply, answered) = oneshot::channel();
        if self.queue.send(Job { ask, body, reply }).await.is_err() {
            return Answered::unavailable("the data plane is stopping");
        }
        answered.await.unwrap_or_else(|_| Answered::unavailable("the ask was dropped"))
    }
}

// === impl Answered ===

impl Answered {
    /// The answer where there is none.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self { answer: Answer::Unavailable { reason: reason.into() }, body: Vec::new() }
    }
}

// === impl Asks ===

impl Asks {
    /// Carries asks until every [`Asker`] is gone.
    pub(crate) async fn run(mut self) {
        let slots = Arc::new(Semaphore::new(ASKS_IN_FLIGHT_MAX));
        while let Some(job) = self.queue.recv().await {
            let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
            let connection = self.connection.clone();
            tokio::spawn(async move {
                carry(job, connection).await;
                drop(slot);
            });
        }
    }
}

async fn carry(job: Job, connections: watch::Receiver<Option<Connection>>) {
    let Job { ask, body, mut reply } = job;
    if reply.is_closed() {
        return;
    }
    let Some(connection) = connections.borrow().clone() else {
        let _ = reply.send(Answered::unavailable("the link to the control plane is away"));
        return;
    };
    let Ask::Reserve { image, .. } = ask else {
        tokio::select! {
            biased;
            answered = exchange(&connection, &ask, &body) => drop(reply.send(answered)),
            // Dropping the streams resets them: the control plane sees that nobody waits any more.
            () = reply.closed() => {}
        }
        return;
    };
    let answered = exchange(&connection, &ask, &body).await;
    let unwanted = match reply.send(answered) {
        Ok(()) => return,
        Err(answered) => answered.answer,
    };
    if let Answer::Reserved { epoch, .. } = unwanted {
        give_back(Ask::Abort { image, epoch }, connections).await;
    }
}

/// Offers a reservation back until the control plane has taken note.
async fn give_back(abort: Ask, connections: watch::Receiver<Option<Connection>>) {
    loop {
        let connection = connections.borrow().clone();
        if let Some(connection) = connection {
            match exchange(&connection, &abort, &[]).await.answer {
                Answer::Unavailable { .. } => {}
                _ => return,
            }
        }
        if connections.has_changed().is_err() {
            // The link thread is ending; the node's next incarnation closes the epoch.
            return;
        }
        tokio::time::sleep(GIVE_BACK_RETRY).await;
    }
}

async fn exchange(connection: &Connection, ask: &Ask, body: &[u8]) -> Answered {
    let (mut send, mut recv) = match connection.open_bi().await {
        Ok(streams) => streams,
        Err(error) => return Answered::unavailable(format!("cannot open a stream: {error}")),
    };
    match exchange_on(&mut send, &mut recv, ask, body).await {
        Ok(answered) => answered,
        Err(reason) => {
            // Already finished or reset streams refuse this, which is as good.
            let _ = send.reset(GIVEN_UP);
            let _ = recv.stop(GIVEN_UP);
            Answered::unavailable(reason)
        }
    }
}

async fn exchange_on(
    send: &mut SendStream,
    recv: &mut RecvStream,
    ask: &Ask,
    body: &[u8],
) -> Result<Answered, String> {
    let relay = matches!(ask, Ask::Relay { .. });
    // The control plane may answer before it has read the whole body (a refusal), so both go on at
    // once.
    let asking = async {
        glint_quic::write_frame(send, ask).await.map_err(|error| error.to_string())?;
        if relay {
            glint_quic::write_body(send, body).await.map_err(|error| error.to_string())?;
        }
        send.finish().map_err(|error| error.to_string())
    };
    let answering = async {
        let answer: Answer =
            glint_quic::read_frame(recv).await.map_err(|error| error.to_string())?;
        let body = match &answer {
            Answer::Relayed { .. } => glint_quic::read_body(recv, RELAY_RESPONSE_BYTES_MAX)
                .await
                .map_err(|error| error.to_string())?,
            _ => Vec::new(),
        };
        Ok(Answered { answer, body })
    };
    tokio::pin!(asking, answering);
    tokio::select! {
        biased;
        answered = &mut answering => answered,
        asked = &mut asking => match asked {
            Ok(()) => answering.await,
            // An answer may have been on its way when the peer stopped listening.
            Err(reason) => answering.await.map_err(|_: String| reason),
        },
    }
}
