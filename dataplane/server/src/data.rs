//! Starting and stopping a data plane: which threads there are and who knows whom.
//!
//! What the threads do is theirs. Invariants: a start that fails leaves nothing running; at the end
//! the shards stop before the link does, because what is under way on them may still have to ask.

use crate::counters::{Counters, ShardCounters};
use crate::failpoint::{self, Failpoints};
use crate::link::asks;
use crate::link::session::Link;
use crate::link::{LinkState, Progress, ShardLink};
use crate::maintenance;
use crate::node::Identity;
use crate::options::{DataOptions, Engines, StartError};
use crate::shard::Common;
use crate::shards::{self, Seed};
use dataplane_core::caller::Salt;
use dataplane_hash::{Calibration, Hub};
use dataplane_io::bulk::select;
use dataplane_io::{Arena, Bulk, BulkOptions, Engine, EngineKind};
use dataplane_store::FileStore;
use glint_image::limits::{
    RECLAIMS_OPEN_MAX, SHARD_MAILBOX_MAX, SHARDS_MAX, UPLOAD_BUFFERS_MAX, USED_HINTS_MAX,
};
use glint_link::replica::{Subscriber, SubscriberConfig};
use glint_quic::Connector;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// A running data plane.
#[derive(Debug)]
pub struct Data {
    bound: SocketAddr,
    engines: Engines,
    counters: Vec<Arc<ShardCounters>>,
    link: watch::Receiver<LinkState>,
    threads: Threads,
}

/// Every thread of a data plane, and the switches that end them.
#[derive(Debug)]
struct Threads {
    shards: Vec<JoinHandle<()>>,
    link: Option<JoinHandle<()>>,
    drain: watch::Sender<bool>,
    drain_deadline: Arc<OnceLock<Instant>>,
    stop: watch::Sender<bool>,
}

/// What moves and hashes bytes, shared by all shards.
#[derive(Debug)]
struct Machinery {
    runtime: EngineKind,
    engines: Engines,
    bulk: Bulk,
    arena: Arena,
    hub: Hub,
}

// === impl Data ===

impl Data {
    /// Starts every thread; when it returns, clients can connect. What an earlier process left
    /// behind is settled as soon as the control plane can be asked about it; until then uploads
    /// wait.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn start(options: DataOptions) -> Result<Self, StartError> {
        let failpoints = std::env::var(failpoint::VARIABLE).ok();
        let failpoints = Failpoints::parse(failpoints.as_deref())
            .map_err(|error| StartError::Failpoint(error.to_string()))?;
        let identity = Identity::load(&options.state_dir)
            .map_err(system("use the state directory for the node's id"))?;
        let store = FileStore::open(&options.datadir)?;
        let shard_count = options.shards.unwrap_or_else(cores).clamp(1, SHARDS_MAX);
        let listeners = listen(options.bind, shard_count)?;
        let bound = listeners[0].local_addr().map_err(system("read the bound address"))?;
        let Machinery { runtime, engines, bulk, arena, hub } =
            Machinery::start(options.force_epoll)?;
        let progress = Progress::new(shard_count);
        let (connection, connections) = watch::channel(None);
        let (state, link) = watch::channel(LinkState::Away);
        let (asker, asks) = asks::channel(connections);
        let (used, hints) = mpsc::channel(USED_HINTS_MAX);
        let (orders, reclaims) = mpsc::channel(RECLAIMS_OPEN_MAX);
        let (settled, recovered) = watch::channel(false);
        let common = Common {
            salt: salt(),
            node: identity.node,
            asker,
            bulk,
            arena,
            hub,
            store,
            suspicion: Arc::default(),
            failpoints: Arc::new(failpoints),
            recovered,
            link: link.clone(),
            used,
        };
        let mut threads = Threads::new();
        let (shards, counters) = threads.start_shards(listeners, runtime, &common, &progress)?;
        let config =
            SubscriberConfig::new(identity.node, identity.incarnation, engines.to_string());
        let (floor, stop) = (progress.floor(), threads.stop.subscribe());
        threads.start_link(move || {
            let link = Link {
                connector: Connector::new(options.link, &options.credentials)?,
                subscriber: Subscriber::new(config),
                shards,
                floor,
                used: hints,
                reclaims: orders,
                connection,
                state,
                stop,
            };
            Ok(async move {
                let chores = tokio::spawn(maintenance::run(common, settled, reclaims));
                link.run(asks).await;
                chores.abort();
            })
        })?;
        let (sockets, disks, why) = (engines.runtime, engines.bulk, &engines.why);
        tracing::info!(
            address = %bound, shards = shard_count, sockets, disks, why, node = %identity.node,
            "the data plane listens"
        );
        Ok(Self { bound, engines, counters, link, threads })
    }

    /// The address clients connect to.
    #[must_use]
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Which engines run.
    #[must_use]
    pub fn engines(&self) -> Engines {
        self.engines.clone()
    }

    /// Waits until the control plane has told how everything is, so that no first request is answered
    /// 503 for want of it; at most so long.
    pub fn wait_for_control(&self, within: Duration) {
        let mut link = self.link.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        // Without it the first requests may be told to come again, and that is all.
        let Ok(runtime) = runtime else { return };
        let _ = runtime.block_on(async {
            tokio::time::timeout(within, link.wait_for(|state| *state == LinkState::Current)).await
        });
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::sum(self.counters.iter().map(AsRef::as_ref))
    }

    /// Stops accepting, lets requests under way end until the deadline, and joins every thread.
    pub fn shutdown(self, deadline: Duration) {
        self.threads.end(deadline);
    }
}

// === impl Machinery ===

impl Machinery {
    fn start(force_epoll: bool) -> Result<Self, StartError> {
        let runtime = runtime_engine(force_epoll)?;
        let bulk_options = BulkOptions { force_threads: force_epoll, ..BulkOptions::default() };
        let bulk = Bulk::start(bulk_options).map_err(engine_failed)?;
        let engines = describe(&runtime, bulk.engine());
        let arena = Arena::new(UPLOAD_BUFFERS_MAX).map_err(|error| {
            let what = format!("map {} bytes of upload buffers", error.bytes);
            StartError::System { what, source: error.source }
        })?;
        let Calibration { engine, speeds } = dataplane_hash::calibrate();
        let threads = cores();
        let hub = Hub::start(threads, engine).map_err(system("start the hash workers"))?;
        let speeds: Vec<_> = speeds.iter().map(|(it, speed)| (it.name(), speed)).collect();
        tracing::info!(digests = engine.name(), ?speeds, threads, "the fastest digests are chosen");
        Ok(Self { runtime: runtime.kind, engines, bulk, arena, hub })
    }
}

// === impl Threads ===

impl Threads {
    fn new() -> Self {
        Self {
            shards: Vec::new(),
            link: None,
            drain: watch::channel(false).0,
            drain_deadline: Arc::default(),
            stop: watch::channel(false).0,
        }
    }

    #[allow(clippy::type_complexity, reason = "two lists with one entry for each shard")]
    fn start_shards(
        &mut self,
        listeners: Vec<TcpListener>,
        runtime: EngineKind,
        common: &Common,
        progress: &Progress,
    ) -> Result<(Vec<ShardLink>, Vec<Arc<ShardCounters>>), StartError> {
        let (mut links, mut counters) = (Vec::new(), Vec::new());
        for (index, listener) in listeners.into_iter().enumerate() {
            let (sender, mailbox) = mpsc::channel(SHARD_MAILBOX_MAX);
            let counts = Arc::new(ShardCounters::default());
            let seed = Seed {
                index,
                runtime,
                listener,
                common: common.clone(),
                counters: Arc::clone(&counts),
                mailbox,
                progress: progress.clone(),
                drain: self.drain.subscribe(),
                drain_deadline: Arc::clone(&self.drain_deadline),
            };
            let started = shards::start(seed).map_err(system("start a shard"));
            let started = self.or_end(started)?;
            self.shards.push(started);
            links.push(ShardLink { mailbox: sender });
            counters.push(counts);
        }
        Ok((links, counters))
    }

    /// Starts the link's thread. `make` runs on it, inside its runtime.
    fn start_link<F>(
        &mut self,
        make: impl FnOnce() -> Result<F, StartError> + Send + 'static,
    ) -> Result<(), StartError>
    where
        F: Future<Output = ()>,
    {
        let (ready, wait) = oneshot::channel();
        let thread = std::thread::Builder::new().name("link".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime.map_err(system("start the link's runtime")) {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                match make() {
                    Ok(link) => {
                        drop(ready.send(Ok(())));
                        link.await;
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
        });
        let thread = thread.map_err(system("start the link's thread"));
        self.link = Some(self.or_end(thread)?);
        let started = wait.blocking_recv().expect("the link's thread says how it began");
        self.or_end(started)
    }

    /// Passes a success on; after a failure ends what runs already.
    fn or_end<T>(&mut self, started: Result<T, StartError>) -> Result<T, StartError> {
        if started.is_err() {
            std::mem::replace(self, Self::new()).end(Duration::ZERO);
        }
        started
    }

    fn end(self, deadline: Duration) {
        // The first deadline stands; there is only this one.
        let _ = self.drain_deadline.set(Instant::now() + deadline);
        self.drain.send_replace(true);
        for shard in self.shards {
            join(shard);
        }
        self.stop.send_replace(true);
        self.link.into_iter().for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        // Its panic was reported when it happened.
        tracing::error!("a thread of the data plane had ended by a panic");
    }
}

/// Two random UUIDs: 244 bits that nobody else knows.
fn salt() -> Salt {
    let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(uuid::Uuid::into_bytes);
    let mut salt = Salt::default();
    salt[..16].copy_from_slice(&halves[0]);
    salt[16..].copy_from_slice(&halves[1]);
    salt
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn system(what: &str) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.to_owned();
    |source| StartError::System { what, source }
}

fn engine_failed(error: dataplane_io::StartError) -> StartError {
    StartError::System { what: format!("set up {}", error.what), source: error.source }
}

/// One listener for each shard, all on the port of the first.
fn listen(bind: SocketAddr, count: usize) -> Result<Vec<TcpListener>, StartError> {
    let at =
        |address| shards::listen(address).map_err(|source| StartError::Bind { address, source });
    wait_until_free(bind).map_err(|source| StartError::Bind { address: bind, source })?;
    let first = at(bind)?;
    let address =
        first.local_addr().map_err(|source| StartError::Bind { address: bind, source })?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(at(address)?);
    }
    Ok(listeners)
}

/// Another process on the port must be an error, not a partner: so it is asked for without
/// SO_REUSEPORT. The kernel takes the rings of a killed process down after the process is gone, and
/// its listeners with them: a start right after a crash waits.
fn wait_until_free(bind: SocketAddr) -> std::io::Result<()> {
    const TRIES: u32 = 60;
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 1..TRIES {
        match TcpListener::bind(bind) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                std::thread::sleep(PAUSE);
            }
            other => return other.map(drop),
        }
    }
    TcpListener::bind(bind).map(drop)
}

fn runtime_engine(force_epoll: bool) -> Result<Engine, StartError> {
    if force_epoll {
        return Ok(Engine { kind: EngineKind::Threads, reason: "asked for".to_owned() });
    }
    select::detect().map_err(engine_failed)
}

fn describe(runtime: &Engine, bulk: &Engine) -> Engines {
    let why = if runtime.reason == bulk.reason {
        runtime.reason.clone()
    } else {
        format!("runtime: {}; bulk: {}", runtime.reason, bulk.reason)
    };
    Engines {
        runtime: match runtime.kind {
            EngineKind::Uring => "io_uring",
            EngineKind::Threads => "epoll",
        },
        bulk: match bulk.kind {
            EngineKind::Uring => "io_uring",
            EngineKind::Threads => "threads",
        },
        why,
    }
}
