//! The engine of io_uring: one thread that owns a ring.
//!
//! Bounding the number of operations is left to `Bulk`: at most as many are given in as the ring
//! has entries. The invariant: an operation stays in the pending table, with all the kernel may
//! touch, until its completion was taken off the ring. A panic on the ring's thread would free that
//! table early, so it ends the process instead.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use io_uring::{IoUring, opcode, squeue, types};
use rustix::event::{EventfdFlags, PollFlags};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use super::op::{Action, Op, Seam};

/// The handle on the ring's thread, which ends when this is dropped and its work is done.
pub(crate) struct Ring(Arc<Mailbox>);

/// Operations on their way to the ring's thread.
struct Mailbox {
    queue: Mutex<Queue>,
    /// An eventfd; readable when the thread should look into the queue.
    wake: OwnedFd,
}

#[derive(Default)]
struct Queue {
    ops: VecDeque<Op>,
    /// The thread waits in the kernel, or is about to: whoever adds something must ring the bell.
    asleep: bool,
    closing: bool,
}

struct Worker {
    ring: IoUring,
    mailbox: Arc<Mailbox>,
    seam: Arc<dyn Seam>,
    /// What the kernel works on; a completion names its place here.
    pending: Vec<Option<Op>>,
    vacant: Vec<usize>,
    /// Whether the kernel watches the bell.
    watching: bool,
}

/// Names the completion of the watch on the bell.
const WAKE: u64 = u64::MAX;

// === impl Ring ===

impl Ring {
    /// Sets up a ring for `ops_max` operations and starts its thread.
    pub(crate) fn start(ops_max: u32, workers_max: u32, seam: Arc<dyn Seam>) -> io::Result<Self> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let mailbox = Arc::new(Mailbox { queue: Mutex::new(Queue::default()), wake });
        let theirs = Arc::clone(&mailbox);
        let (report, reported) = mpsc::channel();
        // The ring is made on its thread, because only the thread that made it may use it.
        thread::Builder::new().name("bulk-ring".to_owned()).spawn(move || {
            let ring = match set_up(ops_max, workers_max) {
                Ok(ring) => ring,
                Err(error) => return drop(report.send(Err(error))),
            };
            let mut worker = Worker::new(ring, theirs, seam, ops_max);
            let _ = report.send(Ok(()));
            if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                tracing::error!("the thread of the ring failed; its buffers may not be freed");
                std::process::abort();
            }
        })?;
        reported.recv().expect("the thread reports before it ends")?;
        Ok(Self(mailbox))
    }

    pub(crate) fn submit(&self, op: Op) {
        self.change(|queue| queue.ops.push_back(op));
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.0.queue.lock().expect("no holder of this lock panics");
        change(&mut queue);
        let asleep = std::mem::take(&mut queue.asleep);
        drop(queue);
        if asleep {
            self.0.ring_bell();
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.change(|queue| queue.closing = true);
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ring")
    }
}

// === impl Mailbox ===

impl Mailbox {
    fn ring_bell(&self) {
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).expect("an eventfd takes a one");
    }

    fn silence_bell(&self) {
        match rustix::io::read(&self.wake, &mut [0_u8; 8]) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(errno) => panic!("an eventfd can be read: {errno}"),
        }
    }
}

// === impl Worker ===

impl Worker {
    fn new(ring: IoUring, mailbox: Arc<Mailbox>, seam: Arc<dyn Seam>, ops_max: u32) -> Self {
        let places = ops_max as usize;
        let pending = (0..places).map(|_| None).collect();
        Self { ring, mailbox, seam, pending, vacant: (0..places).rev().collect(), watching: false }
    }

    fn run(&mut self) {
        loop {
            let fresh = {
                let mut queue = self.mailbox.queue.lock().expect("no holder of this lock panics");
                let fresh = std::mem::take(&mut queue.ops);
                let idle = fresh.is_empty() && self.vacant.len() == self.pending.len();
                if queue.closing && idle {
                    return;
                }
                queue.asleep = fresh.is_empty();
                fresh
            };
            // With fresh operations at hand the queue is looked at again before the thread may
            // sleep.
            let wanted = usize::from(fresh.is_empty());
            for op in fresh {
                let place = self.vacant.pop().expect("permits bound the operations under way");
                self.push(place, op);
            }
            self.watch();
            self.enter(wanted);
            self.harvest();
        }
    }

    /// Puts an operation into the pending table and its request on the ring.
    fn push(&mut self, place: usize, op: Op) {
        let request = request(&op).user_data(place as u64);
        self.pending[place] = Some(op);
        // JUSTIFICATION: the ring takes requests that name memory and descriptors by number.
        // SAFETY: all of them belong to `op`, which was just put into the pending table and leaves
        // it only when its completion has been taken off the ring. They do not move with it: a
        // buffer's memory lies in its arena's mapping, a descriptor is a number of the process.
        unsafe { self.ring.submission().push(&request) }
            .expect("the ring has an entry for each permit");
    }

    /// Has the kernel watch the bell, so that one wait sees both completions and new operations.
    fn watch(&mut self) {
        if self.watching {
            return;
        }
        let bell = types::Fd(self.mailbox.wake.as_raw_fd());
        let watch =
            opcode::PollAdd::new(bell, u32::from(PollFlags::IN.bits())).build().user_data(WAKE);
        // JUSTIFICATION: see `push`.
        // SAFETY: the watch names no memory; the eventfd belongs to the mailbox, which this worker
        // holds, and a closing ring is told to drop its watch by the kernel.
        unsafe { self.ring.submission().push(&watch) }
            .expect("the ring has an entry for the watch");
        self.watching = true;
    }

    fn enter(&mut self, wanted: usize) {
        match self.ring.submit_and_wait(wanted) {
            Ok(_) => {}
            Err(error) => match Errno::from_io_error(&error) {
                // Interrupted, or completions must be taken off first: both are done by going round
                // again.
                Some(Errno::INTR | Errno::AGAIN | Errno::BUSY) => {}
                _ => panic!("the kernel refuses to run the ring: {error}"),
            },
        }
    }

    fn harvest(&mut self) {
        loop {
            let Some(completion) = self.ring.completion().next() else { return };
            if completion.user_data() == WAKE {
                self.watching = false;
                self.mailbox.silence_bell();
                continue;
            }
            let place = usize::try_from(completion.user_data()).expect("we gave it a place");
            let op = self.pending[place].take().expect("each operation completes once");
            let result = self.seam.completed(op.kind(), completion.result());
            match op.handle(result) {
                Some(op) => self.push(place, op),
                None => self.vacant.push(place),
            }
        }
    }
}

/// Makes the ring, with the flags that suit one thread where the kernel knows them (6.1).
fn set_up(ops_max: u32, workers_max: u32) -> io::Result<IoUring> {
    let entries = (ops_max + 1).next_power_of_two();
    let modern = IoUring::builder()
        .dontfork()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .build(entries);
    let ring = match modern {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
            IoUring::builder().dontfork().build(entries)?
        }
        other => other?,
    };
    ring.submitter().register_iowq_max_workers(&mut [workers_max, workers_max])?;
    Ok(ring)
}

fn request(op: &Op) -> squeue::Entry {
    let fd = |held: &dyn AsRawFd| types::Fd(held.as_raw_fd());
    match &op.action {
        Action::Write(write) => {
            let (bytes, offset) = write.rest();
            let len = u32::try_from(bytes.len()).expect("a buffer is far smaller than 4 GiB");
            let file = fd(&write.file.as_fd());
            opcode::Write::new(file, bytes.as_ptr(), len).offset(offset).build()
        }
        Action::Fsync(fsync) => opcode::Fsync::new(fd(&fsync.file.as_fd())).build(),
        Action::Splice(splice) => {
            let len = u32::try_from(splice.len).expect("a window is far smaller than 4 GiB");
            let offset = i64::try_from(splice.offset).expect("a file offset fits 63 bits");
            let (from, into) = (fd(&splice.file.as_fd()), fd(&splice.pipe.inlet()));
            let flags = SpliceFlags::MOVE.bits();
            opcode::Splice::new(from, offset, into, -1, len).flags(flags).build()
        }
    }
}
