//! The body of an upload: socket → buffer → hasher and writer.
//!
//! What may be done next is said by the machine. Invariants: every buffer but the last is full, so
//! direct writes stay aligned; a write that was begun is waited for or goes on by itself; nothing
//! waits for the client alone: the completion of a write and the end of the epoch are heard at the
//! same time.

use crate::counters::ShardCounters;
use crate::failpoint::{Failpoints, Step as Failpoint};
use crate::race::{First, race};
use crate::shard::Shard;
use crate::stream::{Stop, Stream};
use dataplane_core::body::Framing;
use dataplane_core::upload::{Receive, Step, StoreError, Want};
use dataplane_core::view::Writer;
use dataplane_hash::{Digests, HashStream};
use dataplane_io::socket::{self, Received, SocketError};
use dataplane_io::{AlignedBuffer, Arena, Bulk, BulkError, BulkFile};
use glint_image::limits::WRITE_BUFFERS_PER_UPLOAD;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A run of data at least this long is received straight into its buffer; shorter ones (small
/// chunks) come through the connection's input, many with one system call, at the price of a copy.
const DIRECT_BYTES_MIN: u64 = 128 * 1024;

/// What takes one body in.
#[derive(Debug)]
pub(super) struct Intake {
    file: BulkFile,
    /// Whether the body's length was announced: then all of it may be received directly.
    fixed: bool,
    hash: HashStream,
    filling: Option<AlignedBuffer>,
    writes: mpsc::Sender<Result<(), StoreError>>,
    written: mpsc::Receiver<Result<(), StoreError>>,
    arena: Arena,
    bulk: Bulk,
    failpoints: Arc<Failpoints>,
    counters: Arc<ShardCounters>,
}

/// What happened while there was nothing to receive.
enum Event {
    Readable(Result<(), Stop>),
    Written(Result<(), StoreError>),
    Closed,
}

// === impl Intake ===

impl Intake {
    pub(super) fn new(shard: &Shard, file: BulkFile, framing: Framing) -> Self {
        let (writes, written) = mpsc::channel(WRITE_BUFFERS_PER_UPLOAD as usize);
        Self {
            file,
            fixed: matches!(framing, Framing::Length(_)),
            hash: shard.common.hub.stream(),
            filling: None,
            writes,
            written,
            arena: shard.common.arena.clone(),
            bulk: shard.common.bulk.clone(),
            failpoints: Arc::clone(&shard.common.failpoints),
            counters: Arc::clone(&shard.counters),
        }
    }

    /// Takes the body in until the machine wants nothing more.
    pub(super) async fn receive(
        &mut self,
        shard: &Shard,
        stream: &mut Stream,
        mut receive: Receive,
    ) -> Step {
        loop {
            while let Ok(result) = self.written.try_recv() {
                receive.completed(result);
            }
            receive.watched(writer(shard, &receive));
            match receive.want() {
                Want::Settle => {
                    self.filling = None;
                    return receive.settle();
                }
                Want::Submit => self.submit(&mut receive).await,
                Want::Completion => {
                    let closed = shard.changes.until(|| closed(shard, &receive));
                    match race(self.written.recv(), closed).await {
                        First::One(result) => receive.completed(result.expect(SENDER_KEPT)),
                        First::Two(()) => {}
                    }
                }
                Want::Body => self.take_in(shard, stream, &mut receive).await,
            }
        }
    }

    /// Waits for the completion of one write.
    pub(super) async fn completion(&mut self) -> Result<(), StoreError> {
        self.written.recv().await.expect(SENDER_KEPT)
    }

    /// The digests of everything submitted.
    pub(super) async fn finish(self) -> Digests {
        self.hash.finish().await
    }

    /// Gets some bytes of the body, or waits until there may be some.
    async fn take_in(&mut self, shard: &Shard, stream: &mut Stream, receive: &mut Receive) {
        if self.filling.is_none() {
            let closed = shard.changes.until(|| closed(shard, receive));
            match race(self.arena.take(), closed).await {
                First::One(buffer) => self.filling = Some(buffer),
                First::Two(()) => return,
            }
        }
        let buffer = self.filling.as_mut().expect("taken above");
        let received = if !stream.input.is_empty() {
            let unread = stream.input.unread();
            let found = receive.decode(unread, buffer.remaining());
            let count = buffer.extend(&unread[found.data.clone()]);
            assert_eq!(count, found.data.len(), "the machine was told how much fits");
            stream.input.consume(found.consumed);
            self.counters.bytes_received.add(count as u64);
            Ok(Received::Bytes(found.consumed))
        } else if receive.direct_bytes() >= if self.fixed { 1 } else { DIRECT_BYTES_MIN } {
            let most = usize::try_from(receive.direct_bytes()).unwrap_or(usize::MAX);
            let received = socket::recv_into(&*stream.socket, buffer, most);
            if let Ok(Received::Bytes(count)) = received {
                receive.received(count as u64);
                self.counters.bytes_received.add(count as u64);
            }
            received
        } else {
            let received = socket::recv(&*stream.socket, stream.input.spare_large());
            if let Ok(Received::Bytes(count)) = received {
                stream.input.received(count);
            }
            received
        };
        let full = buffer.remaining() == 0;
        match received {
            Ok(Received::Bytes(_)) if full => self.submit(receive).await,
            Ok(Received::Bytes(_)) => {}
            Ok(Received::End) => receive.ended(),
            Ok(Received::WouldBlock) => self.wait(shard, stream, receive).await,
            Err(SocketError::Gone(_)) => receive.gone(),
            Err(SocketError::Failed(error)) => {
                tracing::error!(%error, "cannot receive from a client");
                receive.gone();
            }
        }
    }

    /// Waits until something can be received, a write has completed or the epoch has ended.
    async fn wait(&mut self, shard: &Shard, stream: &Stream, receive: &mut Receive) {
        let now = shard.now();
        let left = Duration::from_millis(receive.deadline(now).since(now));
        let event = {
            let closed = shard.changes.until(|| closed(shard, receive));
            let others = race(self.written.recv(), closed);
            match race(stream.readable(left), others).await {
                First::One(readable) => Event::Readable(readable),
                First::Two(First::One(result)) => Event::Written(result.expect(SENDER_KEPT)),
                First::Two(First::Two(())) => Event::Closed,
            }
        };
        match event {
            // The view is looked at before anything else is done.
            Event::Readable(Ok(())) | Event::Closed => {}
            Event::Readable(Err(Stop::Slow)) => receive.timed_out(shard.now()),
            Event::Readable(Err(Stop::Socket(_))) => receive.gone(),
            Event::Written(result) => receive.completed(result),
        }
    }

    /// Hands the buffer to the hasher and the writer. Waits while the hasher is behind, which holds
    /// the client back.
    async fn submit(&mut self, receive: &mut Receive) {
        let buffer = self.filling.take().expect("the machine counts what is in the buffer");
        let frozen = buffer.freeze();
        let offset = receive.submit();
        self.hash.push(frozen.clone()).await;
        let (bulk, file) = (self.bulk.clone(), self.file.clone());
        let (writes, failpoints) = (self.writes.clone(), Arc::clone(&self.failpoints));
        monoio::spawn(async move {
            let result = match bulk.write_at(&file, frozen, offset).await {
                Ok(_) => Ok(()),
                Err(failed) => Err(store_error(failed.error)),
            };
            failpoints.reached(Failpoint::FirstWrite);
            // As many as there is room for are under way; if the upload is over, nobody asks any
            // more.
            let _ = writes.try_send(result);
        });
    }
}

const SENDER_KEPT: &str = "the intake keeps a sender itself";

fn writer(shard: &Shard, receive: &Receive) -> Writer {
    shard.view.borrow().writer(receive.image(), receive.epoch())
}

fn closed(shard: &Shard, receive: &Receive) -> Option<()> {
    (writer(shard, receive) == Writer::Closed).then_some(())
}

fn store_error(error: BulkError) -> StoreError {
    match error {
        BulkError::Full(error) => {
            tracing::warn!(%error, "the image store is full");
            StoreError::Full
        }
        BulkError::Failed(error) => {
            tracing::error!(%error, "cannot write an image's bytes");
            StoreError::Failed
        }
    }
}
