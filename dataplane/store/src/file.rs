//! The file store: `DATADIR/<image id>`, laid out as Glance's file driver does, plus
//! `DATADIR/.incoming` for bytes under way.
//!
//! Which images may be read is decided elsewhere; the steps of writing stand in [`crate::temp`].
//! The invariants: everything is opened relative to directory descriptors held since start, by
//! names made from an [`ImageId`]; nothing that is not a plain file directly in the store's
//! directory is ever opened or removed (SEC-31).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataplane_io::BulkFile;
use glint_image::ImageId;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::location::{Locations, Refused};
use crate::temp::gone;

/// An open file store; clones share it.
#[derive(Clone, Debug)]
pub struct FileStore(Arc<Inner>);

/// An image's file, open for reading.
#[derive(Clone, Debug)]
pub struct ReadFile {
    /// The file, read through the page cache.
    pub file: BulkFile,
    /// Its length now.
    pub size_bytes: u64,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is no text, so no URL could name files in it.
    #[error("the store's path {0:?} is not UTF-8 text")]
    NotText(PathBuf),
    /// `.incoming` is on another file system: files there cannot be linked into place.
    #[error("{0:?} and its .incoming are on different file systems")]
    Split(PathBuf),
    /// The directory cannot be made, opened or written to.
    #[error("cannot use {path:?} as a store")]
    Failed {
        /// The store's directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Why an image's bytes could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The location is none of this store's, or names something that is no plain file.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such file.
    #[error("the file is missing")]
    Missing,
    /// The disk or the permissions are at fault.
    #[error("cannot open the file")]
    Failed(#[source] io::Error),
}

/// Why bytes could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum ReclaimError {
    /// The location is none of this store's or another image's: nothing was removed, and asking
    /// again changes nothing.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The removal is not durable: ask again.
    #[error("cannot remove the file")]
    Failed(#[source] io::Error),
}

#[derive(Debug)]
struct Inner {
    locations: Locations,
    datadir: OwnedFd,
    incoming: OwnedFd,
}

/// Where bytes under way lie. No image id begins with a dot.
const INCOMING: &str = ".incoming";

// === impl FileStore ===

impl FileStore {
    /// Opens the store in a directory, which is made if need be, as `_create_image_directories` of
    /// Glance's file driver does.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(datadir: &Path) -> Result<Self, OpenError> {
        let failed = |source: io::Error| OpenError::Failed { path: datadir.to_owned(), source };
        std::fs::create_dir_all(datadir).map_err(failed)?;
        let absolute = std::path::absolute(datadir).map_err(failed)?;
        let text = absolute.to_str().ok_or_else(|| OpenError::NotText(datadir.to_owned()))?;
        let resolved = std::fs::canonicalize(datadir).map_err(failed)?;
        let locations = Locations::new(text, resolved);
        let inner = open_directories(&absolute, locations).map_err(|errno| failed(errno.into()))?;
        let device = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|found| found.st_dev);
        let split = device(&inner.datadir) != device(&inner.incoming);
        if split { Err(OpenError::Split(datadir.to_owned())) } else { Ok(Self(Arc::new(inner))) }
    }

    /// The URL of an image's bytes, exactly as Glance writes it.
    #[must_use]
    pub fn url_for(&self, image: ImageId) -> String {
        self.0.locations.url_for(image)
    }

    /// Opens the bytes that a location names.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn open_read(&self, url: &str) -> Result<ReadFile, ReadError> {
        let image = self.resolve(url)?;
        let file = File::from(self.open_final(image)?);
        let found = rustix::fs::fstat(&file).map_err(|errno| ReadError::Failed(errno.into()))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Refused::Name.into());
        }
        let size_bytes =
            u64::try_from(found.st_size).expect("a plain file's length is not negative");
        Ok(ReadFile { file: BulkFile::new(file), size_bytes })
    }

    /// Removes an image's bytes, durably. Succeeds when they are gone already, so an order may be
    /// carried out again.
    ///
    /// # Errors
    /// [`ReclaimError`]
    pub fn reclaim(&self, image: ImageId, url: &str) -> Result<(), ReclaimError> {
        if self.resolve(url)? != image {
            return Err(Refused::OtherImage.into());
        }
        let removed = rustix::fs::unlinkat(self.datadir(), image.as_str(), AtFlags::empty());
        // The directory is synced also when nothing was there: an earlier removal may not be
        // durable yet.
        gone(removed).and_then(|()| self.sync_datadir()).map_err(ReclaimError::Failed)
    }

    /// The image that a URL names. Nodes that share a store may each spell its directory in their
    /// own way, so a spelling not known here counts if it leads to the very directory that is held
    /// open. Of the URL only the id goes on, as ever.
    fn resolve(&self, url: &str) -> Result<ImageId, Refused> {
        self.0.locations.resolve_or(url, |directory| {
            let there = rustix::fs::stat(directory).map(|found| (found.st_dev, found.st_ino));
            let ours = rustix::fs::fstat(self.datadir()).map(|found| (found.st_dev, found.st_ino));
            there.is_ok() && there == ours
        })
    }

    pub(crate) fn datadir(&self) -> BorrowedFd<'_> {
        self.0.datadir.as_fd()
    }

    pub(crate) fn incoming_dir(&self) -> BorrowedFd<'_> {
        self.0.incoming.as_fd()
    }

    fn open_final(&self, image: ImageId) -> Result<OwnedFd, ReadError> {
        // Without O_NONBLOCK, opening a pipe that somebody put there would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let (name, mode) = (image.as_str(), Mode::empty());
        let opened = match rustix::fs::openat2(self.datadir(), name, flags, mode, resolve) {
            // An old kernel, or a sandbox that does not know the call. The name is one plain part,
            // so all that is lost is the check for another file system mounted on it.
            Err(Errno::NOSYS | Errno::PERM) => {
                rustix::fs::openat(self.datadir(), name, flags, mode)
            }
            other => other,
        };
        opened.map_err(|errno| match errno {
            Errno::NOENT => ReadError::Missing,
            Errno::LOOP | Errno::XDEV | Errno::NXIO => Refused::Name.into(),
            _ => ReadError::Failed(errno.into()),
        })
    }
}

fn open_directories(datadir: &Path, locations: Locations) -> Result<Inner, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let datadir = rustix::fs::open(datadir, flags, Mode::empty())?;
    rustix::fs::accessat(&datadir, ".", Access::WRITE_OK, AtFlags::empty())?;
    // Unfinished bytes are nobody's business but ours.
    match rustix::fs::mkdirat(&datadir, INCOMING, Mode::RWXU) {
        Ok(()) => rustix::fs::fsync(&datadir)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let incoming = rustix::fs::openat(&datadir, INCOMING, flags | OFlags::NOFOLLOW, Mode::empty())?;
    Ok(Inner { locations, datadir, incoming })
}

#[cfg(test)]
mod tests;
