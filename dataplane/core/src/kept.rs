//! Replies to reads that may be given again, byte for byte.
//!
//! Which replies those are, the control plane says ([`wire::Keep`]); whether what they depend on
//! still stands, the view. Invariants: a reply is found only by a request that is the same in all
//! that can shape an answer; it stands only while the very record, caller and policy stand under
//! which it was kept, and for a bounded time; and all replies together are bounded by bytes.

use crate::body::Framing;
use crate::caller::{CallerKey, Callers, Who};
use crate::head::Head;
use crate::second_chance::SecondChance;
use crate::time::Millis;
use crate::view::ImageView;
use glint_image::ImageId;
use glint_image::limits::{KEPT_REPLIES_BYTES_MAX, KEPT_REPLY_BYTES_MAX, KEPT_REPLY_MS_MAX};
use glint_link::wire::{Caller, Header};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Weak};

/// Headers that shape no answer. All others do, as far as is known here.
const SHAPELESS: [&str; 11] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-forwarded-for",
    "x-openstack-request-id",
    "x-real-ip",
    "x-request-id",
];

/// The name of a request that may have a kept reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReplyKey([u8; 32]);

/// A reply as the control plane made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptReply {
    /// HTTP status code.
    pub status: u16,
    /// Response headers. The request id among them is that of the first request.
    pub headers: Vec<Header>,
    /// Response body.
    pub body: Vec<u8>,
}

/// What a reply depends on, as it was when it was kept. Whatever is replaced is another object, so
/// nothing has to be compared.
#[derive(Debug)]
pub(crate) struct Grounds {
    pub(crate) generation: u64,
    pub(crate) image: Option<(ImageId, Weak<ImageView>)>,
    pub(crate) caller: Option<(CallerKey, Weak<Caller>)>,
}

#[derive(Debug)]
struct Entry {
    reply: Arc<KeptReply>,
    grounds: Grounds,
    until: Millis,
}

/// The replies one shard keeps.
#[derive(Debug)]
pub(crate) struct Replies {
    entries: SecondChance<ReplyKey, Entry>,
}

// === impl ReplyKey ===

impl ReplyKey {
    /// The key of a request; `None` for one whose reply is never kept.
    pub(crate) fn of(head: &Head, who: Who, callers: &Callers) -> Option<Self> {
        let bodiless = matches!(head.framing, Framing::None | Framing::Length(0));
        if head.method != "GET" || !bodiless {
            return None;
        }
        let mut hash = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        put(callers.salt());
        match who {
            Who::Everybody => put(b""),
            Who::Caller(key) => put(&key.bytes()),
        }
        put(head.path.as_bytes());
        // No query and an empty one differ.
        put(&[u8::from(head.query.is_some())]);
        put(head.query.as_deref().unwrap_or_default().as_bytes());
        let shapeless = |name: &str| SHAPELESS.contains(&name) || callers.is_identity(name);
        for header in head.headers.iter().filter(|header| !shapeless(&header.name)) {
            put(header.name.as_bytes());
            put(&header.value);
        }
        Some(Self(hash.finalize().into()))
    }
}

// === impl KeptReply ===

impl KeptReply {
    fn bytes(&self) -> usize {
        const FIXED_BYTES: usize = 512;
        let header = |header: &Header| header.name.len() + header.value.len() + size_of::<Header>();
        FIXED_BYTES + self.body.len() + self.headers.iter().map(header).sum::<usize>()
    }
}

// === impl Replies ===

impl Replies {
    pub(crate) fn new() -> Self {
        Self { entries: SecondChance::new(KEPT_REPLIES_BYTES_MAX) }
    }

    pub(crate) fn keep(&mut self, key: ReplyKey, reply: KeptReply, grounds: Grounds, now: Millis) {
        let bytes = reply.bytes();
        if bytes <= KEPT_REPLY_BYTES_MAX {
            let until = now.after(KEPT_REPLY_MS_MAX);
            self.entries.insert(key, Entry { reply: Arc::new(reply), grounds, until }, bytes);
        }
    }

    /// The reply to give again, if `stand` says that its grounds do.
    pub(crate) fn get(
        &mut self,
        key: ReplyKey,
        now: Millis,
        stand: impl FnOnce(&Grounds) -> bool,
    ) -> Option<(Arc<KeptReply>, Option<ImageId>)> {
        let entry = self.entries.get(&key)?;
        if now >= entry.until || !stand(&entry.grounds) {
            self.entries.remove(&key);
            return None;
        }
        self.entries.touch(&key);
        let image = entry.grounds.image.as_ref().map(|(image, _)| *image);
        Some((Arc::clone(&entry.reply), image))
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// Whether this is the object that was there then.
pub(crate) fn is_same<T>(then: &Weak<T>, now: Option<&Arc<T>>) -> bool {
    now.is_some_and(|now| std::ptr::eq(then.as_ptr(), Arc::as_ptr(now)))
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
