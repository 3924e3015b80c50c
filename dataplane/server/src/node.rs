//! Who this node is: a lasting id kept in the state directory, and an incarnation that is new at
//! every start.
//!
//! Leaves keeping a second process out of the state directory to its caller. Invariant: an id, once
//! given to the control plane, is found again after a crash at any moment: it is durable before it
//! is returned.

use glint_image::NodeId;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The file that holds the id.
const FILE: &str = "node-id";

/// Who speaks on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The lasting id.
    pub(crate) node: NodeId,
    /// Grows from start to start while the wall clock does; two starts never share one.
    pub(crate) incarnation: u64,
}

impl Identity {
    /// Reads the node's id, or makes one where there is none yet.
    ///
    /// A file that holds no id is an error, not a reason to make a new one: under a new id what the
    /// old one left in the store would never be settled.
    pub(crate) fn load(state_dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(state_dir)?;
        let path = state_dir.join(FILE);
        let node = match fs::read_to_string(&path) {
            Ok(text) => NodeId::parse(text.trim()).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} holds no node id", path.display()),
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(state_dir, &path)?,
            Err(error) => return Err(error),
        };
        Ok(Self { node, incarnation: new_incarnation() })
    }
}

fn create(state_dir: &Path, path: &Path) -> io::Result<NodeId> {
    let node = NodeId::random();
    // Written beside and renamed, so that a crash leaves no file or a whole one.
    let beside = state_dir.join(format!("{FILE}.new"));
    let mut file = fs::File::create(&beside)?;
    writeln!(file, "{node}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(state_dir)?.sync_all()?;
    Ok(node)
}

/// Nanoseconds of the wall clock: the state directory serves one process at a time, and a start
/// takes longer than one.
fn new_incarnation() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn the_id_lasts_and_the_incarnation_does_not() {
        let dir = TempDir::new("node");
        let first = Identity::load(dir.path()).unwrap();
        let second = Identity::load(dir.path()).unwrap();
        assert_eq!(first.node, second.node);
        assert!(first.incarnation < second.incarnation);
    }

    #[test]
    fn a_spoilt_file_is_an_error_and_is_left_alone() {
        let dir = TempDir::new("node");
        fs::write(dir.path().join(FILE), "nonsense\n").unwrap();
        let error = Identity::load(dir.path()).unwrap_err();
        assert!(error.to_string().contains("holds no node id"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "nonsense\n");
    }
}
