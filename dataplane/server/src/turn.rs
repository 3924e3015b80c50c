//! Giving way to the other tasks of a shard.
//!
//! A task that only wakes itself would keep monoio's run queue filled, and while that is so its
//! io_uring driver takes no wake-ups from other threads (pushes, leases, completions of the bulk
//! engine) and neither driver fires a timer. So giving way always ends in something that only a
//! *parked* driver delivers. Invariant: after [`Turn::give_way`] the driver has been parked at
//! least once in every [`LONGEST_WITHOUT_PARK`].

use dataplane_io::EngineKind;
use monoio::net::TcpStream;
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long timers of a busy epoll shard may be late.
pub(crate) const LONGEST_WITHOUT_PARK: Duration = Duration::from_millis(50);

/// How one shard's tasks take turns.
#[derive(Debug)]
pub(crate) struct Turn {
    runtime: EngineKind,
    /// When a timer was last seen to fire (epoll only).
    parked: Cell<Instant>,
}

impl Turn {
    /// For a shard on the given kind of driver.
    pub(crate) fn new(runtime: EngineKind) -> Self {
        Self { runtime, parked: Cell::new(Instant::now()) }
    }

    /// Lets every other task that is ready run first. `socket` is one that the caller is about to
    /// write to; on io_uring this may wait until it is writable, which the caller would do next
    /// anyway.
    pub(crate) async fn give_way(&self, socket: &TcpStream) -> io::Result<()> {
        match self.runtime {
            // The poll request completes at once on a writable socket, but only through the ring:
            // the run queue empties.
            EngineKind::Uring => socket.writable(false).await,
            EngineKind::Threads if self.parked.get().elapsed() < LONGEST_WITHOUT_PARK => {
                step_back().await;
                Ok(())
            }
            // Until a timer has fired everybody who gives way comes here, so the run queue empties
            // and the driver parks.
            EngineKind::Threads => {
                monoio::time::sleep(Duration::from_millis(1)).await;
                self.parked.set(Instant::now());
                Ok(())
            }
        }
    }
}

/// Goes to the end of the run queue.
async fn step_back() {
    let mut stepped = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
