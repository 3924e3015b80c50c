//! `glint manage`, and `glance-manage` for who calls the binary by that name: Glance's command line
//! for its database.
//!
//! Words, codes and flags are those of `glance/cmd/manage.py`; what is done stands in
//! `controlplane-db`. Unlike Glance's, `--config-file` and `--config-dir` may stand anywhere. There
//! is no default database: an operator's command acts on the one a configuration names.

mod database;
mod metadefs;

use crate::cli::Source;
use crate::configuration;
use crate::exit::Failure;
use crate::logging;
use clap::{Args, Subcommand};
use controlplane_db::{ConnectError, DatabaseError};
use std::io::Write;
use std::path::PathBuf;

/// The release whose commands these are.
const GLANCE: &str = "33.0.0";

/// `glint manage`.
#[derive(Clone, Debug, Args)]
#[command(disable_version_flag = true, disable_help_subcommand = true)]
pub(crate) struct Manage {
    /// Configuration file in Glance's format; may be repeated, later ones win
    #[arg(long, value_name = "PATH")]
    config_file: Vec<PathBuf>,
    /// Directory whose *.conf files are read in alphabetical order; may be repeated
    #[arg(long, value_name = "DIR")]
    config_dir: Vec<PathBuf>,
    /// Log in detail
    #[arg(long, short)]
    debug: bool,
    /// Print the version of Glance whose commands these are
    #[arg(long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Category>,
    /// Files and directories together, as the command line orders them.
    #[arg(skip)]
    pub(crate) sources: Vec<Source>,
}

/// What to look after, and the older spellings of it.
#[derive(Clone, Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Category {
    /// The database
    Db {
        #[command(subcommand)]
        action: Option<Action>,
    },
    #[command(hide = true)]
    DbVersion,
    #[command(hide = true)]
    DbUpgrade { version: Option<String> },
    #[command(hide = true)]
    DbVersionControl { version: Option<String> },
    #[command(hide = true)]
    DbSync { version: Option<String> },
    #[command(hide = true)]
    DbExpand,
    #[command(hide = true)]
    DbContract,
    #[command(hide = true)]
    DbMigrate,
    #[command(hide = true)]
    DbCheck,
    #[command(hide = true)]
    DbLoadMetadefs {
        path: Option<String>,
        merge: Option<String>,
        prefer_new: Option<String>,
        overwrite: Option<String>,
    },
    #[command(hide = true)]
    DbUnloadMetadefs,
    #[command(hide = true)]
    DbExportMetadefs { path: Option<String> },
}

/// What to do with the database.
#[derive(Clone, Debug, Subcommand)]
#[command(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Report any pending database upgrades.
    Check,
    /// Run the contraction phase of a database migration.
    Contract,
    /// Run the expansion phase of a database migration.
    Expand,
    /// Export metadefinitions data from database to files
    ExportMetadefs(Export),
    /// Load metadefinition json files to database
    LoadMetadefs(Load),
    /// Run the data migration phase of a database migration.
    Migrate,
    /// Purge deleted rows older than a given age from glance tables.
    Purge(Purge),
    /// Purge deleted rows older than a given age from images table.
    PurgeImagesTable(Purge),
    /// Perform a complete (offline) database migration
    Sync(Version),
    /// Unload metadefinitions from database
    UnloadMetadefs,
    /// Upgrade the database's migration level
    Upgrade(Version),
    /// Print database's current migration level
    Version,
    /// Place a database under migration control
    VersionControl(Version),
}

/// A revision, as a flag or by itself.
#[derive(Clone, Debug, Args)]
pub(crate) struct Version {
    /// Database version
    #[arg(long = "version", value_name = "version", conflicts_with = "place")]
    flag: Option<String>,
    #[arg(hide = true)]
    place: Option<String>,
}

/// How old and how many.
#[derive(Clone, Debug, Args)]
pub(crate) struct Purge {
    /// Purge deleted rows older than age in days
    #[arg(long = "age_in_days", allow_negative_numbers = true, conflicts_with = "age_place")]
    age_in_days: Option<i64>,
    /// Limit number of records to delete. All deleted rows will be purged if equals -1.
    #[arg(long = "max_rows", allow_negative_numbers = true, conflicts_with = "rows_place")]
    max_rows: Option<i64>,
    #[arg(hide = true, allow_negative_numbers = true)]
    age_place: Option<String>,
    #[arg(hide = true, allow_negative_numbers = true)]
    rows_place: Option<String>,
}

/// Which files to load, and what becomes of namespaces that are there.
#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    /// Path to the directory or file where json metadata is stored
    #[arg(long, value_name = "path", conflicts_with = "path_place")]
    path: Option<String>,
    /// Merge files with data that is in the database. By default it prefers existing data over new.
    /// This logic can be changed by combining --merge option with one of these two options:
    /// --prefer_new or --overwrite.
    #[arg(long)]
    merge: bool,
    /// Prefer new metadata over existing. Existing metadata might be overwritten. Needs to be
    /// combined with --merge option.
    #[arg(long = "prefer_new")]
    prefer_new: bool,
    /// Drop and rewrite metadata. Needs to be combined with --merge option
    #[arg(long)]
    overwrite: bool,
    #[arg(hide = true)]
    path_place: Option<String>,
}

/// Where to write files.
#[derive(Clone, Debug, Args)]
pub(crate) struct Export {
    /// Path to the directory where json metadata files should be saved.
    #[arg(long, value_name = "path", conflicts_with = "path_place")]
    path: Option<String>,
    #[arg(hide = true)]
    path_place: Option<String>,
}

/// The actions as `glance-manage db` lists them.
const ACTIONS: [(&str, &str); 13] = [
    ("check", "Report any pending database upgrades."),
    ("contract", "Run the contraction phase of a database migration."),
    ("expand", "Run the expansion phase of a database migration."),
    ("export_metadefs", "Export metadefinitions data from database to files"),
    ("load_metadefs", "Load metadefinition json files to database"),
    ("migrate", "Run the data migration phase of a database migration."),
    ("purge", "Purge deleted rows older than a given age from glance tables."),
    ("purge_images_table", "Purge deleted rows older than a given age from images table."),
    ("sync", "Perform a complete (offline) database migration"),
    ("unload_metadefs", "Unload metadefinitions from database"),
    ("upgrade", "Upgrade the database's migration level"),
    ("version", "Print database's current migration level"),
    ("version_control", "Place a database under migration control"),
];

/// Runs the command to its end.
pub(crate) fn run(flags: Manage) -> Result<(), Failure> {
    if flags.version {
        say(GLANCE);
        return Ok(());
    }
    let Some(category) = flags.command else {
        say("glance-manage category action [<args>]");
        say("Available categories:\n\tdb");
        return Err(Failure::said(2));
    };
    let Some(action) = category.action() else {
        say("Available actions for 'db':");
        for (action, what) in ACTIONS {
            say(&format!("\t{action} - {what}"));
        }
        return Err(Failure::said(2));
    };
    let settings = configuration::for_manage(&flags.sources)?;
    logging::start(flags.debug || settings.debug);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system(format!("cannot start: {error}")))?;
    runtime.block_on(database::run(&action, &settings))
}

// === impl Category ===

impl Category {
    /// The action, however it was spelled.
    fn action(self) -> Option<Action> {
        let version = |place| Version { flag: None, place };
        Some(match self {
            Self::Db { action } => return action,
            Self::DbVersion => Action::Version,
            Self::DbUpgrade { version: given } => Action::Upgrade(version(given)),
            Self::DbVersionControl { version: given } => Action::VersionControl(version(given)),
            Self::DbSync { version: given } => Action::Sync(version(given)),
            Self::DbExpand => Action::Expand,
            Self::DbContract => Action::Contract,
            Self::DbMigrate => Action::Migrate,
            Self::DbCheck => Action::Check,
            // By place any text says yes, as in Glance.
            Self::DbLoadMetadefs { path, merge, prefer_new, overwrite } => {
                let yes = |text: Option<String>| text.is_some_and(|text| !text.is_empty());
                let [merge, prefer_new, overwrite] = [merge, prefer_new, overwrite].map(yes);
                Action::LoadMetadefs(Load { path, merge, prefer_new, overwrite, path_place: None })
            }
            Self::DbUnloadMetadefs => Action::UnloadMetadefs,
            Self::DbExportMetadefs { path } => {
                Action::ExportMetadefs(Export { path, path_place: None })
            }
        })
    }
}

// === impl Version ===

impl Version {
    fn given(&self) -> Option<&str> {
        self.flag.as_deref().or(self.place.as_deref())
    }
}

// === impl Load ===

impl Load {
    fn path(&self) -> Option<&str> {
        self.path.as_deref().or(self.path_place.as_deref()).filter(|path| !path.is_empty())
    }
}

// === impl Export ===

impl Export {
    fn path(&self) -> Option<&str> {
        self.path.as_deref().or(self.path_place.as_deref()).filter(|path| !path.is_empty())
    }
}

/// A line for who called.
fn say(line: &str) {
    // With standard output gone there is nobody to tell; the code still says it.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Code 1 and Glance's sentence, which stands by itself.
fn refused(sentence: impl std::fmt::Display) -> Failure {
    Failure::command(1, sentence)
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        refused(format!("ERROR: {error}"))
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        refused(format!("ERROR: {error}"))
    }
}
