//! Answers asks: one stream, one question, one answer.
//!
//! Leaves every decision to `controlplane-api` and `controlplane-db` and adds only the waiting:
//! until the asker's view can have reached the change (its mark), and, where the change restricts,
//! until no view can be behind it (`barriers`). Invariant: an ask ends with exactly one answer, or
//! with a broken stream if the peer breaks the protocol; never with the process.

use crate::barriers;
use crate::bodies::{Held, TakeError};
use crate::callers;
use crate::plane::Plane;
use crate::relay::{self, Reply};
use crate::sessions::{Request as SessionRequest, SessionEnded, SessionHandle};
use axum::body::Body;
use bytes::Bytes;
use controlplane_api::upload::{self, UploadHead, Writer};
use controlplane_api::{Changed, Keep};
use controlplane_db::{AbortOutcome, CommitOutcome, DatabaseError, Sealed, UploadState, utc_now};
use glint_image::{Epoch, FaultShape, ImageId, Md5, Seq, Sha512};
use glint_link::wire::{self, Answer, Ask, Location, Mark, Outcome, RequestHead};
use glint_quic::frames::{ReadError, WriteError};
use glint_quic::{RecvStream, SendStream, VarInt, read_frame, write_body, write_frame};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tower::ServiceExt;

/// The stream error code of an ask that breaks the protocol.
const PROTOCOL: u32 = 1;

/// The stream code of a peer that has read what it wanted.
const DONE: VarInt = VarInt::from_u32(0);

/// What data planes compute besides MD5, as Python's hashlib spells it (Glance's default
/// `hashing_algorithm`).
const HASH_ALGORITHM: &str = "sha512";

/// An answer and the body that follows it, if one does.
struct Answered {
    answer: Answer,
    body: Option<Bytes>,
    /// The turn is kept until the answer is on its way, so that stopping waits for it.
    turn: Option<Arc<OwnedSemaphorePermit>>,
    /// The reservation it tells of.
    told: Option<Unheard>,
}

/// Why there is no proper answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// Nobody can decide now.
    #[error("{0}")]
    Unavailable(String),
    /// The peer broke the protocol.
    #[error("{0}")]
    Protocol(String),
    /// There is no one left to answer.
    #[error(transparent)]
    Gone(#[from] SessionEnded),
}

/// Serves one ask to its end.
pub(crate) async fn serve(
    plane: Arc<Plane>,
    session: SessionHandle,
    mut send: SendStream,
    mut recv: RecvStream,
) {
    let answered = answer(&plane, &session, &mut recv);
    let answered = match tokio::time::timeout(plane.ask_deadline(), answered).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(Trouble::Unavailable(reason))) => unavailable(reason),
        Ok(Err(Trouble::Protocol(reason))) => {
            tracing::warn!(reason, "a data plane broke the link's protocol");
            let _ = send.reset(VarInt::from_u32(PROTOCOL));
            let _ = recv.stop(VarInt::from_u32(PROTOCOL));
            return;
        }
        Ok(Err(Trouble::Gone(_))) => return,
        Err(_) => unavailable("no decision within the deadline".to_owned()),
    };
    // The rest of a body that was refused is not read: the answer stands.
    let _ = recv.stop(VarInt::from_u32(0));
    let sent = async {
        write_frame(&mut send, &answered.answer).await?;
        if let Some(body) = &answered.body {
            write_body(&mut send, body).await?;
        }
        Ok::<(), WriteError>(())
    };
    match tokio::time::timeout(plane.ask_deadline(), sent).await {
        Ok(Ok(())) => {
            let _ = send.finish();
            // Until the node has it: closing the connection before would take it back.
            let taken = tokio::time::timeout(plane.ask_deadline(), send.stopped()).await;
            // Code 0 is a reader that is done before it saw the end; one that gives up says 1.
            let heard = matches!(taken, Ok(Ok(None))) || matches!(taken, Ok(Ok(Some(DONE))));
            if let Some(told) = answered.told.filter(|_| heard) {
                told.heard();
            }
            drop(answered.turn);
        }
        Ok(Err(error)) => tracing::debug!(%error, "an answer was not taken"),
        Err(_) => tracing::debug!("an answer was not taken in time"),
    }
}

async fn answer(
    plane: &Arc<Plane>,
    session: &SessionHandle,
    recv: &mut RecvStream,
) -> Result<Answered, Trouble> {
    let ask: Ask = read_frame(recv).await?;
    match ask {
        Ask::Relay { head, caller } => relay(plane, session, head, caller, recv).await,
        Ask::Identify { key, headers } => {
            let at = session.caller(callers::identify(plane, key, &headers)).await?;
            Ok(alone(Answer::Identified { at }))
        }
        Ask::Resolve { image } => {
            let at = session.resolve(image_id(&image)?).await?;
            Ok(alone(Answer::Resolved { at }))
        }
        Ask::Reserve { image, head, size_bytes } => {
            reserve(plane, session, image_id(&image)?, head, size_bytes).await
        }
        Ask::Commit { image, epoch, size_bytes, md5, sha512, location } => {
            let sealed = sealed(size_bytes, Md5(md5), Sha512(sha512), location);
            commit(plane, session, image_id(&image)?, Epoch(epoch), sealed).await
        }
        Ask::Abort { image, epoch } => abort(plane, image_id(&image)?, Epoch(epoch)).await,
        Ask::Outcome { image, epoch } => {
            let outcome = plane.db.outcome(image_id(&image)?, Epoch(epoch)).await;
            Ok(alone(Answer::Outcome(match plane.noted(outcome)? {
                UploadState::Open => Outcome::Open,
                UploadState::Committed => Outcome::Committed,
                UploadState::Dead => Outcome::Dead,
            })))
        }
        Ask::Reclaimed { order } => {
            plane.noted(plane.db.reclaim_done(order).await)?;
            session.tell(SessionRequest::Reclaimed { order }).await?;
            Ok(alone(Answer::Noted))
        }
    }
}

// === requests of the API ===

/// Plays a request to the API and waits until its effect may be told.
async fn relay(
    plane: &Arc<Plane>,
    session: &SessionHandle,
    head: RequestHead,
    caller: Option<[u8; 32]>,
    recv: &mut RecvStream,
) -> Result<Answered, Trouble> {
    let shape = relay::shape_of(&head);
    let body = match plane.bodies.take(recv).await {
        Ok(body) => body,
        Err(TakeError::TooLong) => {
            return Ok(relayed(relay::fault(413, shape), NOTHING_TO_WAIT_FOR, None, None));
        }
        Err(TakeError::Overload) => {
            return Err(Trouble::Unavailable(TakeError::Overload.to_string()));
        }
        Err(TakeError::Read(error)) => return Err(error.into()),
    };
    // Not before the body is there: a slow client waits at its own cost.
    let turns = Arc::clone(&plane.relays);
    let turn = Arc::new(turns.acquire_owned().await.map_err(|_| stopping())?);
    let grounds = Grounds::now(plane);
    let (reply, changed, keep) = match relay::request_of(&head) {
        Ok(mut request) => {
            request.extensions_mut().insert(relay::request_id_of(&head));
            if let Some(peer) = relay::peer_of(&head) {
                request.extensions_mut().insert(peer);
            }
            call(plane, request, body, Arc::clone(&turn), &head.request_id, shape).await
        }
        Err(error) => {
            tracing::debug!(%error, request_id = head.request_id, "a request cannot be relayed");
            (relay::fault(400, shape), None, None)
        }
    };
    let at = match (changed, keep) {
        (Some(changed), _) => settle(plane, session, changed).await?,
        (None, Some(keep)) => prepare(plane, session, keep, caller, &head.headers).await?,
        (None, None) => NOTHING_TO_WAIT_FOR,
    };
    let keep = keep.filter(|_| changed.is_none()).map(|keep| grounds.of(keep));
    Ok(relayed(reply, at, keep, Some(turn)))
}

/// What is in force before a request is answered: the reply is at least as new.
struct Grounds {
    as_of: Seq,
    generation: u64,
}

// === impl Grounds ===

impl Grounds {
    fn now(plane: &Plane) -> Self {
        Self { as_of: *plane.seen.borrow(), generation: plane.settings.borrow().generation }
    }

    fn of(&self, keep: Keep) -> wire::Keep {
        wire::Keep {
            image: keep.image.map(|image| *image.as_bytes()),
            as_of: self.as_of.0,
            caller: keep.caller,
            generation: self.generation,
        }
    }
}

/// Sees to it that the node can tell how long a reply stands: it is to hear of the image's changes,
/// and to know the caller.
async fn prepare(
    plane: &Plane,
    session: &SessionHandle,
    keep: Keep,
    caller: Option<[u8; 32]>,
    headers: &[wire::Header],
) -> Result<Mark, Trouble> {
    let mut at = NOTHING_TO_WAIT_FOR;
    if let Some(key) = caller.filter(|_| keep.caller) {
        at = session.caller(callers::identify(plane, key, headers)).await?;
    }
    if let Some(image) = keep.image {
        // Asked for later, so not before the other.
        at = session.watch(image).await?;
    }
    Ok(at)
}

/// Calls the router in a task of its own: a handler that panics takes nobody with it, and one whose
/// asker goes away still finishes what it began.
async fn call(
    plane: &Plane,
    request: http::Request<()>,
    body: Held,
    turn: Arc<OwnedSemaphorePermit>,
    request_id: &str,
    shape: FaultShape,
) -> (Reply, Option<Changed>, Option<Keep>) {
    let router = plane.router.clone();
    let handled = tokio::spawn(async move {
        let (bytes, share) = body.into_parts();
        let response = match router.oneshot(request.map(|()| Body::from(bytes))).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let changed = response.extensions().get::<Changed>().copied();
        let keep = response.extensions().get::<Keep>().copied();
        let reply = relay::reply_of(response, shape).await;
        drop((share, turn));
        (reply, changed, keep)
    });
    match handled.await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, request_id, "a request broke its handler");
            (relay::fault(500, shape), None, None)
        }
    }
}

/// Waits until a change may be told: a restricting one until no data plane can be behind it, then
/// until it has been pushed to the asker's own, whose mark is the answer.
async fn settle(plane: &Plane, session: &SessionHandle, changed: Changed) -> Result<Mark, Trouble> {
    plane.changed.notify_one();
    if changed.restricting {
        barriers::wait(plane, changed.seq).await;
        plane.reclaims_wanted.notify_one();
    }
    Ok(session.reach(changed.seq).await?)
}

fn relayed(
    reply: Reply,
    at: Mark,
    keep: Option<wire::Keep>,
    turn: Option<Arc<OwnedSemaphorePermit>>,
) -> Answered {
    let Reply { status, headers, body } = reply;
    let answer = Answer::Relayed { status, headers, at, keep };
    Answered { answer, body: Some(body), turn, told: None }
}

// === uploads ===

/// Lets the API decide on an upload; once granted, the asker is subscribed to the image, so that it
/// hears of its deletion.
async fn reserve(
    plane: &Arc<Plane>,
    session: &SessionHandle,
    image: ImageId,
    head: RequestHead,
    size_bytes: Option<u64>,
) -> Result<Answered, Trouble> {
    let shape = relay::shape_of(&head);
    let headers = match relay::headers_of(&head.headers) {
        Ok(headers) => headers,
        Err(error) => {
            tracing::debug!(%error, request_id = head.request_id, "an upload cannot be decided on");
            return Ok(refused(relay::fault(400, shape)));
        }
    };
    let request_id = relay::request_id_of(&head);
    let writer = Writer { node: session.node, incarnation: session.incarnation };
    let reserving = Arc::clone(plane);
    // In a task of its own: an asker that goes away cannot leave a reservation nobody knows of.
    let reserved = tokio::spawn(async move {
        let head = UploadHead { headers: &headers, request_id: &request_id };
        let granted = upload::reserve(&reserving.app, head, image, size_bytes, writer).await;
        granted.map(|granted| (Unheard::new(reserving, image, granted.epoch), granted))
    });
    let reserved = reserved.await.map_err(|error| Trouble::Unavailable(error.to_string()))?;
    let (told, granted) = match reserved {
        Ok(granted) => granted,
        Err(response) => return Ok(refused(relay::reply_of(response, shape).await)),
    };
    plane.changed.notify_one();
    // The record is read after the reservation, so it carries the epoch.
    let at = session.resolve(image).await?;
    let answer = Answer::Reserved {
        epoch: granted.epoch.0,
        size_bytes_max: granted.size_bytes_max,
        store: granted.store,
        at,
    };
    Ok(Answered { told: Some(told), ..alone(answer) })
}

/// A reservation whose writer may not have heard of it. Unless it is known to have, the epoch is
/// given back: else the image would stay `saving` for as long as the node lives.
struct Unheard {
    plane: Arc<Plane>,
    image: ImageId,
    epoch: Epoch,
    heard: bool,
}

/// How often, a second apart, a reservation is tried to be given back while the database is away.
const GIVE_BACK_TRIES: u32 = 600;

// === impl Unheard ===

impl Unheard {
    fn new(plane: Arc<Plane>, image: ImageId, epoch: Epoch) -> Self {
        Self { plane, image, epoch, heard: false }
    }

    /// The answer has arrived.
    fn heard(mut self) {
        self.heard = true;
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.heard {
            runtime.spawn(give_back(Arc::clone(&self.plane), self.image, self.epoch));
        }
    }
}

async fn give_back(plane: Arc<Plane>, image: ImageId, epoch: Epoch) {
    tracing::info!(%image, %epoch, "a reservation did not reach its writer and is given back");
    for _ in 0..GIVE_BACK_TRIES {
        match abort(&plane, image, epoch).await {
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, %image, "a reservation cannot be given back now"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    tracing::warn!(%image, %epoch, "a reservation was not given back: the database is away");
}

async fn commit(
    plane: &Plane,
    session: &SessionHandle,
    image: ImageId,
    epoch: Epoch,
    sealed: Sealed,
) -> Result<Answered, Trouble> {
    let quota = plane.app.options().user_storage_quota;
    let outcome = plane.db.commit(image, epoch, &sealed, quota, utc_now()).await;
    Ok(match plane.noted(outcome)? {
        CommitOutcome::Committed(changed) => {
            alone(Answer::Committed { at: settle(plane, session, changed).await? })
        }
        CommitOutcome::Fenced => alone(Answer::Fenced),
        CommitOutcome::Full(full, _) => {
            plane.changed.notify_one();
            // What the client accepts was told with the reservation and is not kept.
            let response = upload::refuse_full(full, FaultShape::Plain);
            refused(relay::reply_of(response, FaultShape::Plain).await)
        }
    })
}

async fn abort(plane: &Plane, image: ImageId, epoch: Epoch) -> Result<Answered, Trouble> {
    let outcome = plane.db.abort(image, epoch, utc_now()).await;
    Ok(alone(match plane.noted(outcome)? {
        AbortOutcome::Closed(_) => {
            plane.changed.notify_one();
            Answer::Aborted
        }
        AbortOutcome::AlreadyClosed => Answer::Aborted,
        // The bytes belong to the image now: saying `Aborted` would have them thrown away.
        AbortOutcome::Committed => Answer::Outcome(Outcome::Committed),
    }))
}

fn sealed(size_bytes: u64, md5: Md5, sha512: Sha512, location: Location) -> Sealed {
    let metadata = if location.store.is_empty() {
        "{}".to_owned()
    } else {
        serde_json::json!({ "store": location.store }).to_string()
    };
    Sealed {
        size: size_bytes,
        virtual_size: None,
        md5: md5.to_hex(),
        hash_algo: HASH_ALGORITHM.to_owned(),
        hash_value: sha512.to_hex(),
        url: location.url,
        metadata,
    }
}

// === small parts ===

const NOTHING_TO_WAIT_FOR: Mark = Mark { session: 0, number: 0 };

fn alone(answer: Answer) -> Answered {
    Answered { answer, body: None, turn: None, told: None }
}

fn refused(reply: Reply) -> Answered {
    let Reply { status, headers, body } = reply;
    alone(Answer::Refused { status, headers, body: body.to_vec() })
}

fn unavailable(reason: String) -> Answered {
    alone(Answer::Unavailable { reason })
}

fn stopping() -> Trouble {
    Trouble::Unavailable("the control plane stops".to_owned())
}

fn image_id(text: &[u8; 36]) -> Result<ImageId, Trouble> {
    ImageId::from_bytes(text).map_err(|error| Trouble::Protocol(error.to_string()))
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => Self::Protocol(error.to_string()),
            ReadError::Ended | ReadError::Truncated | ReadError::Lost(_) => {
                Self::Gone(SessionEnded)
            }
        }
    }
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        if !error.may_pass() {
            tracing::error!(%error, "the database refused an ask");
        }
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use controlplane_api::{ApiOptions, App, Identity};
    use controlplane_db::Database;
    use glint_image::Seq;
    use glint_link::replica::Millis;

    /// A plane whose API breaks on one path.
    async fn breaking() -> (Plane, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("glint-asks-{}", uuid::Uuid::new_v4()));
        let db = Database::connect(&format!("sqlite:///{}", path.display())).await.unwrap();
        let app = App::new(db.clone(), ApiOptions::default(), Identity::unauthenticated());
        let mut plane = Plane::new(db, Arc::new(app), Millis(1_000), Seq(0));
        let broken = async || -> &'static str { panic!("as it is meant to") };
        plane.router = axum::Router::new().route("/broken", get(broken)).route("/", get("well"));
        (plane, path)
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_500_and_gives_its_turn_back() {
        let (plane, path) = breaking().await;
        let turns = plane.relays.available_permits();
        let check = async |target: &str, status: u16, text: &str| {
            let mut request = http::Request::new(());
            *request.uri_mut() = target.parse().unwrap();
            let turn = Arc::new(Arc::clone(&plane.relays).acquire_owned().await.unwrap());
            let called =
                call(&plane, request, Held::empty(), turn, "req-1", FaultShape::Plain).await;
            assert_eq!((called.0.status, called.1), (status, None));
            let body = String::from_utf8(called.0.body.to_vec()).unwrap();
            assert!(body.contains(text), "{body}");
            assert_eq!(plane.relays.available_permits(), turns);
        };
        check("/broken", 500, "The server has either erred or is incapable").await;
        check("/", 200, "well").await;
        plane.db.close().await;
        for file in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{file}", path.display()));
        }
    }
}
