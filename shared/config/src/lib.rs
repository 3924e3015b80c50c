//! oslo.config files, read as Glance reads them: sections, repeated keys, continuation lines,
//! `$substitution`, types.
//!
//! No IO: the caller reads the files, in the order the command line names them, and hands their
//! text over with [`Config::add_file`]. What it then asks is answered from that text and the option
//! table alone.
//!
//! Invariant: a value is looked at only when it is asked for, and a mistake in it names the file and
//! the line. Who would rather know all mistakes at once asks [`Config::faults`].

mod config;
mod ini;
pub mod options;
pub mod paste;
mod read;
mod review;
mod settings;
mod substitute;
mod value;

pub use config::{Config, FileError, Place, ValueError};
pub use ini::Syntax;
pub use options::{Item, Kind, OptionDef};
pub use read::Reader;
pub use review::{Effective, Unknown};
pub use settings::{ImportFilter, Settings, Unsafe};
pub use value::{BadValue, Value};
