//! Glance's migrations: what `glance-manage db` does to the schema.
//!
//! Goes on from any revision since Ocata's contraction, in Glance's three phases: `expand` adds what
//! the next release needs beside what the last one uses, `migrate` moves data, `contract` takes
//! away what is no longer used. Older data cannot be brought on by Glance 33 either: it comes
//! without Ocata's data migration. Leaves the words for operators to its caller. Invariants: what
//! `alembic_version` holds after every step is what Alembic would have left, so that Glance goes
//! on from here and the other way round; on databases where definitions are part of transactions a
//! step and its row are one; a service that runs meanwhile is not disturbed.

mod data;
mod revisions;
mod steps;

use sea_query::{Expr, ExprTrait as _, Query};

pub use revisions::TargetError;
pub(crate) use revisions::{Place, Stage};

use crate::error::{DatabaseError, failure, retried};
use crate::pool::Tx;
use crate::schema;
use crate::text;
use crate::upkeep::Upkeep;
use revisions::{PIKE, RUNGS, Revision, TRAIN};

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Nothing: the database is at the head.
    Nothing,
    /// To expand.
    Expand,
    /// To migrate data.
    Migrate,
    /// To contract.
    Contract,
}

/// What a phase did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: the database is at the head.
    UpToDate,
    /// Nothing: this phase is behind it.
    NothingToDo,
    /// It brought the database to a revision.
    Upgraded {
        /// The revision of the phase.
        to: &'static str,
        /// What `alembic_version` holds now.
        heads: Vec<String>,
    },
    /// It changed so many rows.
    Migrated(u64),
}

/// Why a migration does not run.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The phase is not yet to be run: data before expansion, or contraction before that.
    #[error("{0:?} comes first")]
    First(Pending),
    /// No such revision.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The database is from before Ocata's contraction.
    #[error(
        "the database is at {0}, before ocata_contract01: let the glance-manage of Glance 14 to 17 \
         migrate its data and contract it first"
    )]
    Ancient(String),
    /// The database has tables and no revision.
    #[error(
        "the database holds tables but no Alembic revision; if they are Glance's, say which with \
         `glance-manage db version_control --version REVISION`"
    )]
    Foreign,
    /// Rolling upgrades of this kind of database are not supported.
    #[error("Rolling upgrades are currently supported only for MySQL and Sqlite")]
    Rolling,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(MigrateError);

impl Upkeep {
    /// What `alembic_version` holds; nothing where it is not there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn heads(&self) -> Result<Vec<String>, DatabaseError> {
        let mut tx = self.db.read().await?;
        heads(&mut tx).await
    }

    /// What is to be done next.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn pending(&self) -> Result<Pending, MigrateError> {
        let mut tx = self.db.read().await?;
        let heads = heads(&mut tx).await?;
        Ok(match Place::of(&heads) {
            Place::At(Stage::HEAD) => Pending::Nothing,
            // An older head of the other branch may stand there: Glance looks for one name.
            _ if !heads.iter().any(|head| head == Revision::EXPAND_HEAD.name()) => Pending::Expand,
            Place::At(stage) if data::is_pending(&mut tx, stage).await? => Pending::Migrate,
            _ => Pending::Contract,
        })
    }

    /// Adds what the head needs.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn expand(&self) -> Result<Phase, MigrateError> {
        match self.pending().await? {
            Pending::Nothing => Ok(Phase::UpToDate),
            Pending::Expand => self.phase(Revision::EXPAND_HEAD).await,
            Pending::Migrate | Pending::Contract => Ok(Phase::NothingToDo),
        }
    }

    /// Moves data.
    ///
    /// # Errors
    /// [`MigrateError::First`] before expansion.
    pub async fn migrate(&self) -> Result<Phase, MigrateError> {
        match self.pending().await? {
            Pending::Nothing => Ok(Phase::UpToDate),
            Pending::Expand => Err(MigrateError::First(Pending::Expand)),
            Pending::Migrate => Ok(Phase::Migrated(retried!(self.try_migrate())?)),
            Pending::Contract => Ok(Phase::NothingToDo),
        }
    }

    async fn try_migrate(&self) -> Result<u64, DatabaseError> {
        let mut tx = self.db.write().await?;
        let rows = data::migrate(&mut tx).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Takes away what nobody uses any more.
    ///
    /// # Errors
    /// [`MigrateError::First`] before expansion, or with data to move.
    pub async fn contract(&self) -> Result<Phase, MigrateError> {
        match self.pending().await? {
            Pending::Nothing => Ok(Phase::UpToDate),
            Pending::Contract => self.phase(Revision::CONTRACT_HEAD).await,
            first => Err(MigrateError::First(first)),
        }
    }

    async fn phase(&self, target: Revision) -> Result<Phase, MigrateError> {
        let heads = self.advance(target).await?;
        Ok(Phase::Upgraded { to: target.name(), heads })
    }

    /// Runs everything that leads to a revision: its name, the beginning of one, `heads`, or
    /// `expand@head`. Gives what `alembic_version` holds then.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn upgrade(&self, target: &str) -> Result<Vec<String>, MigrateError> {
        self.advance(Revision::find(target)?).await
    }

    async fn advance(&self, target: Revision) -> Result<Vec<String>, MigrateError> {
        while retried!(self.step(target))? {}
        Ok(self.heads().await?)
    }

    /// Runs the next revision on the way; whether there was one.
    async fn step(&self, target: Revision) -> Result<bool, MigrateError> {
        let mut tx = self.db.write().await?;
        let before = heads(&mut tx).await?;
        let stage = match Place::of(&before) {
            Place::At(stage) => stage,
            Place::Nowhere => {
                self.begin(&mut tx, target).await?;
                tx.commit().await?;
                return Ok(true);
            }
            Place::Ancient => return Err(MigrateError::Ancient(before.join(", "))),
            Place::Unknown(head) => return Err(TargetError::Unknown(head).into()),
        };
        let goal = stage.with(target);
        let (next, name, texts) = if stage.expanded < goal.expanded {
            let rung = &RUNGS[stage.expanded];
            let next = Stage { expanded: stage.expanded + 1, ..stage };
            (next, rung.expand, rung.adds.apply(tx.dialect()))
        } else if stage.contracted < goal.contracted {
            let rung = &RUNGS[stage.contracted];
            let next = Stage { contracted: stage.contracted + 1, ..stage };
            let drops = stage.contracted == PIKE;
            (
                next,
                rung.contract,
                if drops { steps::drop_artifacts(tx.dialect()) } else { Vec::new() },
            )
        } else {
            return Ok(false);
        };
        for text in texts {
            tx.define(text).await?;
        }
        stamp(&mut tx, &before, &next.heads()).await?;
        tx.commit().await?;
        tracing::info!("Running upgrade -> {name}");
        Ok(true)
    }

    /// Makes the tables of an empty database: all of the head, or those that were there at an older
    /// revision.
    async fn begin(&self, tx: &mut Tx<'_>, target: Revision) -> Result<(), MigrateError> {
        if !schema::is_empty(&schema::tables(tx).await?) {
            return Err(MigrateError::Foreign);
        }
        let stage = match target {
            Revision::Expand(at) if at > PIKE => Stage { expanded: at + 1, contracted: at },
            Revision::Contract(at) if at >= PIKE => Stage { expanded: at + 1, contracted: at + 1 },
            _ => return Err(MigrateError::Ancient("no revision".to_owned())),
        };
        schema::make(tx).await?;
        for rung in RUNGS[stage.expanded..].iter().rev() {
            for text in rung.adds.revert(tx.dialect()) {
                tx.define(text).await?;
            }
        }
        stamp(tx, &[], &stage.heads()).await?;
        tracing::info!("Tables made as of {}", target.name());
        Ok(())
    }

    /// Writes that the database is at a revision, and runs nothing.
    ///
    /// # Errors
    /// [`MigrateError::Target`] for a revision that is not on the chain, given or found.
    pub async fn version_control(&self, target: &str) -> Result<(), MigrateError> {
        retried!(self.try_version_control(target))
    }

    async fn try_version_control(&self, target: &str) -> Result<(), MigrateError> {
        let target = Revision::find(target)?;
        let mut tx = self.db.write().await?;
        let before = heads(&mut tx).await?;
        let mut after = vec![target.name()];
        for head in &before {
            let Some(head) = Revision::named(head) else {
                return Err(TargetError::Unknown(head.clone()).into());
            };
            if !head.is_in_line_with(target) {
                after.push(head.name());
            }
        }
        stamp(&mut tx, &before, &after).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The rows of `alembic_version`, in the order in which the database keeps them.
pub(crate) async fn heads(tx: &mut Tx<'_>) -> Result<Vec<String>, DatabaseError> {
    if !schema::tables(tx).await?.iter().any(|table| table == "alembic_version") {
        return Ok(Vec::new());
    }
    let query = Query::select().column("version_num").from("alembic_version").to_owned();
    tx.rows(&query).await?.iter().map(|row| text::text(row, "version_num")).collect()
}

/// Puts other heads in the place of those there are, as Alembic does: a row that is followed is
/// changed, so that there is a revision at every moment, and keeps its place.
pub(crate) async fn stamp(
    tx: &mut Tx<'_>,
    before: &[String],
    after: &[&str],
) -> Result<(), DatabaseError> {
    if !schema::tables(tx).await?.iter().any(|table| table == "alembic_version") {
        schema::make_version_table(tx).await?;
    }
    let mut old = before.iter().map(String::as_str).filter(|head| !after.contains(head));
    for head in after.iter().filter(|&&head| !before.iter().any(|old| old == head)) {
        if let Some(old) = old.next() {
            let update = Query::update()
                .table("alembic_version")
                .value("version_num", *head)
                .and_where(Expr::col("version_num").eq(old))
                .to_owned();
            tx.run(&update).await?;
        } else {
            let insert = Query::insert()
                .into_table("alembic_version")
                .columns(["version_num"])
                .values_panic([(*head).into()])
                .to_owned();
            tx.insert_new(&insert).await?;
        }
    }
    for head in old {
        let delete = Query::delete()
            .from_table("alembic_version")
            .and_where(Expr::col("version_num").eq(head))
            .to_owned();
        tx.run(&delete).await?;
    }
    Ok(())
}
