//! The control plane's end of the link: sessions, asks, the publisher, reapers.
//!
//! Drives the machines of `glint-link` and calls `controlplane-api`; decides nothing itself. Leaves
//! certificates, addresses and the process around it to its caller. Invariant: the reply to a
//! restricting change goes out only when every data plane that may hold the record has confirmed
//! the change, or its lease has surely run out.
//!
//! ```text
//! connections ─ node ─────── replica::Publisher     one task per data plane
//!      │          ▲ feed
//!      │       catalogue ─── outbox                 one task
//!      └─ asks ── relay ──── controlplane_api       one task per ask
//!           └──── barriers ─ replica::Barrier
//! reapers, reclaimer, foreign                       one task each
//! ```

mod asks;
mod barriers;
mod bodies;
mod callers;
mod catalogue;
mod connections;
mod control;
mod foreign;
mod node;
mod plane;
mod policies;
mod reapers;
mod reclaimer;
mod record;
mod relay;
mod sessions;

pub use control::{Control, ControlOptions, StartError};
pub use policies::{PolicyError, PolicyFiles};
