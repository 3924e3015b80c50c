//! The hub: worker threads that hash many streams at once.
//!
//! A stream has two chains, MD5 and SHA-512. Either is sequential by nature, but the two are
//! independent of each other, so different workers run them at the same time; a single upload on
//! two idle cores is as fast as the slower chain alone. Workers take the chain that has waited
//! longest and hash one piece of it, so streams share the workers by pieces. Nothing waits for
//! company: a piece is hashed as soon as a worker is free. How large pieces are is left to the
//! caller.
//!
//! The invariants: a chain is with at most one worker at a time and sees its pieces in order; a
//! piece is released when both chains are done with it; no stream holds more than
//! [`HASH_PIECES_QUEUED_MAX`] pieces.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use glint_image::limits::HASH_PIECES_QUEUED_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::calibrate::Calibration;
use crate::md5::{Md5Backend, Md5Stream};
use crate::sha512::{Sha512Backend, Sha512Stream};

/// A handle on the workers; clones share them. They end after the last handle and the last stream.
#[derive(Clone)]
pub struct Hub(Arc<Handle>);

/// A stream of pieces to hash. Dropping it cancels: pieces not begun are released unhashed.
pub struct HashStream {
    stream: Arc<Stream>,
    room: Arc<Semaphore>,
    digests: oneshot::Receiver<Digests>,
    /// Keeps the workers alive.
    handle: Arc<Handle>,
}

/// Both digests of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-512.
    pub sha512: [u8; 64],
}

/// Closes the workers' queue when the last handle or stream lets go of it.
struct Handle {
    shared: Arc<Shared>,
    md5: Md5Backend,
    sha512: Sha512Backend,
}

struct Shared {
    queue: Mutex<RunQueue>,
    ready: Condvar,
}

#[derive(Default)]
struct RunQueue {
    turns: VecDeque<Turn>,
    closing: bool,
}

/// A chain's place in the queue: it has work and is with no worker.
struct Turn {
    stream: Arc<Stream>,
    chain: ChainKind,
}

#[derive(Clone, Copy, Debug)]
enum ChainKind {
    Md5,
    Sha512,
}

struct Stream {
    md5: Mutex<Chain<Md5Stream>>,
    sha512: Mutex<Chain<Sha512Stream>>,
    outcome: Mutex<Outcome>,
}

struct Chain<H> {
    /// `None` while a worker has it, and after the end.
    hasher: Option<H>,
    work: VecDeque<Work>,
    /// Whether it is in the run queue or with a worker; then whoever adds work leaves the queueing
    /// to others.
    scheduled: bool,
}

enum Work {
    Piece(Arc<Piece>),
    Finish,
}

struct Piece {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    _room: OwnedSemaphorePermit,
}

struct Outcome {
    md5: Option<[u8; 16]>,
    sha512: Option<[u8; 64]>,
    reply: Option<oneshot::Sender<Digests>>,
}

// === impl Hub ===

impl Hub {
    /// Starts `threads` workers with the backends that the calibration found fastest.
    ///
    /// # Errors
    /// The system's, when a thread cannot be started.
    pub fn start(threads: usize, calibration: &Calibration) -> io::Result<Self> {
        assert!(threads > 0, "a hub without workers would never answer");
        let shared = Arc::new(Shared { queue: Mutex::default(), ready: Condvar::new() });
        let (md5, sha512) = (calibration.md5, calibration.sha512);
        // From here on the handle closes the queue, also when a later thread cannot be started.
        let hub = Self(Arc::new(Handle { shared, md5, sha512 }));
        for index in 0..threads {
            let shared = Arc::clone(&hub.0.shared);
            thread::Builder::new().name(format!("hash-{index}")).spawn(move || shared.run())?;
        }
        Ok(hub)
    }

    /// Begins a stream.
    #[must_use]
    pub fn stream(&self) -> HashStream {
        let (reply, digests) = oneshot::channel();
        let stream = Arc::new(Stream {
            md5: Mutex::new(Chain::new(Md5Stream::new(self.0.md5))),
            sha512: Mutex::new(Chain::new(Sha512Stream::new(self.0.sha512))),
            outcome: Mutex::new(Outcome { md5: None, sha512: None, reply: Some(reply) }),
        });
        let room = Arc::new(Semaphore::new(HASH_PIECES_QUEUED_MAX));
        HashStream { stream, room, digests, handle: Arc::clone(&self.0) }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({:?}, {:?})", self.0.md5, self.0.sha512)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        lock(&self.shared.queue).closing = true;
        self.shared.ready.notify_all();
    }
}

// === impl HashStream ===

impl HashStream {
    /// Adds the next piece; waits while the stream has as many pieces queued as it may. When the
    /// future is dropped before it is done, the piece was not added.
    pub async fn push(&mut self, bytes: impl AsRef<[u8]> + Send + Sync + 'static) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let piece = Arc::new(Piece { bytes: Box::new(bytes), _room: room });
        self.add(|| Work::Piece(Arc::clone(&piece)));
    }

    /// How many pieces can be pushed without waiting.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room.available_permits()
    }

    /// Ends the stream and waits for its digests.
    pub async fn finish(mut self) -> Digests {
        self.add(|| Work::Finish);
        (&mut self.digests).await.expect("the hub answers every stream that is waited for")
    }

    fn add(&self, work: impl Fn() -> Work) {
        let shared = &self.handle.shared;
        if lock(&self.stream.md5).add(work()) {
            shared.queue(&self.stream, ChainKind::Md5);
        }
        if lock(&self.stream.sha512).add(work()) {
            shared.queue(&self.stream, ChainKind::Sha512);
        }
    }
}

impl Drop for HashStream {
    fn drop(&mut self) {
        // After `finish` both are empty and this does nothing. The pieces are dropped after the
        // locks are released.
        let md5 = std::mem::take(&mut lock(&self.stream.md5).work);
        let sha512 = std::mem::take(&mut lock(&self.stream.sha512).work);
        drop((md5, sha512));
    }
}

impl fmt::Debug for HashStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashStream(room for {})", self.room())
    }
}

// === impl Shared ===

impl Shared {
    fn run(&self) {
        while let Some(turn) = self.next() {
            let again = match turn.chain {
                ChainKind::Md5 => turn.stream.turn_md5(),
                ChainKind::Sha512 => turn.stream.turn_sha512(),
            };
            if again {
                self.queue(&turn.stream, turn.chain);
            }
        }
    }

    fn next(&self) -> Option<Turn> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(turn) = queue.turns.pop_front() {
                return Some(turn);
            }
            if queue.closing {
                return None;
            }
            queue = self.ready.wait(queue).expect("no holder of this lock panics");
        }
    }

    fn queue(&self, stream: &Arc<Stream>, chain: ChainKind) {
        lock(&self.queue).turns.push_back(Turn { stream: Arc::clone(stream), chain });
        self.ready.notify_one();
    }
}

// === impl Stream ===

impl Stream {
    /// Hashes the next piece of a chain. Whether it wants another turn.
    fn turn_md5(&self) -> bool {
        let Some((mut hasher, work)) = lock(&self.md5).take() else { return false };
        match work {
            Work::Piece(piece) => {
                hasher.update((*piece.bytes).as_ref());
                drop(piece);
                lock(&self.md5).put_back(hasher)
            }
            Work::Finish => {
                self.settle(|outcome| outcome.md5 = Some(hasher.finish()));
                false
            }
        }
    }

    fn turn_sha512(&self) -> bool {
        let Some((mut hasher, work)) = lock(&self.sha512).take() else { return false };
        match work {
            Work::Piece(piece) => {
                hasher.update((*piece.bytes).as_ref());
                drop(piece);
                lock(&self.sha512).put_back(hasher)
            }
            Work::Finish => {
                self.settle(|outcome| outcome.sha512 = Some(hasher.finish()));
                false
            }
        }
    }

    /// Notes one digest and answers when both are there.
    fn settle(&self, note: impl FnOnce(&mut Outcome)) {
        let mut outcome = lock(&self.outcome);
        note(&mut outcome);
        if let (Some(md5), Some(sha512)) = (outcome.md5, outcome.sha512) {
            let reply = outcome.reply.take().expect("each chain finishes once");
            let _ = reply.send(Digests { md5, sha512 });
        }
    }
}

// === impl Chain ===

impl<H> Chain<H> {
    fn new(hasher: H) -> Self {
        Self { hasher: Some(hasher), work: VecDeque::new(), scheduled: false }
    }

    /// Adds work. Whether the chain must be queued for it.
    fn add(&mut self, work: Work) -> bool {
        self.work.push_back(work);
        !std::mem::replace(&mut self.scheduled, true)
    }

    /// The hasher and the next work; `None` when there is none (the stream was cancelled).
    fn take(&mut self) -> Option<(H, Work)> {
        assert!(self.scheduled, "only a scheduled chain gets a turn");
        let Some(work) = self.work.pop_front() else {
            self.scheduled = false;
            return None;
        };
        Some((self.hasher.take().expect("a chain is with one worker at a time"), work))
    }

    /// Ends a turn. Whether another is wanted.
    fn put_back(&mut self, hasher: H) -> bool {
        self.hasher = Some(hasher);
        self.scheduled = !self.work.is_empty();
        self.scheduled
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
