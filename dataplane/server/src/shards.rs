//! The shard threads: one monoio executor each, with a listener of its own on the common port.
//!
//! What a connection does is left to [`crate::connection`]. Invariants: every shard listens with
//! SO_REUSEPORT, so the kernel spreads connections over them; a shard's mailbox is emptied in order
//! by one task; when told to drain it accepts nothing more and ends when its last connection has.

use crate::connection;
use crate::counters::ShardCounters;
use crate::link::{Progress, ToShard};
use crate::race::{First, race};
use crate::shard::{Common, Shard};
use crate::turn::Turn;
use dataplane_io::{EngineKind, PipePool};
use glint_image::limits::{CONNECTIONS_PER_SHARD_MAX, PIPES_PER_SHARD_MAX};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Connections the kernel keeps for a shard that is busy.
const BACKLOG: i32 = 1_024;

/// Connections accepted before the others of the shard have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long to wait when the process is out of descriptors or memory for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long connections that were cut may take to notice.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// What a connection too many is told: 503, so that clients of OpenStack try again.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Everything a shard thread is started with.
#[derive(Debug)]
pub(crate) struct Seed {
    /// Which shard.
    pub(crate) index: usize,
    /// Which driver its executor uses.
    pub(crate) runtime: EngineKind,
    /// Its listener.
    pub(crate) listener: TcpListener,
    /// The handles every shard gets.
    pub(crate) common: Common,
    /// Its counters.
    pub(crate) counters: Arc<ShardCounters>,
    /// What the link tells it.
    pub(crate) mailbox: mpsc::Receiver<ToShard>,
    /// Where it says how far it is.
    pub(crate) progress: Progress,
    /// Set when the process is ending.
    pub(crate) drain: watch::Receiver<bool>,
    /// Until when requests under way may go on then; set before.
    pub(crate) drain_deadline: Arc<OnceLock<Instant>>,
}

/// Opens a listener that shares its port with those of the other shards.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        // `[::]` is to mean both, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts a shard's thread; returns when its executor runs.
pub(crate) fn start(seed: Seed) -> io::Result<JoinHandle<()>> {
    let (ready, wait) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("shard-{}", seed.index)).spawn(
        move || match seed.runtime {
            EngineKind::Uring => {
                match RuntimeBuilder::<IoUringDriver>::new().enable_timer().build() {
                    Ok(mut runtime) => runtime.block_on(run(seed, ready)),
                    Err(error) => drop(ready.send(Err(error))),
                }
            }
            EngineKind::Threads => {
                match RuntimeBuilder::<LegacyDriver>::new().enable_timer().build() {
                    Ok(mut runtime) => runtime.block_on(run(seed, ready)),
                    Err(error) => drop(ready.send(Err(error))),
                }
            }
        },
    )?;
    match wait.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the shard's thread ended before it began")),
    }
}

async fn run(seed: Seed, ready: std::sync::mpsc::SyncSender<io::Result<()>>) {
    let Seed {
        listener, mut mailbox, progress, index, runtime, common, counters, mut drain, ..
    } = seed;
    let drain_deadline = seed.drain_deadline;
    let watched = listener.try_clone().and_then(monoio::net::TcpListener::from_std);
    let watched = match watched {
        Ok(watched) => watched,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let pipes = PipePool::new(PIPES_PER_SHARD_MAX);
    let turn = Turn::new(runtime);
    let shard = Rc::new(Shard::new(index, common, counters, turn, pipes, progress));
    let taker = Rc::clone(&shard);
    monoio::spawn(async move {
        while let Some(message) = mailbox.recv().await {
            taker.handle(message);
        }
    });
    let drained = Rc::clone(&shard);
    monoio::spawn(async move {
        // Also where the switch is gone: nobody is left who could end this shard otherwise.
        let _ = drain.wait_for(|drain| *drain).await;
        drained.drain();
    });
    drop(ready.send(Ok(())));
    accept(&shard, &listener, &watched).await;
    // From here on the kernel refuses new connections, those it had kept for this shard included.
    drop((listener, watched));
    let deadline = drain_deadline.get().copied().unwrap_or_else(Instant::now);
    let left = deadline.saturating_duration_since(Instant::now());
    let empty = || (shard.connections() == 0).then_some(());
    if monoio::time::timeout(left, shard.changes.until(empty)).await.is_err() {
        tracing::warn!(
            connections = shard.connections(),
            "cutting requests that did not end in time"
        );
        shard.cut_all();
        let _ = monoio::time::timeout(CUT_GRACE, shard.changes.until(empty)).await;
    }
}

/// Accepts until the shard drains.
async fn accept(shard: &Rc<Shard>, listener: &TcpListener, watched: &monoio::net::TcpListener) {
    let draining = || shard.draining.get().then_some(());
    loop {
        match race(shard.changes.until(draining), watched.readable(false)).await {
            First::One(()) => return,
            First::Two(Ok(())) => {}
            First::Two(Err(error)) => {
                tracing::error!(%error, "the shard's listener failed");
                monoio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match listener.accept() {
                Ok((stream, peer)) => admit(shard, stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection now");
                    monoio::time::sleep(ACCEPT_PAUSE).await;
                    break;
                }
            }
        }
    }
}

/// Whether an accept failed only because that client is gone again.
fn is_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
    )
}

fn admit(shard: &Rc<Shard>, stream: TcpStream, peer: SocketAddr) {
    shard.counters.connections_accepted.add(1);
    if let Err(error) = dataplane_io::socket::prepare(&stream) {
        tracing::debug!(%error, %peer, "a connection was gone before it began");
        return;
    }
    if shard.connections() >= CONNECTIONS_PER_SHARD_MAX {
        shard.counters.connections_refused.add(1);
        tracing::debug!(%peer, "a connection too many was refused");
        // The answer fits the socket's empty buffer; if the client is gone, so be it.
        let _ = dataplane_io::socket::send(&stream, FULL, false);
        return;
    }
    match monoio::net::TcpStream::from_std(stream) {
        Ok(stream) => {
            monoio::spawn(connection::serve(Rc::clone(shard), Rc::new(stream), peer));
        }
        Err(error) => tracing::warn!(%error, %peer, "cannot watch a connection"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_a_port_and_nobody_else_does() {
        let first = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen(address).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        assert!(TcpListener::bind(address).is_err(), "without SO_REUSEPORT the port is taken");
    }
}
