//! The world of an upload: a disk that forgets what was not synced, a control plane reduced to one
//! image, and faults.
//!
//! Driving the machines is left to the test. Every operation of disk and control plane counts as
//! one; the n-th of a run meets the run's fault. Invariant: disk and control plane do what real
//! ones do, only simpler, and depend on nothing but the seed.

use crate::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What happens at the n-th operation of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It fails and does nothing. An ask is lost on its way.
    Fails,
    /// It is done, and reported as failed. The answer of an ask is lost.
    DoneButFails,
    /// The disk is full, if it is an operation that needs room.
    Full,
    /// The client has gone, if it is receiving; otherwise nothing.
    ClientGone,
    /// The client sends no more, if it is receiving; otherwise nothing.
    ClientEnds,
    /// Somebody deletes the image just before.
    Delete,
    /// The process dies just before; what the kernel has stays.
    Crash,
    /// The machine loses power just before; what was not synced may be gone.
    PowerLoss,
    /// From here on no ask is answered for a long while.
    LinkAway,
}

/// Every fault.
pub const FAULTS: [Fault; 9] = [
    Fault::Fails,
    Fault::DoneButFails,
    Fault::Full,
    Fault::ClientGone,
    Fault::ClientEnds,
    Fault::Delete,
    Fault::Crash,
    Fault::PowerLoss,
    Fault::LinkAway,
];

/// The process is dead: nothing more of this run happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead;

/// Counts operations and knows which ones meet a fault.
#[derive(Clone, Debug)]
pub struct Faults {
    count: u64,
    faults: Vec<(u64, Fault)>,
}

// === impl Faults ===

impl Faults {
    /// The fault meets operation `at`, counted from 0.
    #[must_use]
    pub fn at(at: u64, fault: Fault) -> Self {
        Self { count: 0, faults: vec![(at, fault)] }
    }

    /// And another meets an operation after that.
    #[must_use]
    pub fn and_then(mut self, later: u64, fault: Fault) -> Self {
        let first = self.faults.first().map_or(0, |(at, _)| *at);
        self.faults.push((first + later, fault));
        self
    }

    /// No fault.
    #[must_use]
    pub fn none() -> Self {
        Self { count: 0, faults: Vec::new() }
    }

    /// Whether the first fault was met.
    #[must_use]
    pub fn met(&self) -> bool {
        self.faults.first().is_some_and(|(at, _)| *at < self.count)
    }

    fn next(&mut self) -> Option<Fault> {
        let fault = self.faults.iter().find(|(at, _)| *at == self.count).map(|(_, fault)| *fault);
        self.count += 1;
        fault
    }
}

/// A directory's names: as the kernel sees them, and as a power loss leaves them for certain.
#[derive(Clone, Debug, Default)]
struct Directory {
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

impl Directory {
    fn sync(&mut self) {
        self.durable.clone_from(&self.names);
    }

    /// Of every name that differs, one side or the other survives.
    fn lose_power(&mut self, rng: &mut Rng) {
        let all: BTreeSet<String> = self.names.keys().chain(self.durable.keys()).cloned().collect();
        let mut left = BTreeMap::new();
        for name in all {
            let side = if rng.chance(500) { &self.names } else { &self.durable };
            if let Some(inode) = side.get(&name) {
                left.insert(name, *inode);
            }
        }
        self.names = left;
        self.sync();
    }
}

/// A file: as the kernel sees it, and as it was synced last.
#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

/// The disk of one node.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    inodes: Vec<Inode>,
    datadir: Directory,
    incoming: Directory,
    /// Whether a sync has failed.
    pub suspect: bool,
}

// === impl Disk ===

impl Disk {
    /// Makes a temporary file; false if the name exists.
    pub fn create(&mut self, name: &str) -> bool {
        let free = !self.incoming.names.contains_key(name);
        if free {
            self.inodes.push(Inode::default());
            self.incoming.names.insert(name.to_owned(), self.inodes.len() - 1);
        }
        free
    }

    fn file(&mut self, temp: &str) -> &mut Inode {
        let inode = self.incoming.names.get(temp).expect("an open file has its name");
        &mut self.inodes[*inode]
    }

    /// Writes into a temporary file.
    pub fn write(&mut self, temp: &str, offset: usize, bytes: &[u8]) {
        let file = &mut self.file(temp).bytes;
        file.resize(file.len().max(offset + bytes.len()), 0);
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Gives a temporary file its length.
    pub fn truncate(&mut self, temp: &str, length: usize) {
        self.file(temp).bytes.resize(length, 0);
    }

    /// Makes a temporary file's bytes durable.
    pub fn fsync(&mut self, temp: &str) {
        let file = self.file(temp);
        file.durable.clone_from(&file.bytes);
    }

    /// Makes the names under `.incoming` durable.
    pub fn sync_incoming(&mut self) {
        self.incoming.sync();
    }

    /// Makes the final names durable.
    pub fn sync_datadir(&mut self) {
        self.datadir.sync();
    }

    /// Gives a temporary file its final name; false if that exists.
    pub fn link(&mut self, temp: &str, name: &str) -> bool {
        let inode = *self.incoming.names.get(temp).expect("an open file has its name");
        let free = !self.datadir.names.contains_key(name);
        if free {
            self.datadir.names.insert(name.to_owned(), inode);
        }
        free
    }

    /// Removes a temporary name, if it is there.
    pub fn unlink_temp(&mut self, temp: &str) {
        self.incoming.names.remove(temp);
    }

    /// Removes a final name, if it is the same file as the temporary one.
    pub fn unlink_same(&mut self, temp: &str, name: &str) {
        let temp = self.incoming.names.get(temp);
        if temp.is_some() && temp == self.datadir.names.get(name) {
            self.datadir.names.remove(name);
        }
    }

    /// Removes a final name durably: what a reclaim order does.
    pub fn reclaim(&mut self, name: &str) {
        self.datadir.names.remove(name);
        self.datadir.sync();
    }

    /// The names under `.incoming`.
    #[must_use]
    pub fn incoming(&self) -> Vec<String> {
        self.incoming.names.keys().cloned().collect()
    }

    /// What a reader of a final name gets now, and what it would get after a power loss, at worst.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<(&[u8], Option<&[u8]>)> {
        let now = &self.inodes[*self.datadir.names.get(name)?].bytes[..];
        let durable = self.datadir.durable.get(name).map(|inode| &self.inodes[*inode].durable[..]);
        Some((now, durable))
    }

    /// Whether any name is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datadir.names.is_empty() && self.incoming.names.is_empty()
    }

    /// Power goes and comes back.
    pub fn lose_power(&mut self, rng: &mut Rng) {
        self.datadir.lose_power(rng);
        self.incoming.lose_power(rng);
        for inode in &mut self.inodes {
            // Unsynced bytes may have reached the disk, all or none of them or as a hole.
            inode.bytes = match rng.below(3) {
                0 => inode.bytes.clone(),
                1 => vec![0; inode.bytes.len()],
                _ => inode.durable.clone(),
            };
            if !inode.durable.is_empty() {
                // What was synced is there; nothing is written to a file after its sync.
                inode.bytes.clone_from(&inode.durable);
            }
            inode.durable.clone_from(&inode.bytes);
        }
    }
}

/// What became of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EpochState {
    /// Its writer may go on.
    Open,
    /// The image became active by it.
    Committed,
    /// Closed without effect.
    Dead,
}

/// The status of the one image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageState {
    /// No bytes.
    Queued,
    /// An epoch is open.
    Saving(u64),
    /// Bytes of this length and digest.
    Active {
        /// Length.
        size_bytes: u64,
        /// Digest.
        digest: [u8; 16],
    },
    /// Gone.
    Deleted,
}

/// The control plane and its database, for one image.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The image.
    pub image: ImageState,
    /// The newest change.
    pub seq: u64,
    /// Every epoch there was.
    pub epochs: BTreeMap<u64, EpochState>,
    /// Whether bytes under the final name are to be removed.
    pub reclaim: bool,
}

// === impl Catalogue ===

impl Default for Catalogue {
    fn default() -> Self {
        Self { image: ImageState::Queued, seq: 1, epochs: BTreeMap::new(), reclaim: false }
    }
}

impl Catalogue {
    /// Opens an epoch, if the image is queued.
    pub fn reserve(&mut self) -> Option<u64> {
        if self.image != ImageState::Queued {
            return None;
        }
        self.seq += 1;
        self.image = ImageState::Saving(self.seq);
        self.epochs.insert(self.seq, EpochState::Open);
        Some(self.seq)
    }

    /// Makes the image active; false if the epoch is dead. Twice is as good as once.
    pub fn commit(&mut self, epoch: u64, size_bytes: u64, digest: [u8; 16]) -> bool {
        match self.epochs[&epoch] {
            EpochState::Committed => true,
            EpochState::Dead => false,
            EpochState::Open => {
                assert_eq!(self.image, ImageState::Saving(epoch));
                self.seq += 1;
                self.epochs.insert(epoch, EpochState::Committed);
                self.image = ImageState::Active { size_bytes, digest };
                true
            }
        }
    }

    /// Closes an epoch, if it is open.
    pub fn abort(&mut self, epoch: u64) {
        if self.epochs[&epoch] == EpochState::Open {
            self.seq += 1;
            self.epochs.insert(epoch, EpochState::Dead);
            self.image = ImageState::Queued;
        }
    }

    /// Deletes the image.
    pub fn delete(&mut self) {
        match self.image {
            ImageState::Saving(epoch) => drop(self.epochs.insert(epoch, EpochState::Dead)),
            ImageState::Active { .. } => self.reclaim = true,
            ImageState::Queued | ImageState::Deleted => {}
        }
        self.seq += 1;
        self.image = ImageState::Deleted;
    }

    /// A new incarnation of the node greets: what earlier ones had open is closed.
    pub fn greet(&mut self) {
        if let ImageState::Saving(epoch) = self.image {
            self.abort(epoch);
        }
    }
}

/// One operation's fate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It does what it should.
    Done,
    /// It fails; `done`: but does what it should.
    Failed {
        /// Whether it has its effect.
        done: bool,
        /// Whether for lack of room.
        full: bool,
    },
    /// The client is gone before it.
    ClientGone,
    /// The client ends its half before it.
    ClientEnds,
}

/// Disk, catalogue, chances and faults together.
#[derive(Clone, Debug)]
pub struct World {
    /// The disk.
    pub disk: Disk,
    /// The control plane.
    pub catalogue: Catalogue,
    /// All chances of the run.
    pub rng: Rng,
    /// What goes wrong.
    pub faults: Faults,
    /// Asks that will not be answered.
    pub asks_lost: u32,
}

// === impl World ===

impl World {
    /// An empty disk and a queued image.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            disk: Disk::default(),
            catalogue: Catalogue::default(),
            rng: Rng::new(seed),
            faults,
            asks_lost: 0,
        }
    }

    /// The fate of the next operation.
    ///
    /// # Errors
    /// [`Dead`], if the process dies just before it.
    pub fn operation(&mut self) -> Result<Fate, Dead> {
        Ok(match self.faults.next() {
            None => Fate::Done,
            Some(Fault::Fails) => Fate::Failed { done: false, full: false },
            Some(Fault::DoneButFails) => Fate::Failed { done: true, full: false },
            Some(Fault::Full) => Fate::Failed { done: false, full: true },
            Some(Fault::ClientGone) => Fate::ClientGone,
            Some(Fault::ClientEnds) => Fate::ClientEnds,
            Some(Fault::Delete) => {
                self.catalogue.delete();
                Fate::Done
            }
            Some(Fault::Crash) => return Err(Dead),
            Some(Fault::PowerLoss) => {
                self.disk.lose_power(&mut self.rng);
                return Err(Dead);
            }
            Some(Fault::LinkAway) => {
                self.asks_lost = 20;
                Fate::Done
            }
        })
    }

    /// The fate of the next ask: whether it takes effect, and whether its answer comes.
    ///
    /// # Errors
    /// [`Dead`], if the process dies just before it.
    pub fn ask(&mut self) -> Result<(bool, bool), Dead> {
        let fate = self.operation()?;
        if self.asks_lost > 0 {
            self.asks_lost -= 1;
            // Half of them arrive, and only the answer is lost.
            return Ok((self.rng.chance(500), false));
        }
        Ok(match fate {
            Fate::Failed { done, .. } => (done, false),
            Fate::Done | Fate::ClientGone | Fate::ClientEnds => (true, true),
        })
    }
}
