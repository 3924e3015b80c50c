//! The nouns of an image service: ids, status and its legal transitions, visibility, digests,
//! faults and limits.
//!
//! Nothing here does IO, keeps state or knows of either plane. Values are parsed once, at the edge;
//! past the edge a value of one of these types is valid by construction.

pub mod accept;
pub mod digest;
pub mod fault;
pub mod id;
pub mod limits;
pub mod status;
pub mod visibility;

pub use digest::{Md5, Sha512};
pub use fault::{Fault, FaultShape};
pub use id::{Epoch, ImageId, NodeId, PushNumber, RequestId, Seq, SessionId};
pub use status::Status;
pub use visibility::Visibility;
