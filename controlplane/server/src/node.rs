//! One data plane's session: one task owns it, selects a typed event, applies it, then does what
//! the machine wants.
//!
//! Drives `glint_link::replica::Publisher`. Leaves asks to `asks` and the reading of the outbox to
//! `catalogue`. Invariants: the node's row is in the database before it is welcomed; nothing but
//! this task touches the publisher or the stream; what the database does not answer is asked again
//! until it does, without holding up the session.

use crate::plane::{Feed, Plane};
use crate::record;
use crate::sessions::{Full, Registration, Request, SessionHandle};
use controlplane_db::{DatabaseError, utc_now};
use glint_image::limits::{SESSION_FRAMES_MAX, SESSION_INBOX_MAX};
use glint_image::{ImageId, NodeId, Seq, SessionId};
use glint_link::replica::{
    EndReason, Loaded, Millis, Publisher, PublisherAction, PublisherConfig, Ticket,
};
use glint_link::wire::{self, Hello, Mark, Settings, ToControl, ToData, Welcome};
use glint_quic::frames::{ReadError, Writable, WriteError};
use glint_quic::{Connection, RecvStream, SendStream, read_frame, write_frame};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// How long a node may take for its hello, and the database for its row.
pub(crate) const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// How long a node may leave a frame untaken. It reads at all times, so one that does not is
/// broken.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// The name of no ping: nodes count theirs from 1.
const NO_PING: u64 = 0;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The node went away or its connection was lost.
    #[error("the stream ended: {0}")]
    Read(#[from] ReadError),
    /// It takes no frames.
    #[error("a frame could not be sent: {0}")]
    Write(#[from] WriteError),
    /// It took too long.
    #[error("{0} took too long")]
    Late(&'static str),
    /// It was refused; the text was sent to it.
    #[error("refused: {0}")]
    Refused(String),
    /// The machine says so.
    #[error(transparent)]
    Closed(#[from] EndReason),
    /// The database answers what asking again cannot mend.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A fault of ours, logged where it happened.
    #[error("a task of the session broke")]
    Broken,
    /// The control plane is going down.
    #[error("the control plane stops")]
    Stopped,
}

/// What can happen to a session.
enum Event {
    Message(ToControl),
    Lost(ReadError),
    Request(Request),
    Feed(Feed),
    FeedOverflowed,
    Settings(Arc<Settings>),
    Done(Done),
    Timeout,
    /// The database has kept the answer to a ping waiting for long.
    Quiet,
}

/// What a job for the database brought.
enum Done {
    Loaded(ImageId, Box<Loaded>),
    Renewed(Seq),
    Superseded,
    Applied,
}

struct Session {
    plane: Arc<Plane>,
    node: NodeId,
    publisher: Publisher,
    send: SendStream,
    registration: Registration,
    tickets: BTreeMap<Ticket, oneshot::Sender<Mark>>,
    newest_ticket: Ticket,
    jobs: JoinSet<Result<Done, DatabaseError>>,
    /// What is to be written as the node's `applied_seq` once the write under way is done.
    applied_next: Option<Seq>,
    applied_writing: bool,
    /// When to show the node that only the database is silent; while a renewal is under way.
    quiet_at: Option<Millis>,
}

struct Inputs {
    messages: mpsc::Receiver<Result<ToControl, ReadError>>,
    requests: mpsc::Receiver<Request>,
    feed: broadcast::Receiver<Feed>,
    settings: watch::Receiver<Arc<Settings>>,
}

/// Serves a session from its hello to its end.
pub(crate) async fn run(
    plane: Arc<Plane>,
    connection: Connection,
    mut send: SendStream,
    mut recv: RecvStream,
    established: watch::Sender<Option<SessionHandle>>,
) -> Result<(), End> {
    let late = |_| End::Late("the hello");
    let hello: Hello =
        tokio::time::timeout(HELLO_DEADLINE, read_frame(&mut recv)).await.map_err(late)??;
    let node = NodeId(hello.node);
    let (requests_in, requests) = mpsc::channel(SESSION_INBOX_MAX);
    let handle =
        SessionHandle::new(node, new_session(), hello.incarnation, requests_in, connection.clone());
    let registration = match admit(&plane, &hello, &handle).await {
        Ok(registration) => registration,
        Err(reason) => return Err(refuse(&mut send, reason).await),
    };
    // Rows that come between the subscription and the reading of `seen` are in both; the machine
    // ignores them.
    let feed = plane.feed.subscribe();
    let mut settings = plane.settings.subscribe();
    let first_settings = Settings::clone(&settings.borrow_and_update());
    let head = *plane.seen.borrow();
    let welcome = Welcome::Accepted {
        version: wire::VERSION,
        session: handle.session.0,
        catalogue: plane.db.catalogue(),
        lease_ms: plane.lease.0,
    };
    write(&mut send, &welcome).await?;
    let from = connection.remote_address();
    tracing::info!(%node, engine = hello.engine, %from, "a data plane joined");
    let config = PublisherConfig {
        session: handle.session,
        lease: plane.lease,
        head,
        settings: first_settings,
    };
    let publisher = Publisher::new(plane.now(), config);
    let inputs = Inputs { messages: reader(recv), requests, feed, settings };
    established.send_replace(Some(handle));
    let session = Session {
        plane,
        node,
        publisher,
        send,
        registration,
        tickets: BTreeMap::new(),
        newest_ticket: Ticket(0),
        jobs: JoinSet::new(),
        applied_next: None,
        applied_writing: false,
        quiet_at: None,
    };
    session.run(inputs).await
}

/// Notes the node in the database and in the table of sessions, and gives up the uploads of its
/// earlier lives.
async fn admit(
    plane: &Arc<Plane>,
    hello: &Hello,
    handle: &SessionHandle,
) -> Result<Registration, String> {
    let (oldest, newest) = hello.versions;
    if !(oldest..=newest).contains(&wire::VERSION) {
        let ours = wire::VERSION;
        return Err(format!("wire version {ours} is spoken here, {oldest} to {newest} there"));
    }
    let SessionHandle { node, session, incarnation, .. } = *handle;
    let (db, lease_ms) = (&plane.db, plane.lease.0);
    let noted = async {
        let hello = || db.node_hello(node, incarnation, session, lease_ms, utc_now());
        plane.answered(hello).await?;
        plane.answered(|| db.close_uploads_of(node, incarnation, utc_now())).await
    };
    let closed = match tokio::time::timeout(HELLO_DEADLINE, noted).await {
        Ok(Ok(closed)) => closed,
        Ok(Err(error)) => {
            tracing::error!(%error, %node, "a data plane cannot be noted in the database");
            return Err("the database refuses".to_owned());
        }
        Err(_) => return Err("the database does not answer".to_owned()),
    };
    if !closed.is_empty() {
        let count = closed.len();
        tracing::info!(%node, count, "uploads of the node's earlier life are given up");
        plane.changed.notify_one();
    }
    plane.sessions.register(handle.clone()).map_err(|full: Full| full.to_string())
}

async fn refuse(send: &mut SendStream, reason: String) -> End {
    if let Err(end) = write(send, &Welcome::Refused { reason: reason.clone() }).await {
        return end;
    }
    // Closing the connection at once would overtake the text.
    let _ = send.finish();
    let _ = tokio::time::timeout(HELLO_DEADLINE, send.stopped()).await;
    End::Refused(reason)
}

/// A connection's first session number: never given before, by chance of 48 random bits.
fn new_session() -> SessionId {
    let [b0, b1, b2, b3, b4, b5, ..] = uuid::Uuid::new_v4().into_bytes();
    SessionId(u64::from_le_bytes([0, 0, b0, b1, b2, b3, b4, b5]))
}

/// Reading a frame cannot be broken off half-way, so a task of its own does it. It ends with the
/// connection.
fn reader(mut recv: RecvStream) -> mpsc::Receiver<Result<ToControl, ReadError>> {
    let (messages_in, messages) = mpsc::channel(SESSION_FRAMES_MAX);
    tokio::spawn(async move {
        loop {
            let message = read_frame(&mut recv).await;
            let over = message.is_err();
            if messages_in.send(message).await.is_err() || over {
                return;
            }
        }
    });
    messages
}

async fn write<T: Writable>(send: &mut SendStream, frame: &T) -> Result<(), End> {
    let late = |_| End::Late("taking a frame");
    Ok(tokio::time::timeout(WRITE_DEADLINE, write_frame(send, frame)).await.map_err(late)??)
}

// === impl Session ===

impl Session {
    async fn run(mut self, mut inputs: Inputs) -> Result<(), End> {
        loop {
            let event = self.next(&mut inputs).await?;
            self.apply(event)?;
            self.act().await?;
            self.registration.confirm(self.publisher.confirmed_through());
        }
    }

    async fn next(&mut self, inputs: &mut Inputs) -> Result<Event, End> {
        let timeout = self.publisher.poll_timeout().map(|at| self.plane.instant(at));
        let quiet = self.quiet_at.map(|at| self.plane.instant(at));
        Ok(tokio::select! {
            message = inputs.messages.recv() => match message {
                Some(Ok(message)) => Event::Message(message),
                Some(Err(error)) => Event::Lost(error),
                None => return Err(End::Broken),
            },
            request = inputs.requests.recv() => match request {
                Some(request) => Event::Request(request),
                None => return Err(End::Stopped),
            },
            feed = inputs.feed.recv() => match feed {
                Ok(feed) => Event::Feed(feed),
                Err(RecvError::Lagged(_)) => Event::FeedOverflowed,
                Err(RecvError::Closed) => return Err(End::Stopped),
            },
            Ok(()) = inputs.settings.changed() => {
                Event::Settings(Arc::clone(&inputs.settings.borrow_and_update()))
            }
            Some(done) = self.jobs.join_next() => match done {
                Ok(done) => Event::Done(done?),
                Err(error) => {
                    tracing::error!(%error, node = %self.node, "a job of a session broke");
                    return Err(End::Broken);
                }
            },
            () = reached(timeout) => Event::Timeout,
            () = reached(quiet) => Event::Quiet,
        })
    }

    fn apply(&mut self, event: Event) -> Result<(), End> {
        let now = self.plane.now();
        match event {
            Event::Message(message) => self.publisher.handle_message(now, message),
            Event::Lost(error) => return Err(error.into()),
            Event::Request(request) => self.apply_request(request),
            Event::Feed(Feed::Changes(changes)) => {
                for change in changes.iter() {
                    self.publisher.handle_change(now, *change);
                }
            }
            Event::Feed(Feed::Lost(through)) => self.publisher.handle_changes_lost(now, through),
            Event::FeedOverflowed => {
                tracing::warn!(node = %self.node, "the session lags behind and starts over");
                let seen = *self.plane.seen.borrow();
                self.publisher.handle_changes_lost(now, seen);
            }
            Event::Settings(settings) => {
                self.publisher.handle_settings(now, Settings::clone(&settings));
            }
            Event::Done(done) => self.apply_done(done),
            Event::Timeout => self.publisher.handle_timeout(now),
            // Done by `act`.
            Event::Quiet => {}
        }
        Ok(())
    }

    fn apply_request(&mut self, request: Request) {
        let now = self.plane.now();
        match request {
            Request::Resolve { image, reply } => {
                let ticket = self.ticket(reply);
                self.publisher.handle_resolve(now, ticket, image);
            }
            Request::Watch { image, reply } => {
                let ticket = self.ticket(reply);
                self.publisher.handle_watch(now, ticket, image);
            }
            Request::Caller { caller, reply } => {
                let ticket = self.ticket(reply);
                self.publisher.handle_caller(now, ticket, caller);
            }
            Request::Reach { seq, reply } => {
                let ticket = self.ticket(reply);
                self.publisher.handle_mark(now, ticket, seq);
            }
            Request::Reclaim(reclaim) => {
                if !self.publisher.handle_reclaim(now, reclaim) {
                    tracing::debug!(node = %self.node, "the node has as many orders as it may");
                }
            }
            Request::Reclaimed { order } => self.publisher.handle_reclaimed(order),
        }
    }

    fn apply_done(&mut self, done: Done) {
        let now = self.plane.now();
        match done {
            Done::Loaded(image, loaded) => self.publisher.handle_loaded(now, image, *loaded),
            Done::Renewed(head) => {
                self.quiet_at = None;
                self.publisher.handle_renewed(now, head);
            }
            Done::Superseded => self.publisher.handle_superseded(),
            Done::Applied => self.applied_writing = false,
        }
    }

    fn ticket(&mut self, reply: oneshot::Sender<Mark>) -> Ticket {
        self.newest_ticket = Ticket(self.newest_ticket.0 + 1);
        self.tickets.insert(self.newest_ticket, reply);
        self.newest_ticket
    }

    fn half_a_lease(&self) -> Millis {
        Millis((self.plane.lease.0 / 2).max(1))
    }

    async fn act(&mut self) -> Result<(), End> {
        while let Some(action) = self.publisher.poll_action() {
            match action {
                PublisherAction::Send(frame) => write::<ToData>(&mut self.send, &frame).await?,
                PublisherAction::Load { image } => {
                    self.jobs.spawn(load(Arc::clone(&self.plane), image));
                }
                PublisherAction::Renew => {
                    let session = self.publisher.connection();
                    self.quiet_at = Some(self.plane.now().plus(self.half_a_lease()));
                    self.jobs.spawn(renew(Arc::clone(&self.plane), self.node, session));
                }
                PublisherAction::Marked { ticket, mark } => {
                    if let Some(reply) = self.tickets.remove(&ticket) {
                        // The ask may have been given up.
                        let _ = reply.send(mark);
                    }
                }
                PublisherAction::Confirmed { through } => self.applied_next = Some(through),
                PublisherAction::Close(reason) => return Err(reason.into()),
            }
        }
        self.note_applied();
        self.break_silence().await
    }

    /// Writes what the node has confirmed to its row, one write at a time.
    fn note_applied(&mut self) {
        if self.applied_writing {
            return;
        }
        let Some(through) = self.applied_next.take() else { return };
        self.applied_writing = true;
        let session = self.publisher.connection();
        self.jobs.spawn(note_applied(Arc::clone(&self.plane), self.node, session, through));
    }

    /// Shows the node that only the database is silent: it takes the link for lost when it hears
    /// nothing, and requests that only read would be lost with it. Grants nothing.
    async fn break_silence(&mut self) -> Result<(), End> {
        let now = self.plane.now();
        if self.quiet_at.is_some_and(|at| now >= at) {
            self.quiet_at = Some(now.plus(self.half_a_lease()));
            let sign = ToData::Pong { nonce: NO_PING, lease_ms: 0 };
            write(&mut self.send, &sign).await?;
        }
        Ok(())
    }
}

// === jobs ===

async fn reached(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn load(plane: Arc<Plane>, image: ImageId) -> Result<Done, DatabaseError> {
    // Settings that change meanwhile have the record read again.
    let settings = Arc::clone(&plane.settings.borrow());
    let loaded = match plane.answered(|| plane.db.record(image)).await {
        Ok(record) => record::loaded(record, &settings.policy.attributes),
        Err(error) => {
            // Serving nothing is the only safe reading of a row that cannot be read.
            tracing::error!(%error, %image, "an image cannot be read and is not served");
            let as_of = plane.answered(|| plane.db.head()).await?;
            Loaded { as_of, record: None }
        }
    };
    Ok(Done::Loaded(image, Box::new(loaded)))
}

async fn renew(plane: Arc<Plane>, node: NodeId, session: SessionId) -> Result<Done, DatabaseError> {
    let (db, lease_ms) = (&plane.db, plane.lease.0);
    if !plane.answered(|| db.node_renew(node, session, lease_ms, utc_now())).await? {
        return Ok(Done::Superseded);
    }
    Ok(Done::Renewed(plane.answered(|| db.head()).await?))
}

async fn note_applied(
    plane: Arc<Plane>,
    node: NodeId,
    session: SessionId,
    through: Seq,
) -> Result<Done, DatabaseError> {
    let noted = plane.answered(|| plane.db.node_applied(node, session, through, utc_now())).await?;
    Ok(if noted { Done::Applied } else { Done::Superseded })
}
