//! Who may write an image's bytes: one writer at a time, each under an epoch of its own.
//!
//! The checks before an upload (policy, quota, formats) are left to `controlplane/api`, moving
//! bytes to the data planes. An upload's row goes open → committed or open → dead, once, in the
//! transaction that changes the image's status with it; the images of open uploads are in status
//! `saving`. Invariant: an epoch that is not open changes nothing, so a writer that was given up,
//! or whose image was deleted, can do no harm however late it speaks.

use crate::pool::Row;
use controlplane_domain::ImageLocation;
use controlplane_domain::quota::{StorageFull, StorageQuota};
use glint_image::{Epoch, ImageId, NodeId, Seq, Status};
use sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement, UpdateStatement};
use time::PrimitiveDateTime;

use crate::error::{DatabaseError, failure, retried};
use crate::images::write::add_locations;
use crate::outbox::{Changed, record_change};
use crate::pool::{Database, Tx};
use crate::text;
use crate::usage::{self, AdmitError};

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Its writer may go on.
    Open,
    /// The image became active by it: the bytes belong to it.
    Committed,
    /// Closed without effect: its bytes are garbage.
    Dead,
}

/// The right to write an image's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The fencing number of this upload: the number of the change that reserved it.
    pub epoch: Epoch,
    /// That change.
    pub changed: Changed,
    /// How many bytes the project of the image may still take; `None`: no limit.
    pub remaining: Option<u64>,
}

/// Why no upload can begin.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The image is not waiting for bytes.
    #[error("the image is {0}")]
    NotQueued(Status),
    /// There is no such image, or not any more.
    #[error("there is no such image")]
    Gone,
    /// The project of the image has no room for it.
    #[error(transparent)]
    Full(#[from] StorageFull),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
failure!(ReserveError);

impl From<AdmitError> for ReserveError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Full(full) => Self::Full(full),
            AdmitError::Database(error) => Self::Database(error),
        }
    }
}

/// Bytes that are durable under their final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// How many.
    pub size: u64,
    /// Size of the disk inside, where the format tells it.
    pub virtual_size: Option<u64>,
    /// Hexadecimal MD5.
    pub md5: String,
    /// Name of the second hash, as Python's hashlib spells it.
    pub hash_algo: String,
    /// Hexadecimal value of the second hash.
    pub hash_value: String,
    /// Where they lie.
    pub url: String,
    /// JSON object text for `image_locations.meta_data`, e.g. `{"store": "fast"}`; `{}` without
    /// `enabled_backends`.
    pub metadata: String,
}

/// What a commit led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The image is active by this upload; also when it was committed before, with the change that
    /// did it.
    Committed(Changed),
    /// The epoch is closed: the image was deleted or the upload given up. The bytes are garbage.
    Fenced,
    /// The project has no room for so many bytes: the upload is given up with this change, the
    /// image queued again. The bytes are garbage. A repetition is answered with `Fenced`.
    Full(StorageFull, Changed),
}

/// What giving up an upload led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortOutcome {
    /// The epoch is closed now and the image queued again.
    Closed(Changed),
    /// The epoch was closed before, without effect, or never was.
    AlreadyClosed,
    /// Nothing is given up: the image became active by this upload.
    Committed,
}

/// An upload under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// The image.
    pub image: ImageId,
    /// The upload's fencing number.
    pub epoch: Epoch,
    /// Who writes.
    pub node: NodeId,
    /// The start of the writer's process under which it writes.
    pub incarnation: u64,
    /// Length of the body, if it was told.
    pub size_expected: Option<u64>,
    /// When it began.
    pub started_at: PrimitiveDateTime,
}

/// An upload that was closed on behalf of its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedUpload {
    /// The image, queued again.
    pub image: ImageId,
    /// The upload's fencing number.
    pub epoch: Epoch,
    /// The change that closed it.
    pub changed: Changed,
}

const OPEN: &str = "open";
const COMMITTED: &str = "committed";
const DEAD: &str = "dead";

// === impl Database ===

impl Database {
    /// Takes the right to write an image's bytes: queued → saving. What other open uploads said
    /// they will bring counts as there already, so that uploads at the same time do not pass
    /// `quota` together.
    ///
    /// # Errors
    /// [`ReserveError`]; of several callers at once exactly one succeeds.
    pub async fn reserve(
        &self,
        image: ImageId,
        node: NodeId,
        incarnation: u64,
        size_expected: Option<u64>,
        quota: StorageQuota,
        now: PrimitiveDateTime,
    ) -> Result<Reserved, ReserveError> {
        retried!(self.try_reserve(image, node, incarnation, size_expected, quota, now))
    }

    async fn try_reserve(
        &self,
        image: ImageId,
        node: NodeId,
        incarnation: u64,
        size_expected: Option<u64>,
        quota: StorageQuota,
        now: PrimitiveDateTime,
    ) -> Result<Reserved, ReserveError> {
        let mut tx = self.write().await?;
        let saving = transition(image, Status::Queued, Status::Saving, now);
        if tx.run(&saving).await? == 0 {
            return Err(match status(&mut tx, image).await? {
                Some(status) => ReserveError::NotQueued(status),
                None => ReserveError::Gone,
            });
        }
        // Whatever a status set by another program left open is closed: one writer at a time.
        close_open(&mut tx, image, now).await?;
        let changed = record_change(&mut tx, image, false, now).await?;
        let remaining = usage::admit(&mut tx, image, quota, size_expected).await?;
        let epoch = Epoch(changed.seq.0);
        let insert = Query::insert()
            .into_table("glint_uploads")
            .columns([
                "image_id",
                "epoch",
                "node",
                "incarnation",
                "state",
                "size_expected",
                "started_at",
            ])
            .values_panic([
                image.as_str().into(),
                text::counted(epoch.0).into(),
                node.to_string().into(),
                incarnation.cast_signed().into(),
                OPEN.into(),
                size_expected.and_then(|size| i64::try_from(size).ok()).into(),
                text::stamp(now).into(),
            ])
            .to_owned();
        tx.run(&insert).await?;
        tx.commit().await?;
        Ok(Reserved { epoch, changed, remaining })
    }

    /// Makes an image active by an upload whose bytes are durable: saving → active, with size,
    /// digests and location, if the project has room. May be repeated: the answer to a repetition
    /// is that of the first.
    ///
    /// # Errors
    /// [`DatabaseError`]; then nothing is known and the caller asks again with the same epoch.
    pub async fn commit(
        &self,
        image: ImageId,
        epoch: Epoch,
        sealed: &Sealed,
        quota: StorageQuota,
        now: PrimitiveDateTime,
    ) -> Result<CommitOutcome, DatabaseError> {
        match retried!(self.try_commit(image, epoch, sealed, quota, now)) {
            Ok(outcome) => Ok(outcome),
            Err(AdmitError::Full(full)) => retried!(self.try_refuse(image, epoch, full, now)),
            Err(AdmitError::Database(error)) => Err(error),
        }
    }

    async fn try_commit(
        &self,
        image: ImageId,
        epoch: Epoch,
        sealed: &Sealed,
        quota: StorageQuota,
        now: PrimitiveDateTime,
    ) -> Result<CommitOutcome, AdmitError> {
        let mut tx = self.write().await?;
        match upload(&mut tx, image, epoch).await? {
            Some((UploadState::Open, _)) => {}
            Some((UploadState::Committed, seq)) => {
                return Ok(CommitOutcome::Committed(Changed { seq, restricting: false }));
            }
            Some((UploadState::Dead, _)) | None => return Ok(CommitOutcome::Fenced),
        }
        let (Ok(size), Ok(virtual_size)) =
            (i64::try_from(sealed.size), sealed.virtual_size.map(i64::try_from).transpose())
        else {
            return Err(text::damaged("size", sealed.size).into());
        };
        let active = transition(image, Status::Saving, Status::Active, now)
            .value("size", size)
            .value("virtual_size", virtual_size)
            .value("checksum", sealed.md5.as_str())
            .value("os_hash_algo", sealed.hash_algo.as_str())
            .value("os_hash_value", sealed.hash_value.as_str())
            .to_owned();
        if tx.run(&active).await? == 0 {
            // A Glance on the same database moved or removed the image without knowing of the
            // upload.
            close(&mut tx, image, epoch, DEAD, Seq(0), now).await?;
            tx.commit().await?;
            return Ok(CommitOutcome::Fenced);
        }
        let location = ImageLocation { url: sealed.url.clone(), metadata: sealed.metadata.clone() };
        add_locations(&mut tx, image, &[location], now).await?;
        let changed = record_change(&mut tx, image, false, now).await?;
        usage::admit(&mut tx, image, quota, Some(sealed.size)).await?;
        close(&mut tx, image, epoch, COMMITTED, changed.seq, now).await?;
        tx.commit().await?;
        Ok(CommitOutcome::Committed(changed))
    }

    /// Gives up an upload that came with more bytes than there is room for.
    async fn try_refuse(
        &self,
        image: ImageId,
        epoch: Epoch,
        full: StorageFull,
        now: PrimitiveDateTime,
    ) -> Result<CommitOutcome, DatabaseError> {
        let mut tx = self.write().await?;
        match upload(&mut tx, image, epoch).await? {
            Some((UploadState::Open, _)) => {}
            Some((UploadState::Committed, seq)) => {
                return Ok(CommitOutcome::Committed(Changed { seq, restricting: false }));
            }
            Some((UploadState::Dead, _)) | None => return Ok(CommitOutcome::Fenced),
        }
        let changed = give_up(&mut tx, image, epoch, now).await?;
        tx.commit().await?;
        Ok(CommitOutcome::Full(full, changed))
    }

    /// Gives an upload up: saving → queued, sizes cleared. May be repeated.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn abort(
        &self,
        image: ImageId,
        epoch: Epoch,
        now: PrimitiveDateTime,
    ) -> Result<AbortOutcome, DatabaseError> {
        retried!(self.try_abort(image, epoch, now))
    }

    async fn try_abort(
        &self,
        image: ImageId,
        epoch: Epoch,
        now: PrimitiveDateTime,
    ) -> Result<AbortOutcome, DatabaseError> {
        let mut tx = self.write().await?;
        match upload(&mut tx, image, epoch).await? {
            Some((UploadState::Open, _)) => {}
            Some((UploadState::Committed, _)) => return Ok(AbortOutcome::Committed),
            Some((UploadState::Dead, _)) | None => return Ok(AbortOutcome::AlreadyClosed),
        }
        let changed = give_up(&mut tx, image, epoch, now).await?;
        tx.commit().await?;
        Ok(AbortOutcome::Closed(changed))
    }

    /// What became of an upload. One whose row is no longer kept counts as committed where the
    /// image has bytes, and as dead where it has none: told `Committed`, a node removes only its
    /// temporary name, and told `Dead` the final one too where it is the same file; so bytes that
    /// belong to an image are safe either way.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn outcome(
        &self,
        image: ImageId,
        epoch: Epoch,
    ) -> Result<UploadState, DatabaseError> {
        let mut tx = self.read().await?;
        let state = match upload(&mut tx, image, epoch).await? {
            Some((state, _)) => state,
            None if has_bytes(&mut tx, image).await? => UploadState::Committed,
            None => UploadState::Dead,
        };
        tx.commit().await?;
        Ok(state)
    }

    /// Gives up the open uploads of a node's earlier incarnations: their writers are gone.
    ///
    /// # Errors
    /// [`DatabaseError`]; then all or none of them were given up.
    pub async fn close_uploads_of(
        &self,
        node: NodeId,
        incarnation: u64,
        now: PrimitiveDateTime,
    ) -> Result<Vec<ClosedUpload>, DatabaseError> {
        retried!(self.try_close_uploads_of(node, incarnation, now))
    }

    async fn try_close_uploads_of(
        &self,
        node: NodeId,
        incarnation: u64,
        now: PrimitiveDateTime,
    ) -> Result<Vec<ClosedUpload>, DatabaseError> {
        let mut tx = self.write().await?;
        let query = select_open()
            .and_where(Expr::col("node").eq(node.to_string()))
            .and_where(Expr::col("incarnation").ne(incarnation.cast_signed()))
            .to_owned();
        let mut closed = Vec::new();
        for row in tx.rows(&query).await? {
            let OpenUpload { image, epoch, .. } = open_upload(&row)?;
            let changed = give_up(&mut tx, image, epoch, now).await?;
            closed.push(ClosedUpload { image, epoch, changed });
        }
        tx.commit().await?;
        Ok(closed)
    }

    /// Every upload under way, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn open_uploads(&self, limit: u32) -> Result<Vec<OpenUpload>, DatabaseError> {
        let mut tx = self.read().await?;
        let query = select_open().order_by("epoch", Order::Asc).limit(u64::from(limit)).to_owned();
        let rows = tx.rows(&query).await?;
        tx.commit().await?;
        rows.iter().map(open_upload).collect()
    }

    /// Forgets the uploads that ended before a time; how many.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn prune_uploads(&self, before: PrimitiveDateTime) -> Result<u64, DatabaseError> {
        retried!(self.try_prune_uploads(before))
    }

    async fn try_prune_uploads(&self, before: PrimitiveDateTime) -> Result<u64, DatabaseError> {
        let mut tx = self.write().await?;
        let delete = Query::delete()
            .from_table("glint_uploads")
            .and_where(Expr::col("state").ne(OPEN))
            .and_where(Expr::col("finished_at").lt(text::stamp(before)))
            .to_owned();
        let forgotten = tx.run(&delete).await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}

// === helpers inside a transaction ===

/// Moves an image from one status to another; touches no row where it is in neither or gone.
fn transition(image: ImageId, from: Status, to: Status, now: PrimitiveDateTime) -> UpdateStatement {
    assert!(from.may_become(to), "{from} may not become {to}");
    Query::update()
        .table("images")
        .value("status", to.as_str())
        .value("updated_at", text::stamp(now))
        .and_where(Expr::col("id").eq(image.as_str()))
        .and_where(Expr::col("deleted").eq(false))
        .and_where(Expr::col("status").eq(from.as_str()))
        .to_owned()
}

/// Closes an open upload without effect: saving → queued, as Glance does after a failed upload
/// (`glance/api/v2/image_data.py`, `_restore`).
async fn give_up(
    tx: &mut Tx<'_>,
    image: ImageId,
    epoch: Epoch,
    now: PrimitiveDateTime,
) -> Result<Changed, DatabaseError> {
    let queued = transition(image, Status::Saving, Status::Queued, now)
        .value("size", Option::<i64>::None)
        .value("virtual_size", Option::<i64>::None)
        .to_owned();
    tx.run(&queued).await?;
    let changed = record_change(tx, image, false, now).await?;
    close(tx, image, epoch, DEAD, changed.seq, now).await?;
    Ok(changed)
}

/// Closes one upload.
async fn close(
    tx: &mut Tx<'_>,
    image: ImageId,
    epoch: Epoch,
    state: &'static str,
    seq: Seq,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    let update = closing(image, state, now)
        .value("closed_seq", text::counted(seq.0))
        .and_where(Expr::col("epoch").eq(text::counted(epoch.0)))
        .to_owned();
    let touched = tx.run(&update).await?;
    assert_eq!(touched, 1, "an upload is closed by the transaction that saw it open");
    Ok(())
}

/// Closes whatever upload of an image is open, without effect: its image is being deleted or was
/// moved on.
pub(crate) async fn close_open(
    tx: &mut Tx<'_>,
    image: ImageId,
    now: PrimitiveDateTime,
) -> Result<(), DatabaseError> {
    tx.run(&closing(image, DEAD, now)).await?;
    Ok(())
}

fn closing(image: ImageId, state: &'static str, now: PrimitiveDateTime) -> UpdateStatement {
    Query::update()
        .table("glint_uploads")
        .value("state", state)
        .value("finished_at", text::stamp(now))
        .and_where(Expr::col("image_id").eq(image.as_str()))
        .and_where(Expr::col("state").eq(OPEN))
        .to_owned()
}

/// State of an upload and the change that closed it.
async fn upload(
    tx: &mut Tx<'_>,
    image: ImageId,
    epoch: Epoch,
) -> Result<Option<(UploadState, Seq)>, DatabaseError> {
    // A number from the wire may be any; one that was never given out matches no row.
    let Ok(epoch) = i64::try_from(epoch.0) else { return Ok(None) };
    let query = Query::select()
        .columns(["state", "closed_seq"])
        .from("glint_uploads")
        .and_where(Expr::col("image_id").eq(image.as_str()))
        .and_where(Expr::col("epoch").eq(epoch))
        .to_owned();
    let Some(row) = tx.row(&query).await? else { return Ok(None) };
    let state = match text::text(&row, "state")?.as_str() {
        OPEN => UploadState::Open,
        COMMITTED => UploadState::Committed,
        DEAD => UploadState::Dead,
        other => return Err(text::damaged("state", other)),
    };
    Ok(Some((state, Seq(text::count_or_zero(&row, "closed_seq")?))))
}

/// Status of an image that is not deleted.
pub(crate) async fn status(
    tx: &mut Tx<'_>,
    image: ImageId,
) -> Result<Option<Status>, DatabaseError> {
    let query = Query::select()
        .column("status")
        .from("images")
        .and_where(Expr::col("id").eq(image.as_str()))
        .and_where(Expr::col("deleted").eq(false))
        .to_owned();
    let Some(row) = tx.row(&query).await? else { return Ok(None) };
    let status = text::text(&row, "status")?;
    Status::parse(&status).map(Some).ok_or_else(|| text::damaged("status", &status))
}

/// Whether an image that is not deleted refers to bytes.
async fn has_bytes(tx: &mut Tx<'_>, image: ImageId) -> Result<bool, DatabaseError> {
    let query = Query::select()
        .column(("image_locations", "id"))
        .from("image_locations")
        .inner_join("images", Expr::col(("images", "id")).equals(("image_locations", "image_id")))
        .and_where(Expr::col(("images", "id")).eq(image.as_str()))
        .and_where(Expr::col(("images", "deleted")).eq(false))
        .and_where(Expr::col(("image_locations", "deleted")).eq(false))
        .limit(1)
        .to_owned();
    Ok(tx.row(&query).await?.is_some())
}

fn select_open() -> SelectStatement {
    Query::select()
        .columns(["image_id", "epoch", "node", "incarnation", "size_expected", "started_at"])
        .from("glint_uploads")
        .and_where(Expr::col("state").eq(OPEN))
        .to_owned()
}

fn open_upload(row: &Row) -> Result<OpenUpload, DatabaseError> {
    let expected = text::int_or_null(row, "size_expected")?;
    Ok(OpenUpload {
        image: text::image_id(row, "image_id")?,
        epoch: Epoch(text::count(row, "epoch")?),
        node: text::node_id(row, "node")?,
        incarnation: text::int(row, "incarnation")?.cast_unsigned(),
        size_expected: expected.and_then(|size| u64::try_from(size).ok()),
        started_at: text::time(row, "started_at")?,
    })
}
