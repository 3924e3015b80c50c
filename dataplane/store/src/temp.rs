//! Bytes on their way in: the `.incoming` directory and the steps that turn a temporary file into
//! an image's file.
//!
//! The order of the steps is left to the upload and recovery machines in `dataplane/core`. The
//! invariants: a temporary name says which image, epoch and node it belongs to, so no two writers
//! share one; a final name is never replaced; removing what is already gone succeeds, so every step
//! may be repeated after a crash.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use dataplane_io::BulkFile;
use glint_image::limits::DIRECT_ALIGN_BYTES;
use glint_image::{Epoch, ImageId, NodeId};
use rustix::fs::{AtFlags, Dir, FallocateFlags, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;

use crate::file::FileStore;

/// The name of a temporary file: one attempt of one node to write one image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TempName {
    /// The image.
    pub image: ImageId,
    /// The epoch of the reservation.
    pub epoch: Epoch,
    /// The node that writes.
    pub node: NodeId,
}

/// An open temporary file.
#[derive(Clone, Debug)]
pub struct Temp {
    /// Its name.
    pub name: TempName,
    /// The file, in direct mode where the file system can.
    pub file: BulkFile,
}

/// Why no temporary file could be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No room for it. Glance: `StorageFull`.
    #[error("the store is full")]
    Full(#[source] io::Error),
    /// The process may not write there. Glance: `StorageWriteDenied`.
    #[error("writing to the store is denied")]
    Denied(#[source] io::Error),
    /// Anything else.
    #[error("cannot make a temporary file")]
    Failed(#[source] io::Error),
}

/// Why a file did not get its final name.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Another file has the name. Glance: `Duplicate`.
    #[error("the image has bytes already")]
    AlreadyThere,
    /// Anything else.
    #[error("cannot give the file its final name")]
    Failed(#[source] io::Error),
}

// === impl TempName ===

impl TempName {
    /// Reads a name as [`fmt::Display`] writes it; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (image, epoch, node) = (parts.next()?, parts.next()?, parts.next()?);
        let name = Self {
            image: ImageId::parse(image).ok()?,
            epoch: Epoch(epoch.parse().ok()?),
            node: NodeId::parse(node)?,
        };
        // One name, one spelling: `+7`, `007` and upper-case digits of a node are nobody's.
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for TempName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.image, self.epoch, self.node)
    }
}

// === impl FileStore ===

impl FileStore {
    /// Makes the temporary file of an upload. With a known size its blocks are reserved and its
    /// length set now, so that direct writes need not extend the file one by one, and a full disk
    /// shows before the first byte is taken.
    ///
    /// File modes are those of Glance with `filesystem_store_file_perm = 0`: all may read and
    /// write, less the umask.
    ///
    /// # Errors
    /// [`CreateError`]; nothing is left behind then.
    pub fn create_temp(
        &self,
        name: TempName,
        size_bytes: Option<u64>,
    ) -> Result<Temp, CreateError> {
        let size_bytes = size_bytes.unwrap_or(0);
        self.check_room(size_bytes).map_err(CreateError::of)?;
        let text = name.to_string();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o666);
        let opened = rustix::fs::openat(self.incoming_dir(), &text, flags, mode);
        let file = File::from(opened.map_err(|errno| CreateError::of(errno.into()))?);
        let prepared = preallocate(&file, size_bytes).and_then(|()| make_direct(&file));
        if let Err(errno) = prepared {
            drop(file);
            // What cannot be removed now is found by the recovery of the next start.
            let _ = rustix::fs::unlinkat(self.incoming_dir(), &text, AtFlags::empty());
            return Err(CreateError::of(errno.into()));
        }
        Ok(Temp { name, file: BulkFile::new(file) })
    }

    /// Sets the exact length, which cuts off the padding of the last block and blocks reserved in
    /// vain.
    ///
    /// # Errors
    /// The system's.
    pub fn truncate(&self, temp: &Temp, size_bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&temp.file, size_bytes)?)
    }

    /// Makes bytes and length durable. For callers without a bulk engine at hand; see `Bulk::fsync`
    /// for why failure is final.
    ///
    /// # Errors
    /// The system's.
    pub fn fsync(&self, temp: &Temp) -> io::Result<()> {
        Ok(rustix::fs::fsync(&temp.file)?)
    }

    /// Gives the file its final name beside the temporary one. Repeating it succeeds.
    ///
    /// The temporary name is made durable first: after a crash it is by this name that recovery
    /// finds bytes under a final name that were never committed.
    ///
    /// # Errors
    /// [`LinkError`]
    pub fn link(&self, name: TempName) -> Result<(), LinkError> {
        let (temp, last) = (name.to_string(), name.image);
        let (from, into) = (self.incoming_dir(), self.datadir());
        self.sync_incoming().map_err(LinkError::Failed)?;
        match rustix::fs::linkat(from, &temp, into, last.as_str(), AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => match self.is_linked(name) {
                Ok(true) => Ok(()),
                Ok(false) => Err(LinkError::AlreadyThere),
                Err(errno) => Err(LinkError::Failed(errno.into())),
            },
            Err(errno) => Err(LinkError::Failed(errno.into())),
        }
    }

    /// Makes names in the store's directory durable: what was linked stays, what was unlinked stays
    /// away.
    ///
    /// # Errors
    /// The system's.
    pub fn sync_datadir(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.datadir())?)
    }

    /// Makes names in `.incoming` durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync_incoming(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.incoming_dir())?)
    }

    /// Removes the temporary name. Succeeds when it is gone already.
    ///
    /// # Errors
    /// The system's.
    pub fn unlink_temp(&self, name: TempName) -> io::Result<()> {
        gone(rustix::fs::unlinkat(self.incoming_dir(), name.to_string(), AtFlags::empty()))
    }

    /// Removes the final name if it is this very file, as after a link whose commit was refused.
    /// Says whether it was.
    ///
    /// # Errors
    /// The system's.
    pub fn unlink_final_if_same_inode(&self, name: TempName) -> io::Result<bool> {
        if !self.is_linked(name)? {
            return Ok(false);
        }
        gone(rustix::fs::unlinkat(self.datadir(), name.image.as_str(), AtFlags::empty()))?;
        Ok(true)
    }

    /// The temporary names of one node, in order. Names of other nodes and anything else there are
    /// passed over.
    ///
    /// # Errors
    /// The system's.
    pub fn incoming(&self, node: NodeId) -> io::Result<Vec<TempName>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.incoming_dir())? {
            let entry = entry?;
            let name = entry.file_name().to_str().ok().and_then(TempName::parse);
            names.extend(name.filter(|name| name.node == node));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether the temporary and the final name are the same file.
    fn is_linked(&self, name: TempName) -> Result<bool, Errno> {
        let temp = stat(self.incoming_dir(), &name.to_string())?;
        let last = stat(self.datadir(), name.image.as_str())?;
        Ok(match (temp, last) {
            (Some(temp), Some(last)) => (temp.st_dev, temp.st_ino) == (last.st_dev, last.st_ino),
            _ => false,
        })
    }

    /// Refuses a size that is more than what is free. Asked first because reserving blocks on ext4
    /// takes all there are before it fails, and other uploads would meanwhile find the disk full.
    fn check_room(&self, size_bytes: u64) -> io::Result<()> {
        let found = rustix::fs::fstatvfs(self.datadir())?;
        let free_bytes = found.f_bavail.saturating_mul(found.f_frsize);
        // Some file systems of the network or in user space count no blocks; only writing shows
        // there.
        let counted = found.f_blocks > 0;
        if counted && size_bytes > free_bytes { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }
}

// === impl CreateError ===

impl CreateError {
    /// Sorts as `Store.add` of `glance_store`'s file driver does; a used-up quota counts as full.
    fn of(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => Self::Full(error),
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Self::Denied(error),
            _ => Self::Failed(error),
        }
    }
}

/// Reserves blocks and sets the length, in whole blocks because the last direct write is one. A
/// file system that cannot reserve is left to allocate as it goes.
fn preallocate(file: &File, size_bytes: u64) -> Result<(), Errno> {
    if size_bytes == 0 {
        return Ok(());
    }
    let whole =
        size_bytes.checked_next_multiple_of(DIRECT_ALIGN_BYTES as u64).ok_or(Errno::FBIG)?;
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, whole) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        other => other,
    }
}

/// Switches a file to direct mode where its file system can and our alignment satisfies it. Asked
/// of the open file rather than at opening, because an `O_CREAT | O_DIRECT` that fails with EINVAL
/// may leave the new file behind.
fn make_direct(file: &File) -> Result<(), Errno> {
    let known = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN);
    if let Ok(known) = known
        && known.stx_mask & StatxFlags::DIOALIGN.bits() != 0
    {
        let (memory, offset) = (known.stx_dio_mem_align, known.stx_dio_offset_align);
        let wanted = memory.max(offset) as usize;
        // Zero: the kernel knows that this file has no direct mode.
        if wanted == 0 || wanted > DIRECT_ALIGN_BYTES {
            return Ok(());
        }
    }
    let flags = rustix::fs::fcntl_getfl(file)?;
    match rustix::fs::fcntl_setfl(file, flags | OFlags::DIRECT) {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}

fn stat(directory: BorrowedFd<'_>, name: &str) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// A removal's result, with "was not there" as success.
pub(crate) fn gone(removed: Result<(), Errno>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
