//! The bulk engine: bytes between memory, pipes and disks, off the shards' threads.
//!
//! One interface over two engines: a thread that owns an io_uring ring ([`uring`]) and, where
//! io_uring is denied, a small thread pool ([`threads`]). Ordering is left to the caller, who waits
//! for every write before it syncs. The invariants: the operation owns its file, buffer or pipe
//! until the kernel is done, whether or not anybody still waits for it; every accepted operation is
//! answered exactly once; at most a fixed number is under way.

pub(crate) mod op;
pub mod select;
pub(crate) mod threads;
pub(crate) mod uring;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use glint_image::limits::{
    BULK_CALLS_IN_FLIGHT_MAX, BULK_KERNEL_WORKERS_MAX, BULK_OPS_IN_FLIGHT_MAX, BULK_POOL_THREADS,
    DIRECT_ALIGN_BYTES,
};
use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::buffer::FrozenBuffer;
use crate::file::BulkFile;
use crate::pipe::Pipe;
use op::{Honest, Op, Seam};
use select::{Engine, EngineKind, StartError};

/// A handle on a running engine; clones share it. The engine finishes what it was given and ends
/// after the last handle.
#[derive(Clone, Debug)]
pub struct Bulk(Arc<Shared>);

/// How to start an engine.
#[derive(Clone, Copy, Debug)]
pub struct BulkOptions {
    /// Use the thread pool even where io_uring works. `GLINT_NO_URING=1` in the environment does
    /// the same.
    pub force_threads: bool,
    /// Threads of the pool.
    pub pool_threads: usize,
    /// Most operations under way at once.
    pub ops_max: u32,
    /// Most kernel workers of the ring, of each kind.
    pub kernel_workers_max: u32,
}

/// Why an operation failed, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// No room: the file system or a quota is full, or the file would be too large. The client may
    /// be told.
    #[error("no room for the bytes")]
    Full(#[source] io::Error),
    /// The disk or the kernel failed. After a failed sync nothing is known about the file's bytes.
    #[error("the disk operation failed")]
    Failed(#[source] io::Error),
}

/// A failed operation with what it was given, so that nothing is lost with the error.
#[derive(Debug)]
pub struct Failed<T> {
    /// Why.
    pub error: BulkError,
    /// The buffer or pipe.
    pub returned: T,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    ring: Option<uring::Ring>,
    pool: threads::Pool,
    ops: Arc<Semaphore>,
    calls: Arc<Semaphore>,
}

// === impl Bulk ===

impl Bulk {
    /// Starts the engine that this machine allows.
    ///
    /// # Errors
    /// [`StartError`] when io_uring fails for another reason than being denied, or no thread can be
    /// started.
    pub fn start(options: BulkOptions) -> Result<Self, StartError> {
        Self::start_with(options, Arc::new(Honest))
    }

    pub(crate) fn start_with(
        options: BulkOptions,
        seam: Arc<dyn Seam>,
    ) -> Result<Self, StartError> {
        assert!(
            options.ops_max > 0 && options.pool_threads > 0,
            "an engine of nothing would never answer"
        );
        let no_uring =
            options.force_threads.then(|| "asked for".to_owned()).or_else(select::denied_by_env);
        let (ring, engine) = match no_uring {
            Some(reason) => (None, Engine { kind: EngineKind::Threads, reason }),
            None => {
                let (ops, workers) = (options.ops_max, options.kernel_workers_max);
                select::fall_back(uring::Ring::start(ops, workers, Arc::clone(&seam)))?
            }
        };
        let pool = threads::Pool::start(options.pool_threads, seam)
            .map_err(|source| StartError { what: "the threads of the bulk engine", source })?;
        let ops = Arc::new(Semaphore::new(options.ops_max as usize));
        let calls = Arc::new(Semaphore::new(BULK_CALLS_IN_FLIGHT_MAX));
        Ok(Self(Arc::new(Shared { engine, ring, pool, ops, calls })))
    }

    /// Which engine runs, and why.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Writes the whole buffer at `offset` and gives it back. Short writes are continued. A file in
    /// direct mode is written in whole blocks: `offset` must be aligned, and a last block that is
    /// not full is padded with zeros, which the caller cuts off when it sets the file's length.
    ///
    /// The write goes on when the future is dropped; the buffer is released when it is done.
    ///
    /// # Errors
    /// [`Failed`]; how much was written is unknown then.
    pub async fn write_at(
        &self,
        file: &BulkFile,
        buffer: FrozenBuffer,
        offset: u64,
    ) -> Result<FrozenBuffer, Failed<FrozenBuffer>> {
        if buffer.is_empty() {
            return Ok(buffer);
        }
        let aligned = offset.is_multiple_of(DIRECT_ALIGN_BYTES as u64);
        assert!(
            aligned || !file.is_direct(),
            "only the last write of a direct file may end unaligned"
        );
        let permit = self.permit().await;
        let (reply, answer) = oneshot::channel();
        self.submit(Op::write(file.clone(), buffer, offset, reply, permit));
        answered(answer).await
    }

    /// Makes the file's bytes and length durable. Any failure is final: the kernel may have dropped
    /// the bytes that it could not write, so asking again would prove nothing.
    ///
    /// # Errors
    /// [`BulkError`]
    pub async fn fsync(&self, file: &BulkFile) -> Result<(), BulkError> {
        let permit = self.permit().await;
        let (reply, answer) = oneshot::channel();
        self.submit(Op::fsync(file.clone(), reply, permit));
        answered(answer).await
    }

    /// Moves up to `len` bytes of the file from `offset` on into an empty pipe, reading the disk
    /// where needed, and gives the pipe back; [`Pipe::held`] says how many went in. None: the file
    /// ends there.
    ///
    /// The splice goes on when the future is dropped; the pipe is closed then.
    ///
    /// # Errors
    /// [`Failed`]
    pub async fn splice_to_pipe(
        &self,
        file: &BulkFile,
        offset: u64,
        len: usize,
        pipe: Pipe,
    ) -> Result<Pipe, Failed<Pipe>> {
        assert!(len > 0, "an empty window cannot be told from the end of the file");
        assert!(pipe.held() == 0, "a full pipe would block the engine");
        let permit = self.permit().await;
        let (reply, answer) = oneshot::channel();
        let len = len.min(pipe.capacity());
        self.submit(Op::splice(file.clone(), offset, len, pipe, reply, permit));
        answered(answer).await
    }

    /// Runs a short blocking call (open, link, unlink, …) on the small pool. It runs to its end
    /// even when the future is dropped after the first poll that got it a place.
    ///
    /// # Panics
    /// When `call` panicked.
    pub async fn call<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        let calls = Arc::clone(&self.0.calls);
        let permit = calls.acquire_owned().await.expect("the semaphore is never closed");
        let (reply, answer) = oneshot::channel();
        self.0.pool.call(Box::new(move || {
            // Declared in this order so that the place is free before the caller hears, also of a
            // panic.
            let reply = reply;
            let permit = permit;
            let result = call();
            drop(permit);
            let _ = reply.send(result);
        }));
        answer.await.expect("the call itself panicked")
    }

    /// How many more operations can be submitted without waiting.
    #[must_use]
    pub fn ops_available(&self) -> usize {
        self.0.ops.available_permits()
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.0.ops).acquire_owned().await.expect("the semaphore is never closed")
    }

    fn submit(&self, op: Op) {
        match &self.0.ring {
            Some(ring) => ring.submit(op),
            None => self.0.pool.submit(op),
        }
    }
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self {
            force_threads: false,
            pool_threads: BULK_POOL_THREADS,
            ops_max: BULK_OPS_IN_FLIGHT_MAX,
            kernel_workers_max: BULK_KERNEL_WORKERS_MAX,
        }
    }
}

// === impl BulkError ===

impl BulkError {
    /// Sorts an errno of a disk operation. Glance counts ENOSPC and EFBIG as a full store
    /// (`glance_store`, `_drivers/filesystem.py`, `Store.add`); a used-up quota means the same to
    /// the client.
    #[must_use]
    pub fn of(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => Self::Full(error),
            _ => Self::Failed(error),
        }
    }
}

async fn answered<T>(answer: oneshot::Receiver<T>) -> T {
    answer.await.expect("an engine answers every operation it accepted")
}

/// Waits for a future on the calling thread.
#[cfg(test)]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}
