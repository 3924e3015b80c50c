//! A file as the bulk engine and the byte paths share it.
//!
//! Opening, naming and removing are left to `dataplane/store`. The invariant: whether the file is
//! in direct mode is asked of the kernel once, when the value is made, so a buffered file is never
//! written with padding nor a direct one without.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::fs::OFlags;

/// An open file, shared by cheap clones; closed when the last one is gone and no operation uses it
/// any more.
#[derive(Clone, Debug)]
pub struct BulkFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    direct: bool,
}

impl BulkFile {
    /// Takes over an open file.
    #[must_use]
    pub fn new(file: File) -> Self {
        let flags = rustix::fs::fcntl_getfl(&file).expect("an open file has flags");
        Self(Arc::new(Inner { direct: flags.contains(OFlags::DIRECT), file }))
    }

    /// Whether reads and writes go past the page cache, and so must be aligned.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.0.direct
    }

    /// The file itself, for metadata calls.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0.file
    }
}

impl AsFd for BulkFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}
