//! `glint bench`: measures image servers against each other from outside, over plain HTTP/1.1.
//!
//! Every figure is taken in turns (A B A B …) so that a machine that slows down slows down for
//! both, and reported as the median with the spread of its rounds. Bytes are checked once a run: a
//! server that is fast with wrong bytes fails. It knows nothing of Glint's insides and names no
//! plane. It limits itself: time, bytes, connections.

mod cli;
mod cpu;
mod http;
mod load;
mod pattern;
mod report;
mod run;
mod stats;
mod target;
mod url;

pub use cli::Cli;
pub use run::{BenchError, run};
