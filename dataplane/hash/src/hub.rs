//! The hub: worker threads that hash many streams at once.
//!
//! A worker takes the streams that have waited longest, as many as the engine computes side by
//! side, and hashes one piece of each; so streams share the workers by pieces. Nothing waits for
//! company: a piece is hashed as soon as a worker is free, alone if need be. How large pieces are is
//! left to the caller.
//!
//! The invariants: a stream is with at most one worker at a time and its pieces are seen in order; a
//! piece is released when it is hashed; no stream holds more than [`HASH_PIECES_QUEUED_MAX`]
//! pieces.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use glint_image::limits::HASH_PIECES_QUEUED_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::chains::Running;
use crate::engine::{Engine, Lane};

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
}

struct Shared {
    engine: Engine,
    queue: Mutex<RunQueue>,
    ready: Condvar,
}

#[derive(Default)]
struct RunQueue {
    /// Streams that have work and are with no worker.
    turns: VecDeque<Arc<Stream>>,
    closing: bool,
}

struct Stream(Mutex<State>);

struct State {
    /// `None` while a worker has it, and after the end.
    running: Option<Running>,
    work: VecDeque<Work>,
    /// Whether it is in the run queue or with a worker; then whoever adds work leaves the queueing
    /// to others.
    scheduled: bool,
    reply: Option<oneshot::Sender<Digests>>,
}

enum Work {
    Piece(Piece),
    Finish,
}

struct Piece {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    _room: OwnedSemaphorePermit,
}

/// A stream with its next piece, in the hands of a worker.
struct Turn {
    stream: Arc<Stream>,
    running: Running,
    piece: Piece,
}

// === impl Hub ===

impl Hub {
    /// Starts `threads` workers with an engine, e.g. the one that [`crate::calibrate`] found.
    ///
    /// # Errors
    /// The system's, when a thread cannot be started.
    pub fn start(threads: usize, engine: Engine) -> io::Result<Self> {
        assert!(threads > 0, "a hub without workers would never answer");
        let shared = Shared { engine, queue: Mutex::default(), ready: Condvar::new() };
        // From here on the handle closes the queue, also when a later thread cannot be started.
        let hub = Self(Arc::new(Handle { shared: Arc::new(shared) }));
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
        let stream = Arc::new(Stream(Mutex::new(State {
            running: Some(Running::new()),
            work: VecDeque::new(),
            scheduled: false,
            reply: Some(reply),
        })));
        let room = Arc::new(Semaphore::new(HASH_PIECES_QUEUED_MAX));
        HashStream { stream, room, digests, handle: Arc::clone(&self.0) }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({:?})", self.0.shared.engine)
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
        self.add(Work::Piece(Piece { bytes: Box::new(bytes), _room: room }));
    }

    /// How many pieces can be pushed without waiting.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room.available_permits()
    }

    /// Ends the stream and waits for its digests.
    pub async fn finish(mut self) -> Digests {
        self.add(Work::Finish);
        (&mut self.digests).await.expect("the hub answers every stream that is waited for")
    }

    fn add(&self, work: Work) {
        let mut state = lock(&self.stream.0);
        state.work.push_back(work);
        if !std::mem::replace(&mut state.scheduled, true) {
            drop(state);
            self.handle.shared.queue(&self.stream);
        }
    }
}

impl Drop for HashStream {
    fn drop(&mut self) {
        // After `finish` there is none. The pieces are dropped after the lock is released.
        let work = std::mem::take(&mut lock(&self.stream.0).work);
        drop(work);
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
        while let Some(streams) = self.next() {
            let turns = streams.into_iter().filter_map(|stream| self.begin(stream)).collect();
            self.hash(turns);
        }
    }

    /// The streams that have waited longest; waits until there is one.
    fn next(&self) -> Option<Vec<Arc<Stream>>> {
        let mut queue = lock(&self.queue);
        loop {
            let count = queue.turns.len().min(self.engine.lanes());
            if count > 0 {
                return Some(queue.turns.drain(..count).collect());
            }
            if queue.closing {
                return None;
            }
            queue = self.ready.wait(queue).expect("no holder of this lock panics");
        }
    }

    fn queue(&self, stream: &Arc<Stream>) {
        lock(&self.queue).turns.push_back(Arc::clone(stream));
        self.ready.notify_one();
    }

    /// Takes a stream's next piece in hand, or ends the stream.
    fn begin(&self, stream: Arc<Stream>) -> Option<Turn> {
        let mut state = lock(&stream.0);
        assert!(state.scheduled, "only a scheduled stream gets a turn");
        let Some(work) = state.work.pop_front() else {
            // It was cancelled.
            state.scheduled = false;
            return None;
        };
        let running = state.running.take().expect("a stream is with one worker at a time");
        match work {
            Work::Piece(piece) => {
                drop(state);
                Some(Turn { stream, running, piece })
            }
            Work::Finish => {
                let reply = state.reply.take().expect("a stream finishes once");
                drop(state);
                let _ = reply.send(running.finish(self.engine));
                None
            }
        }
    }

    /// Hashes the pieces side by side.
    fn hash(&self, mut turns: Vec<Turn>) {
        let mut lanes = Vec::with_capacity(turns.len());
        for Turn { running, piece, .. } in &mut turns {
            let blocks = running.take(self.engine, (*piece.bytes).as_ref());
            lanes.push(Lane { chains: &mut running.chains, blocks });
        }
        loop {
            lanes.retain(|lane| !lane.blocks.is_empty());
            if lanes.is_empty() {
                break;
            }
            self.engine.advance(&mut lanes);
        }
        drop(lanes);
        for turn in turns {
            self.put_back(turn);
        }
    }

    /// Ends a turn: the piece is released, and the stream queued again if it has more.
    fn put_back(&self, turn: Turn) {
        let Turn { stream, running, piece } = turn;
        drop(piece);
        let mut state = lock(&stream.0);
        state.running = Some(running);
        state.scheduled = !state.work.is_empty();
        if state.scheduled {
            drop(state);
            self.queue(&stream);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
