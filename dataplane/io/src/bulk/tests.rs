//! Tests of both engines on real files: what is written arrives, and every failure leaves nothing
//! held.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, mpsc};
use std::task::{Context, Waker};

use glint_image::limits::WRITE_BUFFER_BYTES;
use rustix::fs::{Mode, OFlags};

use super::op::OpKind;
use super::*;
use crate::buffer::Arena;
use crate::pipe::PipePool;

/// A file of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("glint-bulk-{}-{count}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Opens it in direct mode or not. A file system without direct mode gives a buffered file.
    fn open(&self, direct: bool) -> BulkFile {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let wanted = if direct { flags | OFlags::DIRECT } else { flags };
        let opened = match rustix::fs::open(&self.0, wanted, mode) {
            Err(Errno::INVAL) => rustix::fs::open(&self.0, flags, mode),
            other => other,
        };
        BulkFile::new(File::from(opened.expect("a file")))
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("the bytes")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn start(force_threads: bool, ops_max: u32, seam: Arc<dyn Seam>) -> Bulk {
    let options = BulkOptions { force_threads, ops_max, ..BulkOptions::default() };
    Bulk::start_with(options, seam).expect("an engine")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

fn filled(arena: &Arena, bytes: &[u8]) -> FrozenBuffer {
    let mut buffer = arena.try_take().expect("a free buffer");
    assert_eq!(buffer.extend(bytes), bytes.len());
    buffer.freeze()
}

/// Changes the results of one kind of operation: the n-th (from 1), or every one from it on.
struct Fault {
    kind: OpKind,
    nth: u32,
    every: bool,
    result: i32,
    seen: AtomicU32,
}

impl Fault {
    fn new(kind: OpKind, nth: u32, every: bool, result: i32) -> Arc<Self> {
        Arc::new(Self { kind, nth, every, result, seen: AtomicU32::new(0) })
    }

    fn seen(&self) -> u32 {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Seam for Fault {
    fn completed(&self, kind: OpKind, result: i32) -> i32 {
        if kind != self.kind {
            return result;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let hit = seen == self.nth || (self.every && seen > self.nth);
        if hit { self.result } else { result }
    }
}

/// Holds every completion back until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().expect("lock") = true;
        self.opened.notify_all();
    }
}

impl Seam for Gate {
    fn completed(&self, _kind: OpKind, result: i32) -> i32 {
        let guard = self.open.lock().expect("lock");
        drop(self.opened.wait_while(guard, |open| !*open).expect("lock"));
        result
    }
}

/// Writes 2.5 buffers and syncs; the way an upload does.
async fn upload(
    bulk: &Bulk,
    file: &BulkFile,
    arena: &Arena,
    bytes: &[u8],
) -> Result<(), BulkError> {
    let mut offset = 0;
    for piece in bytes.chunks(WRITE_BUFFER_BYTES) {
        let written = bulk.write_at(file, filled(arena, piece), offset).await;
        let returned = written.map_err(|failed| {
            assert_eq!(&*failed.returned, piece, "a failed write gives its buffer back");
            failed.error
        })?;
        assert_eq!(&*returned, piece);
        offset += piece.len() as u64;
    }
    bulk.fsync(file).await
}

fn check_nothing_held(bulk: &Bulk, ops_max: usize, arena: &Arena) {
    assert_eq!((arena.available(), bulk.ops_available()), (arena.count(), ops_max));
}

const ENGINES_AND_MODES: [(bool, bool); 4] =
    [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn the_engine_asked_for_is_the_engine_that_runs() {
    let check = |force_threads: bool, expected: EngineKind| {
        let engine = start(force_threads, 4, Arc::new(Honest)).engine().clone();
        assert_eq!(engine.kind, expected, "{engine}");
    };
    check(true, EngineKind::Threads);
    check(false, select::detect().expect("io_uring works or is denied").kind);
}

#[test]
fn what_is_written_arrives() {
    let check = |len: usize, force_threads: bool, direct: bool| {
        let (scratch, arena) = (Scratch::new(), Arena::new(3).expect("memory"));
        let (file, bytes) = (scratch.open(direct), pattern(len));
        let bulk = start(force_threads, 4, Arc::new(Honest));
        block_on(upload(&bulk, &file, &arena, &bytes)).expect("room");
        rustix::fs::ftruncate(&file, len as u64).expect("the exact length");
        assert!(scratch.bytes() == bytes, "{len} bytes, threads {force_threads}, direct {direct}");
        assert_eq!(arena.available(), 3);
    };
    for (force_threads, direct) in ENGINES_AND_MODES {
        for len in [0, 1, 4095, 4096, 4097, WRITE_BUFFER_BYTES, 2 * WRITE_BUFFER_BYTES + 77] {
            check(len, force_threads, direct);
        }
    }
}

#[test]
fn writes_at_once_all_arrive() {
    let check = |force_threads: bool, direct: bool| {
        let (scratch, arena) = (Scratch::new(), Arena::new(16).expect("memory"));
        let (file, bytes) = (scratch.open(direct), pattern(16 * WRITE_BUFFER_BYTES));
        // Fewer places than writes, so that some wait for a place.
        let bulk = start(force_threads, 4, Arc::new(Honest));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            let mut tasks = VecDeque::new();
            for (index, piece) in bytes.chunks(WRITE_BUFFER_BYTES).enumerate() {
                let (bulk, file, buffer) = (bulk.clone(), file.clone(), filled(&arena, piece));
                let offset = (index * WRITE_BUFFER_BYTES) as u64;
                let write = async move { bulk.write_at(&file, buffer, offset).await.map(drop) };
                tasks.push_back(tokio::spawn(write));
            }
            for task in tasks {
                task.await.expect("no panic").expect("room");
            }
        });
        assert!(scratch.bytes() == bytes, "threads {force_threads}, direct {direct}");
        check_nothing_held(&bulk, 4, &arena);
    };
    for (force_threads, direct) in ENGINES_AND_MODES {
        check(force_threads, direct);
    }
}

/// Fails the n-th completion for n = 1, 2, … until a run meets no fault.
#[test]
fn a_fault_at_any_completion_ends_the_upload_and_loses_nothing() {
    let bytes = pattern(2 * WRITE_BUFFER_BYTES + 5000);
    let check = |kind: OpKind, errno: Errno, full: bool, force_threads: bool| {
        for nth in 1.. {
            let (scratch, arena) = (Scratch::new(), Arena::new(2).expect("memory"));
            let fault = Fault::new(kind, nth, false, -errno.raw_os_error());
            let bulk = start(force_threads, 4, Arc::clone(&fault) as Arc<dyn Seam>);
            let ended = block_on(upload(&bulk, &scratch.open(true), &arena, &bytes));
            check_nothing_held(&bulk, 4, &arena);
            if fault.seen() < nth {
                ended.expect("no fault, no failure");
                assert!(nth > 1, "at least one run met the fault");
                return;
            }
            let expected = matches!(&ended, Err(BulkError::Full(_)) if full)
                || matches!(&ended, Err(BulkError::Failed(_)) if !full);
            assert!(expected, "{kind:?} {errno} {nth}: {ended:?}");
        }
    };
    for force_threads in [false, true] {
        check(OpKind::Write, Errno::IO, false, force_threads);
        check(OpKind::Write, Errno::CANCELED, false, force_threads);
        check(OpKind::Write, Errno::NOSPC, true, force_threads);
        check(OpKind::Write, Errno::FBIG, true, force_threads);
        check(OpKind::Write, Errno::DQUOT, true, force_threads);
        check(OpKind::Fsync, Errno::IO, false, force_threads);
        check(OpKind::Fsync, Errno::NOSPC, true, force_threads);
        check(OpKind::Fsync, Errno::INTR, false, force_threads);
    }
}

#[test]
fn short_and_interrupted_writes_are_continued() {
    let bytes = pattern(2 * WRITE_BUFFER_BYTES + 5000);
    let check = |result: i32, direct: bool, force_threads: bool| {
        for nth in 1..=3 {
            let (scratch, arena) = (Scratch::new(), Arena::new(2).expect("memory"));
            let file = scratch.open(direct);
            let fault = Fault::new(OpKind::Write, nth, false, result);
            let bulk = start(force_threads, 4, Arc::clone(&fault) as Arc<dyn Seam>);
            block_on(upload(&bulk, &file, &arena, &bytes)).expect("continued to the end");
            rustix::fs::ftruncate(&file, bytes.len() as u64).expect("the exact length");
            assert!(scratch.bytes() == bytes, "{result} at {nth}, direct {direct}");
            assert_eq!(fault.seen(), 4, "one attempt more than writes");
        }
    };
    for (force_threads, direct) in ENGINES_AND_MODES {
        check(4096, direct, force_threads);
        check(4999, direct, force_threads);
        check(-Errno::INTR.raw_os_error(), direct, force_threads);
        check(-Errno::AGAIN.raw_os_error(), direct, force_threads);
    }
}

#[test]
fn an_engine_does_not_spin_on_a_kernel_that_makes_no_progress() {
    let check = |result: i32, force_threads: bool| {
        let (scratch, arena) = (Scratch::new(), Arena::new(1).expect("memory"));
        let fault = Fault::new(OpKind::Write, 1, true, result);
        let bulk = start(force_threads, 4, Arc::clone(&fault) as Arc<dyn Seam>);
        let ended = block_on(upload(&bulk, &scratch.open(false), &arena, &pattern(9)));
        assert!(matches!(ended, Err(BulkError::Failed(_))), "{ended:?}");
        assert!(fault.seen() < 100, "{} attempts", fault.seen());
        check_nothing_held(&bulk, 4, &arena);
    };
    for force_threads in [false, true] {
        check(-Errno::AGAIN.raw_os_error(), force_threads);
        check(0, force_threads);
    }
}

#[test]
fn a_failed_sync_is_not_repeated() {
    let check = |errno: Errno, force_threads: bool| {
        let scratch = Scratch::new();
        let fault = Fault::new(OpKind::Fsync, 1, false, -errno.raw_os_error());
        let bulk = start(force_threads, 4, Arc::clone(&fault) as Arc<dyn Seam>);
        let ended = block_on(bulk.fsync(&scratch.open(false)));
        assert!(matches!(ended, Err(BulkError::Failed(_))), "{ended:?}");
        assert_eq!(fault.seen(), 1);
    };
    for force_threads in [false, true] {
        check(Errno::IO, force_threads);
        check(Errno::INTR, force_threads);
        check(Errno::AGAIN, force_threads);
    }
}

#[test]
fn a_dropped_wait_frees_its_buffer_when_the_kernel_is_done_and_not_before() {
    let check = |force_threads: bool| {
        let (scratch, arena) = (Scratch::new(), Arena::new(1).expect("memory"));
        let gate = Arc::new(Gate::default());
        let bulk = start(force_threads, 1, Arc::clone(&gate) as Arc<dyn Seam>);
        let (file, bytes) = (scratch.open(true), pattern(4096));
        {
            let mut write = pin!(bulk.write_at(&file, filled(&arena, &bytes), 0));
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!((arena.available(), bulk.ops_available()), (0, 0), "still with the engine");
        let mut sync = pin!(bulk.fsync(&file));
        let polled = sync.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "there is one place, and it is taken");
        assert_eq!(bulk.ops_available(), 0);
        gate.open();
        block_on(sync).expect("its turn comes");
        drop(block_on(arena.take()));
        assert_eq!(arena.available(), 1);
        assert_eq!(scratch.bytes(), bytes, "the write went on");
    };
    check(false);
    check(true);
}

#[test]
fn an_engine_ends_after_its_last_handle_and_its_last_operation() {
    struct Last(mpsc::Sender<()>, Arc<Gate>);
    impl Seam for Last {
        fn completed(&self, kind: OpKind, result: i32) -> i32 {
            self.1.completed(kind, result)
        }
    }
    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let check = |force_threads: bool| {
        let (scratch, arena) = (Scratch::new(), Arena::new(1).expect("memory"));
        let (sender, ended) = mpsc::channel();
        let gate = Arc::new(Gate::default());
        let bulk = start(force_threads, 4, Arc::new(Last(sender, Arc::clone(&gate))));
        {
            let file = scratch.open(false);
            let mut write = pin!(bulk.write_at(&file, filled(&arena, b"bytes"), 0));
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(bulk);
        assert!(ended.try_recv().is_err(), "an operation is under way");
        gate.open();
        ended.recv().expect("every thread let go of the seam");
        assert_eq!((scratch.bytes(), arena.available()), (b"bytes".to_vec(), 1));
    };
    check(false);
    check(true);
}

#[test]
fn calls_run_on_the_pool_and_a_panic_costs_only_its_caller() {
    let bulk = start(true, 4, Arc::new(Honest));
    let name = block_on(bulk.call(|| std::thread::current().name().map(str::to_owned)));
    assert!(name.is_some_and(|name| name.starts_with("bulk-")));
    for _ in 0..2 * BULK_POOL_THREADS {
        let theirs = bulk.clone();
        let caller = std::thread::spawn(move || block_on(theirs.call(|| panic!("on purpose"))));
        assert!(caller.join().is_err());
    }
    assert_eq!(block_on(bulk.call(|| 7)), 7);
    assert_eq!(bulk.0.calls.available_permits(), BULK_CALLS_IN_FLIGHT_MAX);
}

#[test]
fn a_splice_fills_a_pipe_as_far_as_the_file_goes() {
    let check = |offset: u64, len: usize, expected: usize, force_threads: bool| {
        let (scratch, pool) = (Scratch::new(), PipePool::new(1));
        std::fs::write(&scratch.0, pattern(100_000)).expect("a file");
        let (bulk, file) = (start(force_threads, 4, Arc::new(Honest)), scratch.open(false));
        let spliced = block_on(async {
            let pipe = pool.take().await.expect("a pipe");
            bulk.splice_to_pipe(&file, offset, len, pipe).await
        });
        assert_eq!(spliced.expect("readable").held(), expected);
        assert_eq!(pool.available(), 1);
    };
    for force_threads in [false, true] {
        check(0, 50_000, 50_000, force_threads);
        check(90_000, 50_000, 10_000, force_threads);
        check(100_000, 1, 0, force_threads);
        check(1 << 40, 1, 0, force_threads);
    }
}

#[test]
fn a_failed_splice_gives_the_pipe_back() {
    let check = |force_threads: bool| {
        let (scratch, pool) = (Scratch::new(), PipePool::new(1));
        std::fs::write(&scratch.0, b"bytes").expect("a file");
        // The result of a splice that moved nothing is changed, so what the pool counts stays true.
        let fault = Fault::new(OpKind::Splice, 1, true, -Errno::IO.raw_os_error());
        let (bulk, file) = (start(force_threads, 4, fault), scratch.open(false));
        let failed = block_on(async {
            let pipe = pool.take().await.expect("a pipe");
            bulk.splice_to_pipe(&file, 5, 5, pipe).await
        });
        let failed = failed.expect_err("the disk failed");
        assert!(matches!(failed.error, BulkError::Failed(_)));
        assert_eq!((failed.returned.held(), pool.available()), (0, 0));
    };
    check(false);
    check(true);
}
