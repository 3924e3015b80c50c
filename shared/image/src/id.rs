//! Identifiers and counters, each a type of its own so that none can stand for another.

use std::fmt;
use uuid::Uuid;

/// An image id: 36 characters of a UUID, its letters in the case the caller gave.
///
/// Glance keeps the case as given and compares ids as text, so two spellings of one UUID are two
/// images (`glance/schema.py`, the `id` pattern of the image schema). Paths are built from this
/// value only, never from raw text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId([u8; ImageId::LEN]);

/// The text is not a UUID of 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of 36 characters")]
pub struct NotAnImageId;

impl ImageId {
    /// Length of the text in bytes.
    pub const LEN: usize = 36;

    /// Reads an id from its text form.
    ///
    /// # Errors
    /// [`NotAnImageId`] unless the text is 8-4-4-4-12 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, NotAnImageId> {
        Self::from_bytes(text.as_bytes())
    }

    /// Reads an id from the bytes of its text form, as they come off a wire.
    ///
    /// # Errors
    /// [`NotAnImageId`] as for [`ImageId::parse`].
    pub fn from_bytes(text: &[u8]) -> Result<Self, NotAnImageId> {
        let bytes: [u8; Self::LEN] = text.try_into().map_err(|_| NotAnImageId)?;
        let valid = bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if valid { Ok(Self(bytes)) } else { Err(NotAnImageId) }
    }

    /// A fresh random (version 4) id.
    #[must_use]
    pub fn random() -> Self {
        let mut text = [0; Self::LEN];
        Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(text)
    }

    /// The text form, 36 ASCII characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits, letters and dashes were let in")
    }

    /// The bytes of the text form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A data-plane node's lasting name, kept in its state directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 16]);

impl NodeId {
    /// A fresh random name.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// Reads the 32-digit text form that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(|uuid| Self(uuid.into_bytes()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Uuid::from_bytes(self.0).simple())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request's id as it stands in `x-openstack-request-id`: what the caller sent (with `req-` in
/// front), or a new one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// A fresh `req-<uuid4>`.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("req-{}", Uuid::new_v4()))
    }

    /// Adopts what a caller sent. `None` where it is longer than
    /// [`crate::limits::REQUEST_ID_BYTES_MAX`], empty, or holds anything but visible ASCII (it is
    /// written to logs and sent back in a header).
    #[must_use]
    pub fn adopt(given: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(given).ok()?;
        let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || text.len() > crate::limits::REQUEST_ID_BYTES_MAX {
            return None;
        }
        Some(Self(if text.starts_with("req-") { text.to_owned() } else { format!("req-{text}") }))
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("a 64-bit counter outlives the service"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

counter!(
    /// The place of a change in the catalogue's outbox: taken from one counter row, so numbers
    /// never commit out of order.
    Seq
);
counter!(
    /// The fencing number of one attempt to write an image's bytes: the [`Seq`] of the change that
    /// reserved it. A writer whose epoch is no longer the image's open one can change nothing.
    Epoch
);
counter!(
    /// One link session between a data plane and a control plane. Numbers of different control
    /// planes are unrelated.
    SessionId
);
counter!(
    /// The place of a push within its session, from 1 without gaps.
    PushNumber
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_case_and_nothing_else_gets_in() {
        let check =
            |text: &str, good: bool| assert_eq!(ImageId::parse(text).is_ok(), good, "{text}");
        check("71c675ab-d94f-49cd-a114-e12490b328d9", true);
        check("71C675AB-D94F-49CD-A114-E12490B328D9", true);
        check("71c675abd94f49cda114e12490b328d9", false);
        check("71c675ab-d94f-49cd-a114-e12490b328dg", false);
        check("../../../../../../../../etc/passwd-x", false);
        check("", false);
        let upper = ImageId::parse("71C675AB-D94F-49CD-A114-E12490B328D9").expect("a UUID");
        assert_eq!(upper.as_str(), "71C675AB-D94F-49CD-A114-E12490B328D9");
    }

    #[test]
    fn request_ids_gain_a_prefix_and_refuse_what_would_break_a_log_line() {
        let check = |given: &[u8], expected: Option<&str>| {
            assert_eq!(RequestId::adopt(given).as_ref().map(RequestId::as_str), expected);
        };
        check(b"req-abc", Some("req-abc"));
        check(b"abc", Some("req-abc"));
        check(b"a\nb", None);
        check(b"", None);
        check(&[b'a'; 80], None);
    }
}
