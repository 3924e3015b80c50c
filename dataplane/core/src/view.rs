//! What one shard knows: the records, callers and rules pushed to it, the replies that stand on
//! them, the lease under which it may act on all that, and how far the pushes have come.
//!
//! Which records are kept is decided by the link's subscriber, which tells every shard what to
//! apply and what to evict; asking about an unknown image is left to the request. Invariant: a
//! record never gives way to an older one, and without a lease nothing is known.

use crate::caller::{Callers, Salt, Who};
use crate::cross_origin;
use crate::head::Head;
use crate::kept::{Grounds, KeptReply, Replies, ReplyKey, is_same};
use crate::rules::Rules;
use crate::time::Millis;
use glint_image::limits::SESSIONS_REMEMBERED;
use glint_image::{Epoch, ImageId, PushNumber, Seq, SessionId, Status, Visibility};
use glint_link::wire::{self, Caller, Header, Keep, Mark, Push};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// An image as this shard knows it: the pushed record, parsed once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageView {
    /// Its id.
    pub image: ImageId,
    /// The change as of which the rest is true.
    pub seq: Seq,
    /// Its status; `None` for a text this build does not know, which serves nothing.
    pub status: Option<Status>,
    /// Its visibility; an unknown text counts as private.
    pub visibility: Visibility,
    /// Owning project.
    pub owner: Option<String>,
    /// Projects it is shared with.
    pub members: Vec<String>,
    /// Size in bytes, once known.
    pub size_bytes: Option<u64>,
    /// Hexadecimal MD5, once known.
    pub checksum: Option<String>,
    /// Epoch of the open upload; `Epoch(0)` if none.
    pub epoch: Epoch,
    /// Where the bytes lie, best first.
    pub locations: Vec<wire::Location>,
    /// What else the rules compare.
    pub attributes: Vec<wire::Attribute>,
}

/// A pushed record names an image by something that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pushed record whose image id is not a UUID")]
pub struct UnreadableRecord;

impl TryFrom<&wire::ImageRecord> for ImageView {
    type Error = UnreadableRecord;

    fn try_from(record: &wire::ImageRecord) -> Result<Self, UnreadableRecord> {
        let image = ImageId::from_bytes(&record.image).map_err(|_| UnreadableRecord)?;
        // The checksum is sent back in a header: whatever is not plain hexadecimal stays out of it.
        let checksum = record
            .checksum
            .clone()
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(Self {
            image,
            seq: Seq(record.seq),
            status: Status::parse(&record.status),
            visibility: Visibility::parse(&record.visibility).unwrap_or(Visibility::Private),
            owner: record.owner.clone(),
            members: record.members.clone(),
            size_bytes: record.size_bytes,
            checksum,
            epoch: Epoch(record.epoch),
            locations: record.locations.clone(),
            attributes: record.attributes.clone(),
        })
    }
}

/// What the view knows of an image, now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// Nothing: the control plane must be asked.
    Unknown,
    /// The lease is over: what is held may be outdated, nothing new may begin.
    Stale,
    /// There is no such image.
    Absent,
    /// The image is so.
    Known(Arc<ImageView>),
}

/// What the view shows of one request for an image, all as of one moment.
#[derive(Debug)]
pub struct Sight<'a> {
    /// What is known of the caller; `None`: the control plane must be asked.
    pub caller: Option<&'a Caller>,
    /// What is known of the image.
    pub image: Lookup,
    /// The rules; `None` before the first settings came.
    pub rules: Option<&'a Rules>,
}

/// What the view says to the writer of an upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// Nothing speaks against going on.
    Open,
    /// The epoch is closed: the image was deleted or given to another writer. What is written now
    /// is thrown away.
    Closed,
}

/// What a push changed, for those who wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noticed {
    /// What is known of this image.
    Image(ImageId),
    /// Something else, or nothing.
    Other,
}

#[derive(Debug)]
enum Held {
    Absent { seq: Seq },
    Known(Arc<ImageView>),
}

impl Held {
    fn seq(&self) -> Seq {
        match self {
            Self::Absent { seq } => *seq,
            Self::Known(image) => image.seq,
        }
    }

    fn known(&self) -> Option<&Arc<ImageView>> {
        match self {
            Self::Absent { .. } => None,
            Self::Known(image) => Some(image),
        }
    }
}

/// One shard's copy of the view.
#[derive(Debug)]
pub struct View {
    images: BTreeMap<ImageId, Held>,
    /// Of the settings in force.
    generation: u64,
    callers: Callers,
    /// `None` before the first settings.
    rules: Option<Rules>,
    replies: Replies,
    lease_until: Millis,
    minor_versions: Vec<u16>,
    cross_origin: Option<wire::CrossOrigin>,
    session: Option<SessionId>,
    /// The newest push applied in `session`.
    applied: PushNumber,
    /// Whether `session` has reached its `Current`.
    current: bool,
    /// Sessions before `session`, oldest first.
    past: VecDeque<SessionId>,
}

// === impl View ===

impl View {
    /// A view that knows nothing and has no lease. All shards of a process share one salt, because
    /// they share what is pushed of a caller.
    #[must_use]
    pub fn new(salt: Salt) -> Self {
        Self {
            images: BTreeMap::new(),
            generation: 0,
            callers: Callers::new(salt),
            rules: None,
            replies: Replies::new(),
            lease_until: Millis(0),
            minor_versions: Vec::new(),
            cross_origin: None,
            session: None,
            applied: PushNumber(0),
            current: false,
            past: VecDeque::new(),
        }
    }

    /// A new session begins. Records stay as they are: the control plane pushes again whatever
    /// changed meanwhile.
    pub fn begin_session(&mut self, session: SessionId) {
        if self.session == Some(session) {
            return;
        }
        if let Some(over) = self.session.replace(session) {
            if self.past.len() == SESSIONS_REMEMBERED {
                self.past.pop_front();
            }
            self.past.push_back(over);
        }
        self.applied = PushNumber(0);
        self.current = false;
    }

    /// Puts a push in force. The subscriber gives them in order; one of a past session is ignored.
    pub fn apply(&mut self, session: SessionId, number: PushNumber, push: &Push) -> Noticed {
        if self.past.contains(&session) {
            return Noticed::Other;
        }
        self.begin_session(session);
        self.applied = self.applied.max(number);
        match push {
            Push::Image(record) => match ImageView::try_from(record) {
                Ok(image) => self.hold(image.image, Held::Known(Arc::new(image))),
                Err(UnreadableRecord) => Noticed::Other,
            },
            Push::Absent { image, seq } => match ImageId::from_bytes(image) {
                Ok(image) => self.hold(image, Held::Absent { seq: Seq(*seq) }),
                Err(_) => Noticed::Other,
            },
            Push::Settings(settings) => {
                self.set(settings);
                Noticed::Other
            }
            // Comes by `take_caller`, which shares it among shards.
            Push::Caller(_) => Noticed::Other,
            // Removing bytes is the store's work, not the view's.
            Push::Reclaim(_) => Noticed::Other,
            Push::Current => {
                self.current = true;
                Noticed::Other
            }
        }
    }

    /// Takes note of a caller. What was decided under other settings counts for nothing.
    pub fn take_caller(
        &mut self,
        session: SessionId,
        number: PushNumber,
        caller: &Arc<Caller>,
        now: Millis,
    ) {
        self.reach(session, number);
        let under_these = self.rules.is_some() && self.generation == caller.generation;
        if under_these && !self.past.contains(&session) {
            self.callers.hold(caller, now);
        }
    }

    fn set(&mut self, settings: &wire::Settings) {
        if self.rules.is_some() && self.generation == settings.generation {
            return;
        }
        self.generation = settings.generation;
        self.minor_versions.clone_from(&settings.minor_versions);
        self.rules = Some(Rules::from(&settings.policy));
        self.callers.set(settings);
        self.cross_origin.clone_from(&settings.cross_origin);
        self.replies.clear();
    }

    /// The headers that let the page behind a request read its answer.
    #[must_use]
    pub fn cross_origin(&self, head: &Head) -> Vec<Header> {
        cross_origin::headers(self.cross_origin.as_ref(), head.header("origin").as_deref())
    }

    fn hold(&mut self, image: ImageId, new: Held) -> Noticed {
        let newer = self.images.get(&image).is_none_or(|old| old.seq() <= new.seq());
        if newer {
            self.images.insert(image, new);
        }
        Noticed::Image(image)
    }

    /// A push was taken that changes no record (an outdated one, or an order to the store): its
    /// mark is reached.
    pub fn reach(&mut self, session: SessionId, number: PushNumber) {
        if !self.past.contains(&session) {
            self.begin_session(session);
            self.applied = self.applied.max(number);
        }
    }

    /// Forgets an image: it is unknown from here on.
    pub fn evict(&mut self, image: ImageId) {
        self.images.remove(&image);
    }

    /// Forgets every image, every caller and the lease: the control plane has another catalogue.
    pub fn clear(&mut self) {
        self.images.clear();
        self.callers.forget_all();
        self.replies.clear();
        self.lease_until = Millis(0);
    }

    /// Extends the lease; a lease never gets shorter.
    pub fn grant_lease(&mut self, until: Millis) {
        self.lease_until = self.lease_until.max(until);
    }

    /// Whether new downloads may begin at all.
    #[must_use]
    pub fn leased(&self, now: Millis) -> bool {
        now < self.lease_until
    }

    /// What is known of an image.
    #[must_use]
    pub fn lookup(&self, image: ImageId, now: Millis) -> Lookup {
        match self.images.get(&image) {
            None => Lookup::Unknown,
            Some(_) if !self.leased(now) => Lookup::Stale,
            Some(Held::Absent { .. }) => Lookup::Absent,
            Some(Held::Known(image)) => Lookup::Known(Arc::clone(image)),
        }
    }

    /// Who sends a request.
    #[must_use]
    pub fn who(&self, head: &Head) -> Who {
        self.callers.who(head)
    }

    /// The headers of a request that say who sends it.
    #[must_use]
    pub fn identity_headers(&self, head: &Head) -> Vec<Header> {
        self.callers.headers_of(head)
    }

    /// Whether it is known who this is.
    #[must_use]
    pub fn knows(&self, who: Who, now: Millis) -> bool {
        self.callers.get(who, now).is_some()
    }

    /// What is known of a caller and an image, now. `None` is an image that cannot exist.
    #[must_use]
    pub fn sight(&self, who: Who, image: Option<ImageId>, now: Millis) -> Sight<'_> {
        Sight {
            caller: self.callers.get(who, now).map(AsRef::as_ref),
            image: image.map_or(Lookup::Absent, |image| self.lookup(image, now)),
            rules: self.rules.as_ref(),
        }
    }

    /// The name under which the reply to a request is kept; `None` for one whose reply is not.
    #[must_use]
    pub fn reply_key(&self, head: &Head, who: Who) -> Option<ReplyKey> {
        ReplyKey::of(head, who, &self.callers)
    }

    /// A reply to give again, and the image it shows.
    pub fn kept(
        &mut self,
        key: ReplyKey,
        now: Millis,
    ) -> Option<(Arc<KeptReply>, Option<ImageId>)> {
        if !self.leased(now) {
            return None;
        }
        let Self { images, callers, generation, replies, .. } = self;
        replies.get(key, now, |grounds| {
            let image = grounds
                .image
                .as_ref()
                .is_none_or(|(image, then)| is_same(then, images.get(image).and_then(Held::known)));
            let caller = grounds
                .caller
                .as_ref()
                .is_none_or(|(key, then)| is_same(then, callers.get(Who::Caller(*key), now)));
            image && caller && *generation == grounds.generation
        })
    }

    /// Keeps a reply, if all that it depends on stands here as it stood when it was made.
    pub fn keep(&mut self, key: ReplyKey, who: Who, keep: &Keep, reply: KeptReply, now: Millis) {
        if let Some(grounds) = self.grounds(who, keep, now) {
            self.replies.keep(key, reply, grounds, now);
        }
    }

    fn grounds(&self, who: Who, keep: &Keep, now: Millis) -> Option<Grounds> {
        (self.generation == keep.generation).then_some(())?;
        let image = match &keep.image {
            None => None,
            Some(text) => {
                let image = ImageId::from_bytes(text).ok()?;
                // A record of a later change than the reply knows of would hide that change for
                // ever: no push about it comes any more.
                let held = self.images.get(&image).and_then(Held::known)?;
                (held.seq.0 <= keep.as_of).then_some(())?;
                Some((image, Arc::downgrade(held)))
            }
        };
        let caller = match who {
            Who::Caller(key) if keep.caller => {
                Some((key, Arc::downgrade(self.callers.get(who, now)?)))
            }
            _ => None,
        };
        Some(Grounds { generation: keep.generation, image, caller })
    }

    /// Whether the writer of an epoch may go on.
    ///
    /// An epoch is the number of the change that opened it, so a record older than it does not know
    /// of it yet and says nothing.
    #[must_use]
    pub fn writer(&self, image: ImageId, epoch: Epoch) -> Writer {
        match self.images.get(&image) {
            Some(held) if held.seq().0 < epoch.0 => Writer::Open,
            None => Writer::Open,
            Some(Held::Absent { .. }) => Writer::Closed,
            Some(Held::Known(image)) if image.epoch == epoch => Writer::Open,
            Some(Held::Known(_)) => Writer::Closed,
        }
    }

    /// Whether everything up to a mark is in force here.
    ///
    /// A mark of a past session is reached when the present one is current: whatever that session
    /// had pushed was pushed again. A mark of a session this view has not heard of is not reached
    /// yet: its pushes come on another stream than its answers.
    #[must_use]
    pub fn reached(&self, mark: Mark) -> bool {
        let session = SessionId(mark.session);
        mark.number == 0
            || (self.session == Some(session) && self.applied.0 >= mark.number)
            || (self.past.contains(&session) && self.current)
    }

    /// The minor versions of `/v2.N` that this deployment answers.
    #[must_use]
    pub fn minor_versions(&self) -> &[u16] {
        &self.minor_versions
    }

    /// How many images are held, absent ones included.
    #[must_use]
    pub fn held(&self) -> usize {
        self.images.len()
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
