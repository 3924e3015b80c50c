//! The engine of threads: the twin of the ring where io_uring is denied, and the small pool for
//! metadata calls in both.
//!
//! Bounding the number of jobs is left to `Bulk`, whose permits they carry. The invariant: a job
//! that was accepted runs, also when the pool is closing.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use super::op::{Action, Op, Seam};

/// The pool; its threads end when it is dropped and their work is done.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    seam: Arc<dyn Seam>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closing: bool,
}

enum Job {
    Op(Op),
    Call(Box<dyn FnOnce() + Send>),
}

// === impl Pool ===

impl Pool {
    pub(crate) fn start(threads: usize, seam: Arc<dyn Seam>) -> io::Result<Self> {
        let queue = Mutex::new(Queue::default());
        let pool = Self(Arc::new(Shared { queue, ready: Condvar::new(), seam }));
        for index in 0..threads {
            let shared = Arc::clone(&pool.0);
            thread::Builder::new().name(format!("bulk-{index}")).spawn(move || shared.run())?;
        }
        Ok(pool)
    }

    pub(crate) fn submit(&self, op: Op) {
        self.push(Job::Op(op));
    }

    pub(crate) fn call(&self, call: Box<dyn FnOnce() + Send>) {
        self.push(Job::Call(call));
    }

    fn push(&self, job: Job) {
        self.0.queue.lock().expect("no holder of this lock panics").jobs.push_back(job);
        self.0.ready.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.queue.lock().expect("no holder of this lock panics").closing = true;
        self.0.ready.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

// === impl Shared ===

impl Shared {
    fn run(&self) {
        while let Some(job) = self.next() {
            match job {
                Job::Op(op) => self.perform(op),
                Job::Call(call) => {
                    // The caller learns of a panic by its answer never coming; the thread goes on
                    // with the next job.
                    let _ = catch_unwind(AssertUnwindSafe(call));
                }
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock().expect("no holder of this lock panics");
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closing {
                return None;
            }
            queue = self.ready.wait(queue).expect("no holder of this lock panics");
        }
    }

    fn perform(&self, op: Op) {
        let mut next = Some(op);
        while let Some(op) = next {
            let result = match attempt(&op) {
                Ok(count) => i32::try_from(count).expect("no attempt moves 2 GiB"),
                Err(errno) => -errno.raw_os_error(),
            };
            let result = self.seam.completed(op.kind(), result);
            next = op.handle(result);
        }
    }
}

fn attempt(op: &Op) -> Result<usize, Errno> {
    match &op.action {
        Action::Write(write) => {
            let (bytes, offset) = write.rest();
            rustix::io::pwrite(&write.file, bytes, offset)
        }
        Action::Fsync(fsync) => rustix::fs::fsync(&fsync.file).map(|()| 0),
        Action::Splice(splice) => {
            let mut at = splice.offset;
            let (from, into) = (&splice.file, splice.pipe.inlet());
            rustix::pipe::splice(from, Some(&mut at), into, None, splice.len, SpliceFlags::MOVE)
        }
    }
}
