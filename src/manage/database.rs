//! What `glance-manage db` says and the code it ends with, action by action.
//!
//! Leaves the doing to `controlplane-db`. Results go to standard output, refusals to standard error
//! with code 1, and what was purged to the log, as in Glance.

use super::{Action, Purge, Version, metadefs, refused, say};
use crate::configuration::ManageSettings;
use crate::exit::Failure;
use controlplane_db::migrations::{MigrateError, Pending, Phase};
use controlplane_db::{PURGED, PurgeError, Upkeep, utc_now};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(86_400);

/// The revision that `version_control` writes when none is given (`ALEMBIC_INIT_VERSION`).
const FIRST: &str = "liberty";

/// Runs an action.
pub(super) async fn run(action: &Action, settings: &ManageSettings) -> Result<(), Failure> {
    // What needs no database is refused before one is opened.
    let purge = match action {
        Action::Purge(flags) => Some(Bounds::read(flags, 30)?),
        Action::PurgeImagesTable(flags) => Some(Bounds::read(flags, 180)?),
        _ => None,
    };
    let options = settings.database.as_ref().ok_or_else(|| {
        refused(
            "ERROR: No sql_connection parameter is established: name a file that sets [database] \
             connection with --config-file",
        )
    })?;
    let db = Upkeep::open(options).await?;
    let result = match (action, purge) {
        (Action::PurgeImagesTable(_), Some(bounds)) => {
            purge_tables(&db, &[controlplane_db::Purge::Images], &bounds).await
        }
        (_, Some(bounds)) => purge_tables(&db, &PURGED, &bounds).await,
        (action, None) => act(&db, action, &settings.metadata_source_path).await,
    };
    db.close().await;
    result
}

async fn act(db: &Upkeep, action: &Action, metadefs_at: &str) -> Result<(), Failure> {
    match action {
        Action::Version => version(db).await,
        Action::Check => check(db).await,
        Action::Sync(_) => sync(db).await,
        Action::Upgrade(target) => upgrade(db, target).await,
        Action::VersionControl(target) => version_control(db, target).await,
        Action::Expand => {
            rolling(db)?;
            say_expanded(&db.expand().await.map_err(untold)?);
            Ok(())
        }
        Action::Migrate => {
            rolling(db)?;
            say_migrated(&db.migrate().await.map_err(|error| too_early(error, "Data migration"))?);
            Ok(())
        }
        Action::Contract => {
            rolling(db)?;
            say_contracted(
                &db.contract().await.map_err(|error| too_early(error, "Database contraction"))?,
            );
            Ok(())
        }
        Action::LoadMetadefs(flags) => metadefs::load(db, flags, metadefs_at).await,
        Action::UnloadMetadefs => metadefs::unload(db).await,
        Action::ExportMetadefs(flags) => metadefs::export(db, flags, metadefs_at).await,
        Action::Purge(_) | Action::PurgeImagesTable(_) => unreachable!("purging has bounds"),
    }
}

async fn version(db: &Upkeep) -> Result<(), Failure> {
    let heads = db.heads().await?;
    for head in &heads {
        say(head);
    }
    if heads.is_empty() {
        say("Database is either not under migration control or under legacy migration control, \
             please run \"glance-manage db sync\" to place the database under alembic migration \
             control.");
    }
    Ok(())
}

async fn check(db: &Upkeep) -> Result<(), Failure> {
    rolling(db)?;
    let (step, phase, code) = match db.pending().await.map_err(untold)? {
        Pending::Nothing => {
            say("Database is up to date. No upgrades needed.");
            return Ok(());
        }
        Pending::Expand => ("first", "expand", 3),
        Pending::Migrate => ("next", "migrate", 4),
        Pending::Contract => ("next", "contract", 5),
    };
    say(&format!(
        "Your database is not up to date. Your {step} step is to run `glance-manage db {phase}`."
    ));
    Err(Failure::said(code))
}

/// All phases, with nobody at work (`DbCommands.sync`); the version it takes means nothing.
async fn sync(db: &Upkeep) -> Result<(), Failure> {
    if db.pending().await.map_err(untold)? == Pending::Nothing {
        say_up_to_date();
        return Ok(());
    }
    let is_new = db.heads().await?.is_empty();
    let mut expanded = db.expand().await.map_err(untold)?;
    if let (true, Phase::Upgraded { to, heads }) = (is_new, &mut expanded) {
        // A new database gets the tables of the head at once. Glance, which makes the oldest and
        // upgrades them, names the one branch it has come along.
        *heads = vec![(*to).to_owned()];
    }
    say_expanded(&expanded);
    say_migrated(&db.migrate().await.map_err(untold)?);
    say_contracted(&db.contract().await.map_err(untold)?);
    say("Database is synced successfully.");
    Ok(())
}

async fn upgrade(db: &Upkeep, target: &Version) -> Result<(), Failure> {
    let target = target.given().unwrap_or("heads");
    let heads = db.upgrade(target).await.map_err(untold)?;
    if target == "heads" {
        say(&format!("Upgraded database, current revision(s): {}", heads.join(", ")));
    } else {
        say_upgraded(target, &heads);
    }
    Ok(())
}

async fn version_control(db: &Upkeep, target: &Version) -> Result<(), Failure> {
    let target = target.given().unwrap_or(FIRST);
    db.version_control(target).await.map_err(untold)?;
    say(&format!("Placed database under migration control at revision: {target}"));
    Ok(())
}

fn say_up_to_date() {
    say("Database is up to date. No migrations needed.");
}

fn say_upgraded(to: &str, heads: &[String]) {
    say(&format!("Upgraded database to: {to}, current revision(s): {}", heads.join(", ")));
}

fn say_phase(phase: &Phase, nothing: &str) {
    match phase {
        Phase::UpToDate => say_up_to_date(),
        Phase::NothingToDo => say(nothing),
        Phase::Upgraded { to, heads } => say_upgraded(to, heads),
        Phase::Migrated(rows) => say(&format!("Migrated {rows} rows")),
    }
}

fn say_expanded(phase: &Phase) {
    say_phase(phase, "Database expansion is up to date. No expansion needed.");
}

fn say_migrated(phase: &Phase) {
    say_phase(phase, "Database migration is up to date. No migration needed.");
}

fn say_contracted(phase: &Phase) {
    say_phase(phase, "Database contraction is up to date. No contraction needed.");
}

/// What a phase that came too early says.
fn too_early(error: MigrateError, what: &str) -> Failure {
    match error {
        MigrateError::First(Pending::Expand) => refused(format!(
            "{what} did not run. {what} cannot be run before database expansion. Run database \
             expansion first using \"glance-manage db expand\""
        )),
        MigrateError::First(_) => refused(format!(
            "{what} did not run. {what} cannot be run before data migration is complete. Run data \
             migration using \"glance-manage db migrate\"."
        )),
        error => untold(error),
    }
}

/// An error that Glance answers with a trace.
fn untold(error: MigrateError) -> Failure {
    refused(format!("ERROR: {error}"))
}

/// Refuses where Glance has no rolling upgrades (`_validate_engine`).
fn rolling(db: &Upkeep) -> Result<(), Failure> {
    if db.can_roll() { Ok(()) } else { Err(refused(MigrateError::Rolling)) }
}

/// How old and how many, within Glance's bounds (`DbCommands._purge`).
struct Bounds {
    days: u32,
    rows_max: Option<u32>,
}

impl Bounds {
    fn read(flags: &Purge, days: i64) -> Result<Self, Failure> {
        let number = |flag: Option<i64>, place: &Option<String>, name: &str, preset: i64| {
            let Some(text) = place else { return Ok(flag.unwrap_or(preset)) };
            text.trim()
                .parse()
                .map_err(|_| refused(format!("Invalid int value for {name}: {text}")))
        };
        let days = number(flags.age_in_days, &flags.age_place, "age_in_days", days)?;
        let rows = number(flags.max_rows, &flags.rows_place, "max_rows", 100)?;
        if days < 0 {
            return Err(refused("Must supply a non-negative value for age."));
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let days = u32::try_from(days).ok().filter(|&days| DAY.saturating_mul(days) < since_epoch);
        let days = days.ok_or_else(|| refused("Maximal age is count of days since epoch."))?;
        let rows_max = match rows {
            -1 => None,
            ..-1 => return Err(refused("Minimal rows limit is -1.")),
            rows => Some(
                i32::try_from(rows).ok().and_then(|rows| u32::try_from(rows).ok()).ok_or_else(
                    || refused("'max_rows' value out of range, must not exceed 2147483647."),
                )?,
            ),
        };
        Ok(Self { days, rows_max })
    }
}

async fn purge_tables(
    db: &Upkeep,
    tables: &[controlplane_db::Purge],
    bounds: &Bounds,
) -> Result<(), Failure> {
    let before = utc_now() - DAY * bounds.days;
    for &one in tables {
        let (days, table) = (bounds.days, one.table());
        tracing::info!("Purging deleted rows older than {days} day(s) from table {table}");
        let rows = db.purge(one, before, bounds.rows_max).await.map_err(|error| match error {
            PurgeError::Referenced(_) => {
                tracing::error!("DBError detected when purging from {table}: {error}");
                refused("Purge command failed, check glance-manage logs for more details.")
            }
            PurgeError::Database(error) => error.into(),
        })?;
        tracing::info!("Deleted {rows} row(s) from table {table}");
    }
    Ok(())
}
