//! The life of the link: connect, one session, connect again.
//!
//! One owner, one loop: [`Link`] owns the replica machine and is the only one to call it; the
//! reader and the writer of the session stream are tasks that do nothing but move frames.
//! Invariant: after [`Ended`] no frame of that session is taken any more, and asks answer
//! `Unavailable` until the next welcome.

use super::asks::Asks;
use super::backoff::Backoff;
use super::{LinkState, ShardLink, ToShard};
use crate::clock;
use glint_image::ImageId;
use glint_image::limits::LINK_FRAMES_QUEUED_MAX;
use glint_link::replica::{Millis, StepNumber, Subscriber, SubscriberAction};
use glint_link::wire::{Reclaim, ToControl, ToData, Welcome};
use glint_quic::{Connection, Connector, RecvStream, SendStream, VarInt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long the control plane may take to welcome a node.
const WELCOME_DEADLINE: Duration = Duration::from_secs(10);

/// How long the last frames may take when the process ends.
const CLOSE_DEADLINE: Duration = Duration::from_millis(500);

/// Everything the link thread owns.
#[derive(Debug)]
pub(crate) struct Link {
    /// Opens connections.
    pub(crate) connector: Connector,
    /// The machine.
    pub(crate) subscriber: Subscriber,
    /// Every shard.
    pub(crate) shards: Vec<ShardLink>,
    /// Shows what every shard has applied.
    pub(crate) floor: watch::Receiver<StepNumber>,
    /// Images that requests have used, a sample.
    pub(crate) used: mpsc::Receiver<ImageId>,
    /// Takes orders to remove bytes.
    pub(crate) reclaims: mpsc::Sender<Reclaim>,
    /// Shows the connection that asks may use.
    pub(crate) connection: watch::Sender<Option<Connection>>,
    /// Shows how far the link is.
    pub(crate) state: watch::Sender<LinkState>,
    /// Set when the process is ending; gone means the same.
    pub(crate) stop: watch::Receiver<bool>,
}

/// How a session ended.
#[derive(Debug)]
enum Ended {
    /// The process is ending.
    Stop,
    /// The connection or the peer failed; the text says how.
    Lost(String),
}

// === impl Link ===

impl Link {
    /// Runs until told to stop, carrying asks beside.
    pub(crate) async fn run(mut self, asks: Asks) {
        let asks = tokio::spawn(asks.run());
        let mut backoff = Backoff::new();
        // An outage is one warning, not one for each attempt.
        let mut warned = false;
        let mut stop = self.stop.clone();
        while !*stop.borrow() {
            let session = async {
                match self.connector.connect().await {
                    Ok(connection) => self.serve(connection, &mut backoff).await,
                    Err(error) => Ended::Lost(error.to_string()),
                }
            };
            // Connecting and greeting take their time where nobody answers; the end does not wait
            // for them.
            let ended = tokio::select! {
                ended = session => ended,
                _ = stop.wait_for(|stop| *stop) => Ended::Stop,
            };
            let reason = match ended {
                Ended::Stop => break,
                Ended::Lost(reason) => reason,
            };
            warned &= self.connection.borrow().is_none();
            self.lost();
            if warned {
                tracing::debug!(reason, "the link to the control plane is still down");
            } else {
                tracing::warn!(reason, "the link to the control plane is down; trying again");
            }
            warned = true;
            let random = uuid::Uuid::new_v4().as_u64_pair().0;
            let pause = tokio::time::sleep(backoff.wait(random));
            tokio::select! {
                () = pause => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        self.lost();
        self.connector.close("the node is stopping");
        let _ = tokio::time::timeout(CLOSE_DEADLINE, self.connector.wait_idle()).await;
        asks.abort();
    }

    fn lost(&mut self) {
        self.connection.send_replace(None);
        self.state.send_replace(LinkState::Away);
        self.subscriber.handle_disconnected();
    }

    /// One session, from the hello to its end.
    async fn serve(&mut self, connection: Connection, backoff: &mut Backoff) -> Ended {
        let (send, recv) = match self.greet(&connection).await {
            Ok(streams) => streams,
            Err(reason) => return Ended::Lost(reason),
        };
        // Dropped with this future, so reader and writer never outlive their session.
        let mut tasks = JoinSet::new();
        let (frames_out, outbound) = mpsc::channel(LINK_FRAMES_QUEUED_MAX);
        let (inbound, mut frames_in) = mpsc::channel(LINK_FRAMES_QUEUED_MAX);
        tasks.spawn(write(send, outbound));
        tasks.spawn(read(recv, inbound));
        let ended = loop {
            if let Err(reason) = self.perform(&frames_out, &connection).await {
                break Ended::Lost(reason);
            }
            if self.subscriber.is_current() && *self.state.borrow() != LinkState::Current {
                backoff.reset();
                self.state.send_replace(LinkState::Current);
                let peer = connection.remote_address();
                tracing::info!(%peer, "the link to the control plane is up");
            }
            let timeout = until(self.subscriber.poll_timeout());
            tokio::select! {
                frame = frames_in.recv() => match frame {
                    Some(frame) => self.subscriber.handle_message(clock::now(), frame),
                    None => break Ended::Lost(end_of(&mut tasks, &connection).await),
                },
                Ok(()) = self.floor.changed() => {
                    let applied = *self.floor.borrow_and_update();
                    self.subscriber.handle_shards_applied(applied);
                }
                Some(image) = self.used.recv() => self.subscriber.handle_used(image),
                () = tokio::time::sleep(timeout) => self.subscriber.handle_timeout(clock::now()),
                Some(Err(reason)) = finished(&mut tasks) => break Ended::Lost(reason),
            }
        };
        connection.close(VarInt::from_u32(0), b"session over");
        ended
    }

    async fn greet(&mut self, connection: &Connection) -> Result<(SendStream, RecvStream), String> {
        let greeting = async {
            let (mut send, mut recv) = connection.open_bi().await.map_err(|e| e.to_string())?;
            let hello = self.subscriber.hello();
            glint_quic::write_frame(&mut send, &hello).await.map_err(|e| e.to_string())?;
            let welcome: Welcome =
                glint_quic::read_frame(&mut recv).await.map_err(|e| e.to_string())?;
            Ok::<_, String>((welcome, send, recv))
        };
        let greeted = tokio::time::timeout(WELCOME_DEADLINE, greeting).await;
        let (welcome, send, recv) = greeted.map_err(|_| "no welcome came".to_owned())??;
        self.subscriber.handle_welcome(clock::now(), welcome);
        Ok((send, recv))
    }

    /// Does everything the machine asks for.
    async fn perform(
        &mut self,
        frames: &mpsc::Sender<ToControl>,
        connection: &Connection,
    ) -> Result<(), String> {
        if self.subscriber.session().is_some() && self.connection.borrow().is_none() {
            self.connection.send_replace(Some(connection.clone()));
            self.state.send_replace(LinkState::Welcomed);
        }
        while let Some(action) = self.subscriber.poll_action() {
            match action {
                SubscriberAction::Send(frame) => frames
                    .try_send(frame)
                    .map_err(|_| "the control plane does not read its frames".to_owned())?,
                SubscriberAction::Shards { step, change } => {
                    let change = Arc::new(change);
                    self.tell(|| ToShard::Change { step, change: change.clone() }).await;
                }
                SubscriberAction::Lease { until } => self.tell(|| ToShard::Lease(until)).await,
                SubscriberAction::Reclaim(order) => {
                    if let Err(error) = self.reclaims.try_send(order) {
                        tracing::warn!(%error, "an order to remove bytes waits for a session");
                    }
                }
                SubscriberAction::Close(reason) => return Err(reason.to_string()),
            }
        }
        Ok(())
    }

    async fn tell(&self, message: impl Fn() -> ToShard) {
        for shard in &self.shards {
            // A shard whose mailbox is closed has ended, and only does so when the process does.
            let _ = shard.mailbox.send(message()).await;
        }
    }
}

fn until(due: Option<Millis>) -> Duration {
    due.map_or(WELCOME_DEADLINE, |due| Duration::from_millis(due.since(clock::now()).0))
}

async fn read(mut recv: RecvStream, frames: mpsc::Sender<ToData>) -> Result<(), String> {
    loop {
        let frame = glint_quic::read_frame(&mut recv).await.map_err(|error| error.to_string())?;
        if frames.send(frame).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut send: SendStream, mut frames: mpsc::Receiver<ToControl>) -> Result<(), String> {
    while let Some(frame) = frames.recv().await {
        let written = glint_quic::write_frame(&mut send, &frame).await;
        written.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The outcome of the first of the two tasks to end.
async fn finished(tasks: &mut JoinSet<Result<(), String>>) -> Option<Result<(), String>> {
    let ended = tasks.join_next().await?;
    Some(ended.unwrap_or_else(|error| Err(error.to_string())))
}

/// Why the frames ended: the reader's error, or the connection's.
async fn end_of(tasks: &mut JoinSet<Result<(), String>>, connection: &Connection) -> String {
    match finished(tasks).await {
        Some(Err(reason)) => reason,
        _ => connection
            .close_reason()
            .map_or_else(|| "the session stream ended".to_owned(), |reason| reason.to_string()),
    }
}
