//! The control plane of the tests.

use glint_link::replica::SESSIONS_PER_CONNECTION;
use glint_link::wire::{
    Answer, Ask, Caller, Grant, Header, Hello, ImageRecord, Location, Mark, Outcome, Policy,
    PolicyRule, PolicyText, Push, Reclaim, RequestHead, Settings, ToControl, ToData, Welcome,
};
use glint_quic::{
    Connection, Credentials, Listener, RecvStream, SendStream, VarInt, read_body, read_frame,
    write_body, write_frame,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

pub(crate) type Image = [u8; 36];

/// A row of the catalogue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) status: &'static str,
    pub(crate) epoch: u64,
    pub(crate) size: Option<u64>,
    pub(crate) md5: Option<String>,
    pub(crate) sha512: Vec<u8>,
    pub(crate) url: Option<String>,
}

/// What the control plane knows, and how it is to behave.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) rows: BTreeMap<Image, Row>,
    /// Epochs that ended, and how.
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    /// Requests that were relayed, with their bodies.
    pub(crate) relayed: Vec<(RequestHead, Vec<u8>)>,
    /// Orders that were carried out.
    pub(crate) reclaimed: Vec<u64>,
    /// Hellos received.
    pub(crate) hellos: Vec<Hello>,
    /// Refuse every reservation with this response.
    pub(crate) refuse: Option<(u16, &'static str)>,
    /// Close the connection instead of answering so many commits, after carrying them out.
    pub(crate) lose_commit_answers: u32,
    /// Largest body taken.
    pub(crate) size_bytes_max: u64,
    /// What each token may do.
    pub(crate) tokens: BTreeMap<String, Grant>,
    /// The headers of the callers it was asked about.
    pub(crate) identified: Vec<Vec<Header>>,
    /// What it pushes first.
    pub(crate) settings: Settings,
    seq: u64,
    session: u64,
    pushed: u64,
    applied: u64,
    pushes: Option<mpsc::UnboundedSender<ToData>>,
    connection: Option<Connection>,
}

struct Shared {
    state: Mutex<State>,
    applied: Notify,
}

/// A control plane on a thread of its own; gone when dropped.
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    pub(crate) fn start(credentials: &Credentials) -> Self {
        let settings = everybody_does_everything();
        let state = State { size_bytes_max: u64::MAX, settings, ..State::default() };
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), credentials, state)
    }

    /// Ends it and gives what it knew, to be started again with.
    pub(crate) fn stop(self) -> State {
        let shared = Arc::clone(&self.shared);
        drop(self);
        let mut state = std::mem::take(&mut *shared.state.lock().unwrap());
        // They would keep the socket of a listener that is gone.
        (state.connection, state.pushes) = (None, None);
        state
    }

    /// Starts again on the same address with the same knowledge.
    pub(crate) fn start_at(address: SocketAddr, credentials: &Credentials, state: State) -> Self {
        let credentials = credentials.clone();
        let shared = Arc::new(Shared { state: Mutex::new(state), applied: Notify::new() });
        let (stop, stopped) = oneshot::channel();
        let (bound, wait) = std::sync::mpsc::channel();
        let inside = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = Listener::bind(address, &credentials).unwrap();
                bound.send(listener.local_addr()).unwrap();
                tokio::select! {
                    () = accept(&listener, inside) => {}
                    _ = stopped => {}
                }
                listener.close("stopped");
                let _ = tokio::time::timeout(Duration::from_secs(1), listener.wait_idle()).await;
            });
        });
        let address = wait.recv().unwrap();
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Makes an image of a status; gives its id.
    pub(crate) fn create(&self, status: &'static str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.state().rows.insert(image(&id), Row { status, ..Row::default() });
        id
    }

    /// Removes a row, orders its bytes removed, and waits until the data plane has confirmed the
    /// removal.
    pub(crate) fn delete(&self, id: &str) {
        let number = self.state().delete(image(id));
        super::eventually("the push is confirmed", || {
            (self.state().applied >= number).then_some(())
        });
    }

    /// Pushes an order to remove bytes.
    pub(crate) fn order_reclaim(&self, order: u64, id: &str, url: &str) {
        let location = Location { store: String::new(), url: url.to_owned() };
        self.state().push(Push::Reclaim(Reclaim { order, image: image(id), location }));
    }

    /// Cuts the connection of the data plane; it may come back.
    pub(crate) fn cut(&self) {
        if let Some(connection) = self.state().connection.take() {
            connection.close(VarInt::from_u32(7), b"cut by the test");
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Settings of a deployment in which nobody authenticates.
fn everybody_does_everything() -> Settings {
    let rule =
        |name: &str| PolicyRule { name: name.to_owned(), text: PolicyText::Text("@".to_owned()) };
    let rules = vec![rule("download_image"), rule("get_image")];
    Settings {
        generation: 1,
        minor_versions: vec![0, 1, 2, 9],
        identity_headers: vec!["x-auth-token".to_owned()],
        everybody: Some(Grant { is_admin: true, in_scope: true, ..Grant::default() }),
        policy: Policy { rules, ..Policy::default() },
        cross_origin: None,
    }
}

pub(crate) fn image(id: &str) -> Image {
    id.as_bytes().try_into().unwrap()
}

impl State {
    fn push(&mut self, body: Push) -> u64 {
        self.pushed += 1;
        let push = ToData::Push { session: self.session, number: self.pushed, body };
        if let Some(pushes) = &self.pushes {
            let _ = pushes.send(push);
        }
        self.pushed
    }

    fn push_row(&mut self, image: Image) -> u64 {
        self.seq += 1;
        let seq = self.seq;
        let body = match self.rows.get(&image) {
            None => Push::Absent { image, seq },
            Some(row) => Push::Image(ImageRecord {
                image,
                seq,
                status: row.status.to_owned(),
                visibility: "shared".to_owned(),
                owner: Some("owner".to_owned()),
                members: Vec::new(),
                size_bytes: row.size,
                checksum: row.md5.clone(),
                epoch: if row.status == "saving" { row.epoch } else { 0 },
                locations: row
                    .url
                    .iter()
                    .map(|url| Location { store: String::new(), url: url.clone() })
                    .collect(),
                attributes: Vec::new(),
            }),
        };
        self.push(body)
    }

    fn delete(&mut self, image: Image) -> u64 {
        let row = self.rows.remove(&image);
        let number = self.push_row(image);
        if let Some(row) = row {
            if row.status == "saving" {
                self.outcomes.insert(row.epoch, Outcome::Dead);
            }
            if let Some(url) = row.url {
                let location = Location { store: String::new(), url };
                let order = self.seq;
                self.push(Push::Reclaim(Reclaim { order, image, location }));
            }
        }
        number
    }

    fn mark(&self, number: u64) -> Mark {
        Mark { session: self.session, number }
    }
}

async fn accept(listener: &Listener, shared: Arc<Shared>) {
    while let Some(accepted) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let Ok(connection) = accepted.finish().await else { return };
            let Ok(session) = connection.accept_bi().await else { return };
            shared.state.lock().unwrap().connection = Some(connection.clone());
            let asks = serve_asks(connection, shared.clone());
            tokio::join!(serve_session(session, shared), asks);
        });
    }
}

async fn serve_session((mut send, mut recv): (SendStream, RecvStream), shared: Arc<Shared>) {
    let Ok(hello) = read_frame::<Hello>(&mut recv).await else { return };
    let (queue, mut pushes) = mpsc::unbounded_channel();
    let session = {
        let mut state = shared.state.lock().unwrap();
        state.hellos.push(hello);
        state.session += SESSIONS_PER_CONNECTION;
        state.pushed = 0;
        state.applied = 0;
        state.pushes = Some(queue.clone());
        state.session
    };
    let welcome = Welcome::Accepted { version: 1, session, catalogue: [9; 16], lease_ms: 10_000 };
    if write_frame(&mut send, &welcome).await.is_err() {
        return;
    }
    let writing = async {
        while let Some(frame) = pushes.recv().await {
            if write_frame(&mut send, &frame).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        while let Ok(frame) = read_frame::<ToControl>(&mut recv).await {
            let mut state = shared.state.lock().unwrap();
            match frame {
                ToControl::Hold { last: true, .. } => {
                    let settings = state.settings.clone();
                    state.push(Push::Settings(settings));
                    for image in state.rows.keys().copied().collect::<Vec<_>>() {
                        state.push_row(image);
                    }
                    state.push(Push::Current);
                }
                ToControl::Applied { through, session: of } if of == session => {
                    state.applied = through;
                    shared.applied.notify_waiters();
                }
                ToControl::Ping { nonce, .. } => {
                    let _ = queue.send(ToData::Pong { nonce, lease_ms: 10_000 });
                }
                _ => {}
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
}

async fn serve_asks(connection: Connection, shared: Arc<Shared>) {
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        let (shared, connection) = (shared.clone(), connection.clone());
        tokio::spawn(async move {
            let Ok(ask) = read_frame::<Ask>(&mut recv).await else { return };
            if let Ask::Relay { head, .. } = ask {
                let body = read_body(&mut recv, 64 << 20).await.unwrap();
                let (answer, text) = relay(&shared, head, body).await;
                let _ = write_frame(&mut send, &answer).await;
                let _ = write_body(&mut send, &text).await;
            } else {
                let answer = {
                    let mut state = shared.state.lock().unwrap();
                    let answer = decide(&mut state, &ask);
                    if matches!(ask, Ask::Commit { .. }) && state.lose_commit_answers > 0 {
                        state.lose_commit_answers -= 1;
                        connection.close(VarInt::from_u32(8), b"answer lost by the test");
                        return;
                    }
                    answer
                };
                let _ = write_frame(&mut send, &answer).await;
            }
            let _ = send.finish();
            let _ = send.stopped().await;
        });
    }
}

fn decide(state: &mut State, ask: &Ask) -> Answer {
    match ask {
        Ask::Resolve { image } => {
            let number = state.push_row(*image);
            Answer::Resolved { at: state.mark(number) }
        }
        Ask::Identify { key, headers } => {
            state.identified.push(headers.clone());
            let token = headers.first().map(|header| header.value.clone()).unwrap_or_default();
            let token = String::from_utf8(token).unwrap();
            let grant = state.tokens.get(&token).cloned();
            let generation = state.settings.generation;
            let caller = Caller { key: *key, generation, grant, valid_ms: 60_000 };
            let number = state.push(Push::Caller(caller));
            Answer::Identified { at: state.mark(number) }
        }
        Ask::Reserve { image, .. } => reserve(state, *image),
        Ask::Commit { image, epoch, size_bytes, md5, sha512, location } => {
            if state.outcomes.get(epoch) != Some(&Outcome::Open) {
                return match state.outcomes.get(epoch) {
                    Some(Outcome::Committed) => Answer::Committed { at: state.mark(0) },
                    _ => Answer::Fenced,
                };
            }
            let row = state.rows.get_mut(image).expect("an open epoch has a row");
            row.status = "active";
            row.size = Some(*size_bytes);
            row.md5 = Some(md5.iter().map(|byte| format!("{byte:02x}")).collect());
            row.sha512 = sha512.to_vec();
            row.url = Some(location.url.clone());
            state.outcomes.insert(*epoch, Outcome::Committed);
            let number = state.push_row(*image);
            Answer::Committed { at: state.mark(number) }
        }
        Ask::Abort { image, epoch } => {
            if state.outcomes.get(epoch) == Some(&Outcome::Open) {
                state.outcomes.insert(*epoch, Outcome::Dead);
                if let Some(row) = state.rows.get_mut(image) {
                    row.status = "queued";
                }
                state.push_row(*image);
            }
            Answer::Aborted
        }
        Ask::Outcome { epoch, .. } => {
            Answer::Outcome(state.outcomes.get(epoch).copied().unwrap_or(Outcome::Dead))
        }
        Ask::Reclaimed { order } => {
            state.reclaimed.push(*order);
            Answer::Noted
        }
        Ask::Relay { .. } => unreachable!("relayed requests are answered elsewhere"),
    }
}

fn reserve(state: &mut State, image: Image) -> Answer {
    let refused = |status: u16, text: &str| Answer::Refused {
        status,
        headers: vec![header("content-type", "text/plain")],
        body: text.as_bytes().to_vec(),
    };
    if let Some((status, text)) = state.refuse {
        return refused(status, text);
    }
    let epoch = state.seq + 1;
    match state.rows.get_mut(&image) {
        None => return refused(404, "No such image."),
        Some(row) if row.status != "queued" => return refused(409, "Not queued."),
        Some(row) => {
            row.status = "saving";
            row.epoch = epoch;
        }
    }
    state.outcomes.insert(epoch, Outcome::Open);
    let number = state.push_row(image);
    Answer::Reserved {
        epoch,
        size_bytes_max: state.size_bytes_max,
        store: String::new(),
        at: state.mark(number),
    }
}

/// `DELETE /v2/images/{id}` deletes, as the real one does; anything else is echoed.
async fn relay(shared: &Shared, head: RequestHead, body: Vec<u8>) -> (Answer, Vec<u8>) {
    let at = {
        let mut state = shared.state.lock().unwrap();
        state.relayed.push((head.clone(), body.clone()));
        let id = head.path.strip_prefix("/v2/images/").filter(|_| head.method == "DELETE");
        let number = id.map_or(0, |id| state.delete(image(id)));
        state.mark(number)
    };
    loop {
        let confirmed = shared.applied.notified();
        if shared.state.lock().unwrap().applied >= at.number {
            break;
        }
        let _ = tokio::time::timeout(Duration::from_millis(50), confirmed).await;
    }
    if head.method == "DELETE" {
        return (Answer::Relayed { status: 204, headers: Vec::new(), at, keep: None }, Vec::new());
    }
    let text = format!("{} {} {:?} {}", head.method, head.path, head.query, body.len());
    let headers = vec![
        header("content-type", "text/plain"),
        header("x-openstack-request-id", &head.request_id),
    ];
    (Answer::Relayed { status: 200, headers, at, keep: None }, text.into_bytes())
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.as_bytes().to_vec() }
}
