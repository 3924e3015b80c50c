//! File operations of an upload, each as one call on the bulk engine.
//!
//! Their order is the machine's matter. Invariant: a failure is logged here, once, where the
//! system's word for it is still known, and handed on as what it means for the upload.

use crate::shard::Shard;
use dataplane_core::upload::{SealError, SealOp, StoreError, UndoOp};
use dataplane_io::BulkError;
use dataplane_store::{CreateError, LinkError, Temp, TempName};
use glint_image::{Epoch, ImageId};
use std::io;

/// Makes the temporary file.
pub(super) async fn create(
    shard: &Shard,
    image: ImageId,
    epoch: Epoch,
    size_bytes: Option<u64>,
) -> Result<Temp, StoreError> {
    if shard.common.suspicion.is_raised() {
        return Err(StoreError::Suspect);
    }
    let name = TempName { image, epoch, node: shard.common.node };
    let store = shard.common.store.clone();
    let created = shard.common.bulk.call(move || store.create_temp(name, size_bytes)).await;
    created.map_err(|error| match error {
        CreateError::Full(error) => {
            tracing::warn!(%image, %error, "the image store is full");
            StoreError::Full
        }
        CreateError::Denied(error) => {
            tracing::error!(%image, %error, "the image store may not be written to");
            StoreError::Denied
        }
        CreateError::Failed(error) => {
            tracing::error!(%image, %error, "cannot make a temporary file");
            StoreError::Failed
        }
    })
}

/// One step to a durable final name.
pub(super) async fn seal(shard: &Shard, temp: &Temp, op: SealOp) -> Result<(), SealError> {
    let (store, temp, name) = (shard.common.store.clone(), temp.clone(), temp.name);
    let bulk = &shard.common.bulk;
    let done: io::Result<()> = match op {
        SealOp::Truncate { size_bytes } => {
            bulk.call(move || store.truncate(&temp, size_bytes)).await
        }
        SealOp::Fsync => {
            let synced = bulk.fsync(&temp.file).await;
            synced.map_err(|error| match error {
                BulkError::Full(error) | BulkError::Failed(error) => error,
            })
        }
        SealOp::SyncIncoming => bulk.call(move || store.sync_incoming()).await,
        SealOp::SyncDatadir => bulk.call(move || store.sync_datadir()).await,
        SealOp::Link => match bulk.call(move || store.link(name)).await {
            Ok(()) => Ok(()),
            Err(LinkError::AlreadyThere) => {
                tracing::error!(image = %name.image, "other bytes have the final name already");
                return Err(SealError::AlreadyThere);
            }
            Err(LinkError::Failed(error)) => Err(error),
        },
    };
    done.map_err(|error| {
        tracing::error!(image = %name.image, ?op, %error, "cannot seal an image's file");
        match BulkError::of(error) {
            BulkError::Full(_) => SealError::Store(StoreError::Full),
            BulkError::Failed(_) => SealError::Store(StoreError::Failed),
        }
    })
}

/// Removes the temporary name of a committed upload. What cannot be removed is found at the next
/// start.
pub(super) async fn clean(shard: &Shard, name: TempName) {
    let store = shard.common.store.clone();
    if let Err(error) = shard.common.bulk.call(move || store.unlink_temp(name)).await {
        tracing::warn!(image = %name.image, %error, "cannot remove a temporary name");
    }
}

/// One step of removing what an upload made.
pub(super) async fn undo(shard: &Shard, name: TempName, op: UndoOp) -> io::Result<()> {
    let store = shard.common.store.clone();
    let done = match op {
        UndoOp::UnlinkFinal => {
            let unlink = move || store.unlink_final_if_same_inode(name);
            shard.common.bulk.call(unlink).await.map(|_removed| ())
        }
        UndoOp::SyncDatadir => shard.common.bulk.call(move || store.sync_datadir()).await,
        UndoOp::UnlinkTemp => shard.common.bulk.call(move || store.unlink_temp(name)).await,
    };
    done.inspect_err(|error| {
        tracing::error!(image = %name.image, ?op, %error, "cannot remove what an upload left");
    })
}
