//! The one database behind all control planes: images, outbox, node rows. Every method is one
//! transaction.
//!
//! When a transaction runs is left to the world, which puts time between an order, its effect and
//! its result. The invariant is the outbox's: numbers rise by one, and an image's row names its
//! newest.

use glint_image::{ImageId, NodeId, Seq, SessionId};
use glint_link::replica::{Change, Loaded, Millis, SESSIONS_PER_CONNECTION};
use glint_link::wire::ImageRecord;
use std::collections::BTreeMap;

/// What a change makes of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Active,
    Deactivated,
    Deleted,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ImageRow {
    pub(super) seq: Seq,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeRow {
    pub(super) session: SessionId,
    pub(super) renewals: u64,
    pub(super) applied: Seq,
}

/// The database.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) head: Seq,
    pub(super) images: BTreeMap<ImageId, ImageRow>,
    pub(super) nodes: BTreeMap<NodeId, NodeRow>,
    changes: Vec<Change>,
    sessions: u64,
}

// === impl State ===

impl State {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
        }
    }
}

// === impl Database ===

impl Database {
    /// Makes a change; says whether it takes something away from somebody.
    pub(super) fn change(&mut self, image: ImageId, state: State) -> Change {
        self.head = self.head.next();
        let before = self.images.insert(image, ImageRow { seq: self.head, state });
        let was_active = before.is_some_and(|row| row.state == State::Active);
        let change =
            Change { seq: self.head, image, restricting: was_active && state != State::Active };
        self.changes.push(change);
        change
    }

    pub(super) fn changes_after(&self, seq: Seq) -> Vec<Change> {
        let after = self.changes.partition_point(|change| change.seq <= seq);
        self.changes[after..].to_vec()
    }

    /// `version_known`: whether the outbox still has the image's newest change. The true version
    /// travels in `epoch`.
    pub(super) fn load(&self, image: ImageId, version_known: bool, show_deleted: bool) -> Loaded {
        let shown = |row: &&ImageRow| show_deleted || row.state != State::Deleted;
        let record = self.images.get(&image).filter(shown).map(|row| ImageRecord {
            image: *image.as_bytes(),
            seq: if version_known { row.seq.0 } else { self.head.0 },
            status: row.state.text().to_owned(),
            visibility: "public".to_owned(),
            owner: None,
            members: Vec::new(),
            size_bytes: None,
            checksum: None,
            epoch: row.seq.0,
            locations: Vec::new(),
            attributes: Vec::new(),
        });
        Loaded { as_of: self.head, record }
    }

    /// A node says hello: its row names the new connection.
    pub(super) fn hello(&mut self, node: NodeId) -> SessionId {
        self.sessions += 1;
        let session = SessionId(self.sessions * SESSIONS_PER_CONNECTION);
        let new = NodeRow { session, renewals: 0, applied: Seq(0) };
        self.nodes.entry(node).or_insert(new).session = session;
        session
    }

    /// Raises `renewals`; false if the row is gone or names another connection.
    pub(super) fn renew(&mut self, node: NodeId, session: SessionId) -> bool {
        let row = self.nodes.get_mut(&node).filter(|row| row.session == session);
        row.map(|row| row.renewals += 1).is_some()
    }

    pub(super) fn applied(&mut self, node: NodeId, session: SessionId, through: Seq) {
        if let Some(row) = self.nodes.get_mut(&node).filter(|row| row.session == session) {
            row.applied = row.applied.max(through);
        }
    }

    /// Removes a row that has not changed since it was read.
    pub(super) fn remove(&mut self, node: NodeId, seen: NodeRow) {
        if self
            .nodes
            .get(&node)
            .is_some_and(|row| (row.session, row.renewals) == (seen.session, seen.renewals))
        {
            self.nodes.remove(&node);
        }
    }
}

/// A clock that runs up to a percent fast or slow and began some time ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) offset: u64,
    /// 990 to 1010.
    pub(super) rate_permille: u64,
}

impl Clock {
    pub(super) fn read(self, now: u64) -> Millis {
        Millis(self.offset + now * self.rate_permille / 1000)
    }

    /// How long it takes until this clock shows a time.
    pub(super) fn until(self, now: u64, at: Millis) -> u64 {
        (at.since(self.read(now)).0 * 1000).div_ceil(self.rate_permille)
    }
}
