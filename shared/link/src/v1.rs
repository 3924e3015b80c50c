//! Version 1 of what crosses the link. Frozen once released: a change is a new module beside this
//! one, with a conversion.
//!
//! Ids and enums of [`glint_image`] travel as plain bytes and text and are parsed once on arrival
//! (`replica`, `server`).

#![allow(
    missing_docs,
    reason = "the twins that rkyv derives have no text of their own; the types here all have"
)]

use rkyv::{Archive, Deserialize, Serialize};

/// The number of this version.
pub const VERSION: u16 = 1;

/// First frame of a session, data plane → control plane.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Oldest and newest wire version the sender speaks.
    pub versions: (u16, u16),
    /// The node's lasting id.
    pub node: [u8; 16],
    /// New at every start of the node's process: uploads of an older incarnation are dead.
    pub incarnation: u64,
    /// The catalogue whose state the node still holds, if any. Another catalogue means: hold
    /// nothing of it.
    pub catalogue: Option<[u8; 16]>,
    /// Which runtime and bulk engine run, for the operator.
    pub engine: String,
}

/// Answer to [`Hello`].
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// The session begins.
    Accepted {
        /// The version both speak from here on.
        version: u16,
        /// This session's number; every push carries it.
        session: u64,
        /// Identity of the database behind the control plane.
        catalogue: [u8; 16],
        /// How long one lease lasts, in milliseconds.
        lease_ms: u64,
    },
    /// No common version, or the node is not wanted; the text says why.
    Refused {
        /// For the operator's log.
        reason: String,
    },
}

/// Data plane → control plane on the session stream, after the hello.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum ToControl {
    /// The records the node still holds, in pieces; `last` ends the list. Follows every welcome and
    /// every reset.
    Hold {
        /// The session this list belongs to.
        session: u64,
        /// How many entries earlier pieces of this list held: a missing piece is noticed, not taken
        /// for a shorter list.
        from: u32,
        /// Ids with the change they were last pushed at.
        images: Vec<Held>,
        /// Whether the list is complete.
        last: bool,
    },
    /// Everything up to this push is in force on every shard of the node.
    Applied {
        /// The session.
        session: u64,
        /// The newest push in force.
        through: u64,
    },
    /// Asks for a lease. The lease runs from the moment this was sent, by the sender's clock.
    Ping {
        /// The session.
        session: u64,
        /// Names this ping in the answer.
        nonce: u64,
    },
    /// The node no longer holds these records; pushes about them may stop.
    Forget {
        /// The session.
        session: u64,
        /// The newest push taken when they were dropped: a later push about one of them takes the
        /// image up again.
        through: u64,
        /// Image ids (36 ASCII bytes each).
        images: Vec<[u8; 36]>,
    },
    /// A push is missing: start over.
    Resync {
        /// The session.
        session: u64,
    },
}

/// One held record in [`ToControl::Hold`].
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Image id (36 ASCII bytes).
    pub image: [u8; 36],
    /// The outbox number of the record the node holds.
    pub seq: u64,
}

/// Control plane → data plane on the session stream, after the welcome.
#[allow(clippy::large_enum_variant, reason = "nearly all of these are pushes, and none lives long")]
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum ToData {
    /// A change of state.
    Push {
        /// The session.
        session: u64,
        /// Its place in the session, from 1.
        number: u64,
        /// What changed.
        body: Push,
    },
    /// Answer to a ping. `lease_ms` 0: no lease now, the view is not known to be current.
    Pong {
        /// The ping's name.
        nonce: u64,
        /// Length of the lease, from when the ping was sent, in milliseconds.
        lease_ms: u64,
    },
    /// The session starts over under a new number: send `Hold` again; pushes count from 1 again.
    Reset {
        /// The new session number.
        session: u64,
    },
}

/// What a push changes.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// The image is now so.
    Image(ImageRecord),
    /// There is no such image (never was, or it is deleted).
    Absent {
        /// Image id.
        image: [u8; 36],
        /// The outbox number as of which this is true.
        seq: u64,
    },
    /// The settings in force from here on. Under another generation than the one before, every
    /// caller and every kept reply is forgotten.
    Settings(Settings),
    /// What one caller may do.
    Caller(Caller),
    /// Remove bytes that no row refers to any more, then ask `Reclaimed`.
    Reclaim(Reclaim),
    /// All records of the `Hold` list have been sent: from here the view is current.
    Current,
}

/// Settings pushed by the control plane, so that only it reads them.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// New with every change of the settings and every start of a control plane. What was decided
    /// under one counts for nothing under another.
    pub generation: u64,
    /// Minor versions of `/v2.N` that this deployment answers.
    pub minor_versions: Vec<u16>,
    /// The headers that say who the caller is, in lower case. Callers who send the same values in
    /// all of them are one caller.
    pub identity_headers: Vec<String>,
    /// What everybody may do, where nobody authenticates; then no caller is ever asked about.
    pub everybody: Option<Grant>,
    /// The rules by which downloads are admitted.
    pub policy: Policy,
    /// Which pages of other origins may read answers that data planes give by themselves.
    pub cross_origin: Option<CrossOrigin>,
}

/// What the `cors` filter adds to answers (`oslo_middleware/cors.py`).
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CrossOrigin {
    /// Origins as browsers spell them; `*` is any.
    pub allowed: Vec<String>,
    /// Whether cookies and the like may be sent.
    pub credentials: bool,
    /// The names of headers that may be read, with commas between them.
    pub exposed: String,
}

/// The part of the policy that decides on downloads.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rules `download_image` and `get_image` with all that they refer to.
    pub rules: Vec<PolicyRule>,
    /// The rule that stands in for missing ones.
    pub default_rule: String,
    /// The attributes of images that the rules compare and that records carry for them only.
    pub attributes: Vec<String>,
}

/// One rule as it is in force.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Its name.
    pub name: String,
    /// What it says.
    pub text: PolicyText,
}

/// A rule as written.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum PolicyText {
    /// In the policy language.
    Text(String),
    /// As a list of alternatives, each a list of checks that must all hold.
    List(Vec<Vec<String>>),
}

/// What is known of one caller.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name under which the data plane asked: nobody else can tell what it stands for.
    pub key: [u8; 32],
    /// The generation of the settings under which this was decided.
    pub generation: u64,
    /// What the caller may do; `None`: not to be let in.
    pub grant: Option<Grant>,
    /// How long this holds, in milliseconds from when it is taken.
    pub valid_ms: u64,
}

/// What a caller is to the rules.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Whether the caller is an administrator.
    pub is_admin: bool,
    /// Whether the rules for images apply to the scope of the caller's token. If not, they refuse.
    pub in_scope: bool,
    /// The caller's project.
    pub project: Option<String>,
    /// What the rules may compare.
    pub credentials: Vec<Attribute>,
}

/// A named value that rules compare.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: AttributeValue,
}

/// A value as the policy language knows it.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// An order to remove bytes.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Reclaim {
    /// Names the order in `Ask::Reclaimed`.
    pub order: u64,
    /// The image whose bytes they were.
    pub image: [u8; 36],
    /// Where they lie.
    pub location: Location,
}

/// What a data plane knows of an image: what it takes to admit a download and find the bytes. No
/// more.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// Image id.
    pub image: [u8; 36],
    /// The outbox number as of which this is true.
    pub seq: u64,
    /// Status as the database spells it. Unknown text serves nothing.
    pub status: String,
    /// Visibility as the database spells it. Unknown text counts as private.
    pub visibility: String,
    /// Owning project.
    pub owner: Option<String>,
    /// Project ids of all members, whatever their status (a pending member may download).
    pub members: Vec<String>,
    /// Size in bytes, once known.
    pub size_bytes: Option<u64>,
    /// Hexadecimal MD5, once known.
    pub checksum: Option<String>,
    /// Epoch of the open upload, 0 if none.
    pub epoch: u64,
    /// Where the bytes lie, best first.
    pub locations: Vec<Location>,
    /// Those of [`Policy::attributes`] that the image has.
    pub attributes: Vec<Attribute>,
}

/// A place where bytes lie.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Store id; empty without `enabled_backends`.
    pub store: String,
    /// The URL of `image_locations.value`.
    pub url: String,
}

/// A header, as received or to be sent; values are bytes, not always text.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Lower-case name.
    pub name: String,
    /// Value without surrounding blanks.
    pub value: Vec<u8>,
}

/// A request as the data plane parsed it: the one parse there is.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Method, as sent.
    pub method: String,
    /// Path of the request target as sent (percent-encoded), without the query.
    pub path: String,
    /// Query as sent, without the question mark.
    pub query: Option<String>,
    /// All headers but the hop-by-hop ones.
    pub headers: Vec<Header>,
    /// The id under which both planes log this request.
    pub request_id: String,
    /// Client address, for logs.
    pub peer: String,
}

/// A question to the control plane; one stream each.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Subscribe to an image; its record, or its absence, is pushed.
    Resolve {
        /// Image id.
        image: [u8; 36],
    },
    /// Who is the caller who sends these headers? What comes of it is pushed.
    Identify {
        /// The name under which to push it.
        key: [u8; 32],
        /// Those of [`Settings::identity_headers`] that the request has.
        headers: Vec<Header>,
    },
    /// May this caller upload to this image, and under which epoch?
    Reserve {
        /// Image id.
        image: [u8; 36],
        /// The upload request; identity, store choice and content type are in its headers.
        head: RequestHead,
        /// Length of the body if known: Content-Length.
        size_bytes: Option<u64>,
    },
    /// The bytes are durable under their final name: make the image active.
    Commit {
        /// Image id.
        image: [u8; 36],
        /// Epoch of the reservation.
        epoch: u64,
        /// How many bytes.
        size_bytes: u64,
        /// MD5 of the bytes.
        md5: [u8; 16],
        /// SHA-512 of the bytes.
        sha512: [u8; 64],
        /// Where they lie.
        location: Location,
    },
    /// The upload failed: back to queued.
    Abort {
        /// Image id.
        image: [u8; 36],
        /// Epoch of the reservation.
        epoch: u64,
    },
    /// What became of an epoch? Asked by start-up recovery and after a lost commit answer.
    Outcome {
        /// Image id.
        image: [u8; 36],
        /// Epoch.
        epoch: u64,
    },
    /// The bytes of an order are gone, durably.
    Reclaimed {
        /// The order.
        order: u64,
    },
    /// Any other request; the body follows in [`Piece`]s.
    Relay {
        /// The request.
        head: RequestHead,
        /// The name under which to push what is known of the caller, if the reply may be kept and
        /// the node does not know already.
        caller: Option<[u8; 32]>,
    },
}

/// The answer to an ask.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Look once this push is in force. Answers `Resolve`.
    Resolved {
        /// Session and push number to wait for.
        at: Mark,
    },
    /// Look once this push is in force. Answers `Identify`.
    Identified {
        /// Session and push number to wait for.
        at: Mark,
    },
    /// The upload may begin. Answers `Reserve`.
    Reserved {
        /// The fencing number of this upload.
        epoch: u64,
        /// Stop at the first byte over this many.
        size_bytes_max: u64,
        /// Store to write to; empty without `enabled_backends`.
        store: String,
        /// Session and push number to wait for.
        at: Mark,
    },
    /// The image is active. Answers `Commit`; also when it was committed before.
    Committed {
        /// Session and push number to wait for.
        at: Mark,
    },
    /// The epoch is closed: the image was deleted or the upload given up. Answers `Commit`.
    Fenced,
    /// The epoch is closed and the image queued again, or it was already. Answers `Abort`.
    Aborted,
    /// Answers `Outcome`.
    Outcome(Outcome),
    /// Answers `Reclaimed`.
    Noted,
    /// Head of the response; the body follows in [`Piece`]s. Answers `Relay`.
    Relayed {
        /// HTTP status code.
        status: u16,
        /// Response headers in order, without framing ones.
        headers: Vec<Header>,
        /// Send it once this push is in force.
        at: Mark,
        /// On what condition it may be given again.
        keep: Option<Keep>,
    },
    /// No, with the response to give; the body is complete. Answers `Reserve`, and `Commit` where
    /// the bytes turn out to be too many: then the epoch is closed as with `Fenced`.
    Refused {
        /// HTTP status code.
        status: u16,
        /// Response headers.
        headers: Vec<Header>,
        /// Response body.
        body: Vec<u8>,
    },
    /// The control plane cannot decide now (database away, overload): 503 for the client, try again
    /// for a machine.
    Unavailable {
        /// For the log.
        reason: String,
    },
}

/// What a reply that may be given again depends on, besides the request itself.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The image it shows. It stands while no push about the image comes; it is kept only where
    /// the record held is of a change up to `as_of`.
    pub image: Option<[u8; 36]>,
    /// Every change up to here is in the reply.
    pub as_of: u64,
    /// Whether it depends on who asks.
    pub caller: bool,
    /// The generation of the settings under which it was made.
    pub generation: u64,
}

/// A point in a session.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The session.
    pub session: u64,
    /// The push number in it; 0 = nothing to wait for.
    pub number: u64,
}

/// What became of an upload's epoch.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still open: its writer may go on.
    Open,
    /// The image became active by it: the bytes belong to it.
    Committed,
    /// Closed without effect: its bytes are garbage.
    Dead,
}

/// A piece of a body on an ask's stream.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes, at most `RELAY_PIECE_BYTES`.
    pub bytes: Vec<u8>,
    /// Whether the body ends here.
    pub last: bool,
}
