//! Accepts data planes: one task per connection, in it the session and one task per ask.
//!
//! Leaves the session to `node` and the asks to `asks`. Invariants: a connection ends with its
//! session; asks in flight are bounded by the streams QUIC lets a node open.

use crate::asks;
use crate::node::{self, End, HELLO_DEADLINE};
use crate::plane::Plane;
use crate::sessions::SessionHandle;
use glint_image::limits::LINK_SESSIONS_MAX;
use glint_quic::endpoint::Accepted;
use glint_quic::frames::ReadError;
use glint_quic::{Connection, Listener, VarInt};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Accepts until the listener is closed or this is dropped, which ends every connection.
pub(crate) async fn run(plane: Arc<Plane>, listener: Arc<Listener>) {
    let mut connections = JoinSet::new();
    while let Some(accepted) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() >= 2 * LINK_SESSIONS_MAX {
            // As many again as may stay are being set up or wound up. Dropping the attempt refuses
            // it.
            tracing::warn!(from = %accepted.remote_address(), "too many connections to the link");
            continue;
        }
        connections.spawn(serve(Arc::clone(&plane), accepted));
    }
}

async fn serve(plane: Arc<Plane>, accepted: Accepted) {
    let from = accepted.remote_address();
    let connection = match accepted.finish().await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(%error, %from, "a connection to the link was refused");
            return;
        }
    };
    let (established, session) = watch::channel(None);
    let end = tokio::select! {
        end = run_session(&plane, &connection, established) => end,
        () = take_asks(&plane, &connection, session) => Err(End::Stopped),
    };
    connection.close(VarInt::from_u32(0), b"the session has ended");
    match end {
        // Going away is a node's right; so is ours.
        Ok(()) | Err(End::Read(ReadError::Ended | ReadError::Lost(_)) | End::Stopped) => {
            tracing::info!(%from, "a data plane left");
        }
        Err(error) => tracing::warn!(%error, %from, "a data plane's session ended"),
    }
}

async fn run_session(
    plane: &Arc<Plane>,
    connection: &Connection,
    established: watch::Sender<Option<SessionHandle>>,
) -> Result<(), End> {
    let opened = tokio::time::timeout(HELLO_DEADLINE, connection.accept_bi()).await;
    let Ok(opened) = opened else { return Err(End::Late("opening the session stream")) };
    let Ok((send, recv)) = opened else { return Err(End::Stopped) };
    node::run(Arc::clone(plane), connection.clone(), send, recv, established).await
}

/// Takes asks once the session is established; before that there is nobody to answer for. Ends with
/// the connection.
async fn take_asks(
    plane: &Arc<Plane>,
    connection: &Connection,
    mut session: watch::Receiver<Option<SessionHandle>>,
) {
    let established = session.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
    // Without one the session's own end tells why.
    let Some(session) = established else { return std::future::pending().await };
    let mut asks = JoinSet::new();
    while let Ok((send, recv)) = connection.accept_bi().await {
        while let Some(ended) = asks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "an ask broke");
            }
        }
        asks.spawn(asks::serve(Arc::clone(plane), session.clone(), send, recv));
    }
    // The session's end tells why.
    std::future::pending().await
}
