//! Work on the store that no client waits for: settling what an earlier process left behind, and
//! removing bytes on order.
//!
//! What to do about a leftover is decided by [`dataplane_core::recovery`]; calls into the store run
//! on the bulk engine's pool. Invariants: uploads are let in only after every leftover of this node
//! is settled; an order is reported done only after the bytes are gone durably.

use crate::link::LinkState;
use crate::shard::Common;
use dataplane_core::recovery::{self, Recovered, RemoveOp, Step};
use dataplane_core::retry::Retry;
use dataplane_store::{ReclaimError, TempName};
use glint_image::ImageId;
use glint_image::limits::{ASK_MS_MAX, RECLAIMS_AT_ONCE_MAX};
use glint_link::wire::{Answer, Ask, Reclaim};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// Attempts at one order before it waits for the next session, which brings it again.
const RECLAIM_ATTEMPTS: u32 = 8;

/// Settles leftovers, carries out orders and probes a suspect store, for as long as the link
/// lives. `settled` is set once every leftover is settled.
pub(crate) async fn run(
    common: Common,
    settled: watch::Sender<bool>,
    orders: mpsc::Receiver<Reclaim>,
) {
    let common = Arc::new(common);
    tokio::join!(
        settle(&common, &settled),
        carry_out(Arc::clone(&common), orders),
        common.suspicion.watch(&common.bulk, &common.store, common.node),
    );
}

/// Settles every name that an earlier process of this node left, then lets uploads in.
async fn settle(common: &Common, settled: &watch::Sender<bool>) {
    let mut retry = Retry::default();
    let names = loop {
        let (store, node) = (common.store.clone(), common.node);
        match common.bulk.call(move || store.incoming(node)).await {
            Ok(names) => break names,
            Err(error) => {
                tracing::error!(%error, "cannot list what arrived before; uploads wait");
                tokio::time::sleep(Duration::from_millis(retry.pause_ms())).await;
            }
        }
    };
    // The names were listed before the first upload could make one; asking has to wait for the
    // hello, which closes the epochs of earlier incarnations.
    let mut link = common.link.clone();
    if link.wait_for(|link| *link >= LinkState::Welcomed).await.is_err() {
        return;
    }
    let count = names.len();
    for name in names {
        let outcome = settle_one(common, name).await;
        tracing::info!(%name, ?outcome, "settled an interrupted upload");
    }
    settled.send_replace(true);
    if count > 0 {
        tracing::info!(count, "interrupted uploads are settled; uploads are let in");
    }
}

async fn settle_one(common: &Common, name: TempName) -> Recovered {
    let mut step = recovery::start(name.image, name.epoch);
    loop {
        step = match step {
            Step::Ask(asking) => {
                let asked = common.asker.ask(asking.ask());
                let none = Answer::Unavailable { reason: "no answer in time".to_owned() };
                let wait = Duration::from_millis(ASK_MS_MAX);
                let answer = tokio::time::timeout(wait, asked).await.unwrap_or(none);
                asking.answered(&answer)
            }
            Step::Pause(pause) => {
                tokio::time::sleep(Duration::from_millis(pause.pause_ms())).await;
                pause.over()
            }
            Step::Remove(remove) => {
                let (store, op) = (common.store.clone(), remove.op());
                let removed = common.bulk.call(move || match op {
                    RemoveOp::UnlinkFinal => store.unlink_final_if_same_inode(name).map(|_| ()),
                    RemoveOp::SyncDatadir => store.sync_datadir(),
                    RemoveOp::UnlinkTemp => store.unlink_temp(name),
                    RemoveOp::SyncIncoming => store.sync_incoming(),
                });
                match removed.await {
                    Ok(()) => remove.done(),
                    Err(error) => {
                        tracing::error!(%name, ?op, %error, "cannot settle an upload");
                        remove.failed()
                    }
                }
            }
            Step::Done(recovered) => return recovered,
        };
    }
}

async fn carry_out(common: Arc<Common>, mut orders: mpsc::Receiver<Reclaim>) {
    let slots = Arc::new(Semaphore::new(RECLAIMS_AT_ONCE_MAX));
    while let Some(order) = orders.recv().await {
        let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        let common = Arc::clone(&common);
        tokio::spawn(async move {
            reclaim(&common, order).await;
            drop(slot);
        });
    }
}

/// Removes the bytes of one order and reports it.
async fn reclaim(common: &Common, order: Reclaim) {
    let Ok(image) = ImageId::from_bytes(&order.image) else {
        tracing::error!(order = order.order, "an order to remove bytes names no image");
        return;
    };
    let mut retry = Retry::default();
    for _ in 0..RECLAIM_ATTEMPTS {
        let (store, url) = (common.store.clone(), order.location.url.clone());
        match common.bulk.call(move || store.reclaim(image, &url)).await {
            Ok(()) => match common.asker.ask(Ask::Reclaimed { order: order.order }).await {
                Answer::Noted => {
                    tracing::debug!(%image, order = order.order, "bytes were removed");
                    return;
                }
                answer => tracing::debug!(?answer, "a removal could not be reported"),
            },
            Err(ReclaimError::Refused(refused)) => {
                tracing::error!(%image, %refused, "an order to remove other bytes");
                return;
            }
            Err(ReclaimError::Failed(error)) => {
                tracing::error!(%image, %error, "cannot remove an image's bytes");
            }
        }
        tokio::time::sleep(Duration::from_millis(retry.pause_ms())).await;
    }
}
