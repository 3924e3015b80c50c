//! oslo.config files, read as Glance reads them: sections, repeated keys, continuation lines,
//! `$substitution`, types.
//!
//! No IO: the caller reads the files, in the order the command line names them, and hands their
//! text over with [`Config::add_file`]. What it then asks is answered from that text and the option
//! table alone.
//!
//! Invariant: as in oslo.config a value is looked at only when it is asked for, so a mistake in an
//! option that nobody reads stops nothing, and a mistake in one that is read names the file and the
//! line.

mod config;
mod ini;
pub mod options;
pub mod paste;
mod read;
mod settings;
mod substitute;
mod value;

pub use config::{Config, FileError, Place, ValueError};
pub use ini::Syntax;
pub use options::{Item, Kind, OptionDef};
pub use read::Reader;
pub use settings::{ImportFilter, Settings, Unsafe};
pub use value::{BadValue, Value};
