//! Who asks: the name under which a caller is known here, and what is known of it.
//!
//! Deciding who a caller is, is left to the control plane, which is asked with the headers that
//! [`Settings::identity_headers`] names and pushes what came of it. Invariants: no token is kept
//! and none can be found from a [`CallerKey`], because a secret of this process goes into it; what
//! is known of a caller is forgotten after its time and under other settings.

use crate::head::Head;
use crate::second_chance::SecondChance;
use crate::time::Millis;
use glint_image::limits::{CALLER_MS_MAX, CALLERS_BYTES_MAX, REQUEST_ID_BYTES_MAX};
use glint_link::wire::{Attribute, AttributeValue, Caller, Grant, Header, Settings};
use glint_policy::{Attributes, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What a process mixes into its keys, so that they mean nothing elsewhere.
pub type Salt = [u8; 32];

/// The name of a caller: SHA-256 of the salt and of all headers that say who it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CallerKey(pub(crate) [u8; 32]);

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Nobody authenticates: everybody is alike.
    Everybody,
    /// This caller.
    Caller(CallerKey),
}

/// Credentials as rules look at them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials<'a>(pub(crate) &'a Grant);

/// The callers one shard knows.
#[derive(Debug)]
pub(crate) struct Callers {
    salt: Salt,
    identity_headers: Vec<String>,
    everybody: Option<Arc<Caller>>,
    known: SecondChance<CallerKey, Known>,
}

#[derive(Debug)]
struct Known {
    caller: Arc<Caller>,
    until: Millis,
}

// === impl CallerKey ===

impl CallerKey {
    /// The key as it crosses the link.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

// === impl Callers ===

impl Callers {
    /// Knows nobody. Until the settings come, everybody has to be asked about.
    pub(crate) fn new(salt: Salt) -> Self {
        let known = SecondChance::new(CALLERS_BYTES_MAX);
        Self { salt, identity_headers: Vec::new(), everybody: None, known }
    }

    /// Forgets everybody: other settings may name other callers, and mean others by them.
    pub(crate) fn set(&mut self, settings: &Settings) {
        self.known.clear();
        self.identity_headers.clone_from(&settings.identity_headers);
        self.everybody = settings.everybody.as_ref().map(|grant| {
            let grant = Some(grant.clone());
            Arc::new(Caller { key: [0; 32], generation: 0, grant, valid_ms: u64::MAX })
        });
    }

    /// Whether this header says who the caller is.
    pub(crate) fn is_identity(&self, name: &str) -> bool {
        self.identity_headers.iter().any(|known| known == name)
    }

    pub(crate) fn salt(&self) -> &Salt {
        &self.salt
    }

    pub(crate) fn who(&self, head: &Head) -> Who {
        if self.everybody.is_some() {
            return Who::Everybody;
        }
        let mut hash = Sha256::new();
        hash.update(self.salt);
        // One that is too long is a reason not to let the caller in
        // (`glance/api/middleware/context.py`).
        if let Some(header) = head.headers.iter().find(|header| is_long_request_id(header)) {
            hash.update(u64::MAX.to_le_bytes());
            hash.update((header.value.len() as u64).to_le_bytes());
            hash.update(&header.value);
        }
        // Name by name, so that the order in which a client sends them says nothing.
        for (index, name) in self.identity_headers.iter().enumerate() {
            for header in head.headers.iter().filter(|header| header.name == *name) {
                hash.update((index as u64).to_le_bytes());
                hash.update((header.value.len() as u64).to_le_bytes());
                hash.update(&header.value);
            }
        }
        Who::Caller(CallerKey(hash.finalize().into()))
    }

    /// The headers that say who the caller is.
    pub(crate) fn headers_of(&self, head: &Head) -> Vec<Header> {
        let says = |header: &&Header| self.is_identity(&header.name) || is_long_request_id(header);
        head.headers.iter().filter(says).cloned().collect()
    }

    pub(crate) fn hold(&mut self, caller: &Arc<Caller>, now: Millis) {
        let until = now.after(caller.valid_ms.min(CALLER_MS_MAX));
        let known = Known { caller: Arc::clone(caller), until };
        self.known.insert(CallerKey(caller.key), known, bytes_of(caller));
    }

    pub(crate) fn get(&self, who: Who, now: Millis) -> Option<&Arc<Caller>> {
        let key = match who {
            Who::Everybody => return self.everybody.as_ref(),
            Who::Caller(key) => key,
        };
        let known = self.known.get(&key).filter(|known| now < known.until)?;
        // Whoever is not let in may make room for those who are.
        if known.caller.grant.is_some() {
            self.known.touch(&key);
        }
        Some(&known.caller)
    }

    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
    }
}

fn is_long_request_id(header: &Header) -> bool {
    header.name == "x-openstack-request-id" && header.value.len() > REQUEST_ID_BYTES_MAX
}

/// About what a caller takes up, its share of the maps included.
fn bytes_of(caller: &Caller) -> usize {
    const FIXED_BYTES: usize = 512;
    let Some(grant) = &caller.grant else { return FIXED_BYTES };
    let project = grant.project.as_ref().map_or(0, String::len);
    FIXED_BYTES + project + grant.credentials.iter().map(attribute_bytes).sum::<usize>()
}

fn attribute_bytes(attribute: &Attribute) -> usize {
    let value = match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Texts(texts) => {
            texts.iter().map(|text| text.len() + size_of::<String>()).sum()
        }
        AttributeValue::None | AttributeValue::Bool(_) | AttributeValue::Int(_) => 0,
    };
    size_of::<Attribute>() + attribute.name.len() + value
}

// === impl Credentials ===

impl Attributes for Credentials<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        find(&self.0.credentials, name)
    }
}

/// The value of a named attribute, as the policy language knows it.
pub(crate) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<Value<'a>> {
    let found = attributes.iter().find(|attribute| attribute.name == name)?;
    Some(match &found.value {
        AttributeValue::None => Value::None,
        AttributeValue::Bool(yes) => Value::Bool(*yes),
        AttributeValue::Int(number) => Value::Int(*number),
        AttributeValue::Text(text) => Value::Text(text),
        AttributeValue::Texts(texts) => Value::Texts(texts),
    })
}

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;
