//! The control plane's end of one connection to a data plane.
//!
//! It knows which records the node holds, has the changed ones loaded, pushes them in order, counts
//! what the node confirms, and answers pings with leases. The caller (one task per connection)
//! moves frames, feeds every row of the outbox in order, reads records, raises the node's
//! `renewals` counter and tells the time. After every `handle_…` call it takes all of
//! [`Publisher::poll_action`]; it calls [`Publisher::handle_timeout`] when
//! [`Publisher::poll_timeout`] says so.
//!
//! Invariants: a record pushed is never older than one pushed before.
//! [`Publisher::confirmed_through`] never passes a change that a shard of the node may not know.
//! No lease is granted while the newest settings are not confirmed. What waits is bounded:
//! records wait unloaded once [`PUSHES_UNCONFIRMED_MAX`] pushes are unconfirmed, and a node that
//! confirms nothing for a whole lease starts over.

mod lease;
mod records;

use super::{Millis, SESSIONS_PER_CONNECTION};
use crate::wire::{Caller, ImageRecord, Mark, Push, Reclaim, Settings, ToControl, ToData};
use glint_image::limits::{
    ASKS_IN_FLIGHT_MAX, PUSHES_UNCONFIRMED_MAX, RECLAIMS_OPEN_MAX, RECORD_LOADS_MAX,
    VIEW_IMAGES_MAX,
};
use glint_image::{ImageId, Seq, SessionId};
use lease::Lease;
use records::{Judged, Records};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most records one node may be subscribed to: what it holds, and what it dropped and has not
/// reported yet.
const SUBSCRIBED_MAX: usize = VIEW_IMAGES_MAX + PUSHES_UNCONFIRMED_MAX + ASKS_IN_FLIGHT_MAX;

/// What a connection begins with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The connection's first session number: a multiple of [`SESSIONS_PER_CONNECTION`] never given
    /// to this node before. It goes into the `Welcome`, and into the node's row before the
    /// `Welcome` is sent.
    pub session: SessionId,
    /// Length of a lease.
    pub lease: Millis,
    /// The newest change that will not be fed to [`Publisher::handle_change`]: where the feed
    /// begins.
    pub head: Seq,
    /// The settings to push first.
    pub settings: Settings,
}

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub seq: Seq,
    /// The image it changes.
    pub image: ImageId,
    /// Whether someone may do less than before.
    pub restricting: bool,
}

/// A record as read from the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The head of the outbox in the snapshot it was read in.
    pub as_of: Seq,
    /// The record, `None` if there is no such image. Its `seq` is the image's newest change, or
    /// `as_of` where that is not known any more (the node is then sent a record it may have
    /// already).
    pub record: Option<ImageRecord>,
}

/// The caller's name for an ask that waits for its mark.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// What the caller does next.
#[allow(clippy::large_enum_variant, reason = "nearly all of these are pushes, and none lives long")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this to the session stream.
    Send(ToData),
    /// Read this record from the database, newly, and call [`Publisher::handle_loaded`]. If the
    /// database does not answer, try again until it does or the connection ends.
    Load {
        /// The image.
        image: ImageId,
    },
    /// Raise the node's `renewals` counter, where its row still names [`Publisher::connection`];
    /// once that is committed read the head of the outbox and call [`Publisher::handle_renewed`].
    /// If the row is gone or names another connection, call [`Publisher::handle_superseded`].
    Renew,
    /// Answer this ask with this mark.
    Marked {
        /// The ask.
        ticket: Ticket,
        /// Where to look.
        mark: Mark,
    },
    /// Write `applied_seq` to the node's row, where it still names [`Publisher::connection`]:
    /// barriers of other control planes look there. May be put together with later ones; a lost one
    /// is repeated by the next.
    Confirmed {
        /// Everything up to here is confirmed.
        through: Seq,
    },
    /// Close the connection. Nothing is to be called any more.
    Close(EndReason),
}

/// Why a connection is closed from this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// The node has a newer connection, or was taken for lost.
    #[error("the node's row names another connection")]
    Superseded,
    /// The list of held records did not arrive within a lease.
    #[error("the node did not say in time what it holds")]
    HoldLate,
    /// The node broke the protocol; the text says how.
    #[error("the node broke the protocol: {0}")]
    Protocol(&'static str),
    /// Session numbers of this connection are used up.
    #[error("too many resets of one connection")]
    Resets,
}

/// The control plane's end. See the module's text.
#[derive(Debug)]
pub struct Publisher {
    connection: SessionId,
    session: u64,
    phase: Phase,
    /// The newest change fed.
    fed: Seq,
    /// Pushes sent in this session, and confirmed of them.
    sent: u64,
    confirmed: u64,
    /// When each unconfirmed push was sent.
    unconfirmed: VecDeque<(u64, Millis)>,
    records: Records,
    /// Loads under way; they outlive a reset.
    loading: BTreeSet<ImageId>,
    /// Images that were to be loaded while an older load was under way.
    load_again: BTreeSet<ImageId>,
    /// Asks for an image: those that the load under way serves, and those that need the next one.
    asks_loading: BTreeMap<ImageId, Vec<Ticket>>,
    asks_waiting: BTreeMap<ImageId, Vec<Ticket>>,
    /// Asks for the mark of a change.
    asks_for_change: BTreeMap<Seq, Vec<Ticket>>,
    /// Callers to be pushed, each with the ask that wants its mark.
    callers_unsent: VecDeque<(Ticket, Caller)>,
    settings: Settings,
    /// The push that carries the settings in this session, once sent.
    settings_at: Option<u64>,
    reclaims: BTreeMap<u64, Reclaim>,
    reclaims_unsent: BTreeSet<u64>,
    /// The oldest and the newest restricting change fed and not reported as confirmed.
    unreported: Option<(Seq, Seq)>,
    lease: Lease,
    actions: VecDeque<Action>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The `Hold` list is arriving; nothing is pushed.
    Listening { entries: u32, deadline: Millis },
    /// The list is complete. `current` is the push that says so, once sent.
    Open { current: Option<u64> },
    /// The connection is to be closed.
    Ended,
}

// === impl Publisher: what the caller asks ===

impl Publisher {
    /// A connection that was just welcomed.
    #[must_use]
    pub fn new(now: Millis, config: Config) -> Self {
        let Config { session, lease, head, settings } = config;
        assert_eq!(session.0 % SESSIONS_PER_CONNECTION, 0, "sessions of two connections would mix");
        assert!(lease.0 > 0, "a lease has a length");
        Self {
            connection: session,
            session: session.0,
            phase: Phase::Listening { entries: 0, deadline: now.plus(lease) },
            fed: head,
            sent: 0,
            confirmed: 0,
            unconfirmed: VecDeque::new(),
            records: Records::default(),
            loading: BTreeSet::new(),
            load_again: BTreeSet::new(),
            asks_loading: BTreeMap::new(),
            asks_waiting: BTreeMap::new(),
            asks_for_change: BTreeMap::new(),
            callers_unsent: VecDeque::new(),
            settings,
            settings_at: None,
            reclaims: BTreeMap::new(),
            reclaims_unsent: BTreeSet::new(),
            unreported: None,
            lease: Lease::new(lease),
            actions: VecDeque::new(),
        }
    }

    /// The connection's first session number: what the node's row names.
    #[must_use]
    pub fn connection(&self) -> SessionId {
        self.connection
    }

    /// Every change up to here that concerns the node is in force on all its shards; 0 while that
    /// is not known. Counts only while the node's row names [`Publisher::connection`];
    /// [`super::Barrier`] checks that.
    #[must_use]
    pub fn confirmed_through(&self) -> Seq {
        match self.phase {
            Phase::Open { current: Some(current) } if current <= self.confirmed => {
                self.records.settled_through(self.fed)
            }
            _ => Seq(0),
        }
    }

    /// When the newest lease granted here has surely run out; `None` if none was.
    #[must_use]
    pub fn counts_until(&self) -> Option<Millis> {
        self.lease.counts_until()
    }

    /// The next thing to do, until `None`.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Publisher::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        match self.phase {
            Phase::Listening { deadline, .. } => Some(deadline),
            Phase::Open { .. } => {
                self.unconfirmed.front().map(|(_, at)| at.plus(self.lease.length()))
            }
            Phase::Ended => None,
        }
    }

    /// How many records the node is subscribed to.
    #[must_use]
    pub fn images_subscribed(&self) -> usize {
        self.records.len()
    }

    /// How many pushes are sent and not confirmed.
    #[must_use]
    pub fn pushes_unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }
}

// === impl Publisher: the node's messages ===

impl Publisher {
    /// A frame of the session stream. Anything about a session that was reset is ignored.
    pub fn handle_message(&mut self, now: Millis, message: ToControl) {
        if self.phase == Phase::Ended || message.session() != self.session {
            return;
        }
        match message {
            ToControl::Hold { from, images, last, .. } => self.take_hold(now, from, &images, last),
            ToControl::Applied { through, .. } => self.take_applied(now, through),
            ToControl::Ping { nonce, .. } => self.take_ping(now, nonce),
            ToControl::Forget { through, images, .. } => self.take_forget(now, through, &images),
            ToControl::Resync { .. } => self.reset(now),
        }
    }

    fn take_hold(&mut self, now: Millis, from: u32, images: &[crate::wire::Held], last: bool) {
        let Phase::Listening { entries, deadline } = self.phase else { return };
        if from != entries {
            // A repeated piece, or one whose predecessor is missing: the deadline sees to the
            // latter.
            return;
        }
        for held in images {
            let Ok(image) = ImageId::from_bytes(&held.image) else {
                return self.end(EndReason::Protocol("it holds what is no image id"));
            };
            self.records.listed(image, Seq(held.seq), self.fed);
        }
        if self.records.len() > SUBSCRIBED_MAX {
            return self.end(EndReason::Protocol("it holds more than a node may"));
        }
        if last {
            for image in self.asks_waiting.keys() {
                self.records.asked(*image, self.fed);
            }
        }
        let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
        self.phase = if last {
            Phase::Open { current: None }
        } else {
            Phase::Listening { entries: entries.saturating_add(count), deadline }
        };
        self.advance(now);
    }

    fn take_applied(&mut self, now: Millis, through: u64) {
        if through > self.sent {
            return self.end(EndReason::Protocol("it confirms what was not sent"));
        }
        if through <= self.confirmed {
            return;
        }
        let was_current = self.is_confirmed_current();
        self.confirmed = through;
        while self.unconfirmed.pop_front_if(|(number, _)| *number <= through).is_some() {}
        self.records.confirmed(through);
        if !was_current && self.is_confirmed_current() {
            // Barriers of other control planes may wait for changes from before this session.
            self.unreported = Some((Seq(0), self.fed));
        }
        self.advance(now);
    }

    fn take_ping(&mut self, now: Millis, nonce: u64) {
        if !self.is_confirmed_current() {
            self.actions.push_back(Action::Send(ToData::Pong { nonce, lease_ms: 0 }));
        } else if self.lease.asked(now, nonce) {
            self.actions.push_back(Action::Renew);
        }
    }

    fn take_forget(&mut self, now: Millis, through: u64, images: &[[u8; 36]]) {
        for text in images {
            let Ok(image) = ImageId::from_bytes(text) else {
                return self.end(EndReason::Protocol("it forgets what is no image id"));
            };
            let asked =
                self.asks_loading.contains_key(&image) || self.asks_waiting.contains_key(&image);
            if !asked {
                self.records.forgotten(image, through);
            }
        }
        self.advance(now);
    }
}

// === impl Publisher: the catalogue ===

impl Publisher {
    /// The next row of the outbox. All rows are fed, in order; one fed before is ignored.
    pub fn handle_change(&mut self, now: Millis, change: Change) {
        let Change { seq, image, restricting } = change;
        if seq <= self.fed || self.phase == Phase::Ended {
            return;
        }
        self.fed = seq;
        self.records.changed(image, seq, self.confirmed);
        if restricting {
            let (oldest, _) = self.unreported.unwrap_or((seq, seq));
            self.unreported = Some((oldest, seq));
        }
        self.advance(now);
    }

    /// Rows of the outbox may have been missed (the feed overflowed): the session starts over from
    /// this one.
    pub fn handle_changes_lost(&mut self, now: Millis, head: Seq) {
        self.fed = self.fed.max(head);
        self.reset(now);
    }

    /// A record was read.
    pub fn handle_loaded(&mut self, now: Millis, image: ImageId, loaded: Loaded) {
        if !self.loading.remove(&image) || self.phase == Phase::Ended {
            return;
        }
        if self.load_again.remove(&image) && self.records.holds(image) {
            self.start_load(image);
            return;
        }
        let Loaded { as_of, record } = loaded;
        let seq = record.as_ref().map_or(as_of, |record| Seq(record.seq));
        assert!(seq <= as_of, "a record is no newer than the snapshot it was read in");
        let open = matches!(self.phase, Phase::Open { .. });
        let judged = if open {
            self.records.loaded(image, seq, as_of, self.sent + 1, self.confirmed)
        } else {
            // Read for the session before; this one has its own list.
            Judged::Known
        };
        match judged {
            Judged::Push => {
                let push = record
                    .map_or(Push::Absent { image: *image.as_bytes(), seq: seq.0 }, Push::Image);
                self.push(now, push);
            }
            Judged::Known => {}
            Judged::TooOld => return self.advance(now),
        }
        if open {
            for ticket in self.asks_loading.remove(&image).unwrap_or_default() {
                self.answer(ticket);
            }
        }
        self.advance(now);
    }

    /// The renewal asked for is committed; `head` is the newest change, read after that.
    pub fn handle_renewed(&mut self, now: Millis, head: Seq) {
        if self.lease.renewed(head) {
            self.actions.push_back(Action::Renew);
        }
        self.advance(now);
    }

    /// The node's row is gone or names another connection: this one can promise nothing any more.
    pub fn handle_superseded(&mut self) {
        self.end(EndReason::Superseded);
    }

    /// The settings changed. No lease is granted from here on until the node has confirmed them, so
    /// one lease later no node admits anything under the old ones.
    pub fn handle_settings(&mut self, now: Millis, settings: Settings) {
        if self.settings == settings {
            return;
        }
        if self.settings.policy.attributes != settings.policy.attributes {
            // What is being read has the attributes of the old rules.
            self.load_again.extend(self.loading.iter().copied());
        }
        self.settings = settings;
        self.settings_at = None;
        self.advance(now);
    }

    /// What is known of a caller, to be pushed; then [`Action::Marked`] names the push. The caller
    /// of this bounds asks ([`ASKS_IN_FLIGHT_MAX`]).
    pub fn handle_caller(&mut self, now: Millis, ticket: Ticket, caller: Caller) {
        self.callers_unsent.push_back((ticket, caller));
        self.advance(now);
    }

    /// The node is to hear of changes of an image from here on; [`Action::Marked`] names a push
    /// after which it holds the record. Unlike [`Publisher::handle_resolve`] reads nothing anew
    /// where the node is subscribed already.
    pub fn handle_watch(&mut self, now: Millis, ticket: Ticket, image: ImageId) {
        let open = matches!(self.phase, Phase::Open { .. });
        if open && self.records.is_sent(image) {
            return self.answer(ticket);
        }
        self.handle_resolve(now, ticket, image);
    }

    /// The node is to remove bytes. Repeated in every session until
    /// [`Publisher::handle_reclaimed`]. False if it has [`RECLAIMS_OPEN_MAX`] orders already: offer
    /// it again later.
    #[must_use]
    pub fn handle_reclaim(&mut self, now: Millis, reclaim: Reclaim) -> bool {
        let order = reclaim.order;
        if !self.reclaims.contains_key(&order) {
            if self.reclaims.len() >= RECLAIMS_OPEN_MAX {
                return false;
            }
            self.reclaims.insert(order, reclaim);
            self.reclaims_unsent.insert(order);
            self.advance(now);
        }
        true
    }

    /// The bytes of an order are gone.
    pub fn handle_reclaimed(&mut self, order: u64) {
        self.reclaims.remove(&order);
        self.reclaims_unsent.remove(&order);
    }

    /// An `Ask::Resolve`: the record is read anew and pushed, then [`Action::Marked`] names the
    /// push. The caller bounds asks ([`ASKS_IN_FLIGHT_MAX`]); a ticket whose ask was given up is
    /// answered all the same.
    pub fn handle_resolve(&mut self, now: Millis, ticket: Ticket, image: ImageId) {
        if self.records.len() >= SUBSCRIBED_MAX && !self.records.holds(image) {
            // The node forgets too slowly. Its next list says what it really holds.
            self.asks_waiting.entry(image).or_default().push(ticket);
            return self.reset(now);
        }
        self.asks_waiting.entry(image).or_default().push(ticket);
        if matches!(self.phase, Phase::Open { .. }) {
            self.records.asked(image, self.fed);
            self.advance(now);
        }
    }

    /// Asks where to look for a change that is committed: once every change up to it is pushed,
    /// [`Action::Marked`] says.
    pub fn handle_mark(&mut self, now: Millis, ticket: Ticket, seq: Seq) {
        self.asks_for_change.entry(seq).or_default().push(ticket);
        self.advance(now);
    }

    /// Time has come to give up on the list, or on a confirmation.
    pub fn handle_timeout(&mut self, now: Millis) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        match self.phase {
            Phase::Listening { .. } => self.end(EndReason::HoldLate),
            Phase::Open { .. } => self.reset(now),
            Phase::Ended => {}
        }
    }
}

// === impl Publisher: inside ===

impl Publisher {
    fn is_confirmed_current(&self) -> bool {
        matches!(self.phase, Phase::Open { current: Some(at) } if at <= self.confirmed)
    }

    fn are_settings_confirmed(&self) -> bool {
        self.settings_at.is_some_and(|at| at <= self.confirmed)
    }

    fn end(&mut self, reason: EndReason) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            self.actions.push_back(Action::Close(reason));
        }
    }

    /// Starts over under the next session number.
    fn reset(&mut self, now: Millis) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.session + 1 >= self.connection.0 + SESSIONS_PER_CONNECTION {
            return self.end(EndReason::Resets);
        }
        self.session += 1;
        self.phase = Phase::Listening { entries: 0, deadline: now.plus(self.lease.length()) };
        self.sent = 0;
        self.confirmed = 0;
        self.unconfirmed.clear();
        self.records = Records::default();
        self.load_again.clear();
        for (image, tickets) in std::mem::take(&mut self.asks_loading) {
            self.asks_waiting.entry(image).or_default().extend(tickets);
        }
        self.settings_at = None;
        self.reclaims_unsent = self.reclaims.keys().copied().collect();
        self.lease.restart();
        self.actions.push_back(Action::Send(ToData::Reset { session: self.session }));
    }

    fn push(&mut self, now: Millis, body: Push) {
        self.sent += 1;
        self.unconfirmed.push_back((self.sent, now));
        let push = ToData::Push { session: self.session, number: self.sent, body };
        self.actions.push_back(Action::Send(push));
    }

    fn answer(&mut self, ticket: Ticket) {
        let mark = Mark { session: self.session, number: self.sent };
        self.actions.push_back(Action::Marked { ticket, mark });
    }

    /// Does everything that has become possible: sends, loads, says `Current`, answers, reports,
    /// grants.
    fn advance(&mut self, now: Millis) {
        let Phase::Open { current } = self.phase else { return };
        self.send_orders(now);
        self.start_loads();
        let told = self.settings_at.is_some();
        if current.is_none() && told && self.records.uncompared() == 0 && self.has_room() {
            self.push(now, Push::Current);
            self.phase = Phase::Open { current: Some(self.sent) };
        }
        self.answer_marks();
        let confirmed = self.confirmed_through();
        if let Some((oldest, newest)) = self.unreported.filter(|_| self.is_confirmed_current())
            && oldest <= confirmed
        {
            self.unreported = (newest > confirmed).then(|| (confirmed.next(), newest));
            self.actions.push_back(Action::Confirmed { through: confirmed });
        }
        while self.is_confirmed_current()
            && self.are_settings_confirmed()
            && let Some((nonce, again)) = self.lease.granted(confirmed)
        {
            let lease_ms = self.lease.length().0;
            self.actions.push_back(Action::Send(ToData::Pong { nonce, lease_ms }));
            if again {
                self.actions.push_back(Action::Renew);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.unconfirmed.len() + self.loading.len() < PUSHES_UNCONFIRMED_MAX
    }

    fn send_orders(&mut self, now: Millis) {
        if self.settings_at.is_none() && self.has_room() {
            self.push(now, Push::Settings(self.settings.clone()));
            self.settings_at = Some(self.sent);
        }
        // Behind the settings, or the node would forget them at once.
        while self.settings_at.is_some()
            && self.has_room()
            && let Some((ticket, caller)) = self.callers_unsent.pop_front()
        {
            self.push(now, Push::Caller(caller));
            self.answer(ticket);
        }
        while self.has_room()
            && let Some(order) = self.reclaims_unsent.pop_first()
        {
            let reclaim = self.reclaims.get(&order).expect("an unsent order is open").clone();
            self.push(now, Push::Reclaim(reclaim));
        }
    }

    fn start_loads(&mut self) {
        while self.loading.len() < RECORD_LOADS_MAX
            && self.has_room()
            && let Some(image) = self.records.next_load()
        {
            if self.loading.contains(&image) {
                // What is under way was read too early for whatever wants this load.
                self.load_again.insert(image);
            } else {
                self.start_load(image);
            }
        }
    }

    fn start_load(&mut self, image: ImageId) {
        self.loading.insert(image);
        if let Some(tickets) = self.asks_waiting.remove(&image) {
            self.asks_loading.entry(image).or_default().extend(tickets);
        }
        self.actions.push_back(Action::Load { image });
    }

    fn answer_marks(&mut self) {
        let covered = self.records.covered_through(self.fed);
        // Before the list is compared, a change may concern a record that nothing was said about
        // yet.
        if self.records.uncompared() > 0 {
            return;
        }
        while let Some(first) =
            self.asks_for_change.first_entry().filter(|first| *first.key() <= covered)
        {
            for ticket in first.remove() {
                self.answer(ticket);
            }
        }
    }
}

// === impl ToControl ===

impl ToControl {
    /// The session a message is about.
    fn session(&self) -> u64 {
        match self {
            Self::Hold { session, .. }
            | Self::Applied { session, .. }
            | Self::Ping { session, .. }
            | Self::Forget { session, .. }
            | Self::Resync { session } => *session,
        }
    }
}

#[cfg(test)]
mod tests;
