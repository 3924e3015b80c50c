//! A control plane on a temporary database, and a data plane that speaks frames by hand.
//!
//! The node here is honest only as far as a test wants: it can leave pushes unconfirmed and vanish.
//! Invariant: every wait has a deadline, so what does not come fails the test instead of hanging
//! it.

use controlplane_api::edge::Edge;
use controlplane_api::{ApiOptions, Identity};
use controlplane_server::{Control, ControlOptions, PolicyFiles};
use glint_image::{ImageId, NodeId};
use glint_link::wire::{
    Answer, Ask, Caller, Header, Held, Hello, Mark, Push, Reclaim, RequestHead, ToControl, ToData,
    VERSION, Welcome,
};
use glint_quic::{
    Connection, Connector, Credentials, SendStream, read_body, read_frame, write_body, write_frame,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The lease of tests that wait for its end: long enough to be held on a busy machine, short enough
/// to be waited for.
pub(crate) const LEASE: Duration = Duration::from_millis(1_500);

/// Awaits what has to come soon.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it came in time")
}

/// A directory that goes away with the test.
pub(crate) struct Place {
    dir: PathBuf,
    control: Credentials,
    data: Credentials,
    lease: Duration,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::leasing(LEASE)
    }

    /// A place whose nodes get leases of this length.
    pub(crate) fn leasing(lease: Duration) -> Self {
        let dir = std::env::temp_dir().join(format!("glint-control-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&dir).unwrap();
        let (control, data) = glint_quic::ca::ephemeral().unwrap();
        Self { dir, control, data, lease }
    }

    pub(crate) fn database_url(&self) -> String {
        format!("sqlite:///{}/catalogue.sqlite", self.dir.display())
    }

    /// The same database for a client of its own.
    pub(crate) fn sqlx_url(&self) -> String {
        format!("sqlite://{}/catalogue.sqlite", self.dir.display())
    }

    pub(crate) async fn control(&self) -> Control {
        let options = ControlOptions {
            database: controlplane_db::DatabaseOptions::new(&self.database_url()),
            link_bind: (Ipv4Addr::LOCALHOST, 0).into(),
            credentials: self.control.clone(),
            lease: self.lease,
            api: ApiOptions::default(),
            identity: Identity::unauthenticated(),
            policy: PolicyFiles::default(),
            edge: Edge::default(),
        };
        soon(Control::start(options)).await.unwrap()
    }

    pub(crate) fn connector(&self, control: &Control) -> Connector {
        Connector::new(control.link_addr(), &self.data).unwrap()
    }

    pub(crate) async fn join(&self, control: &Control, node: NodeId, incarnation: u64) -> Node {
        self.join_holding(control, node, incarnation, Vec::new()).await
    }

    /// A node that joins with records of an earlier session and follows pushes from then on.
    pub(crate) async fn join_holding(
        &self,
        control: &Control,
        node: NodeId,
        incarnation: u64,
        held: Vec<Held>,
    ) -> Node {
        let connector = self.connector(control);
        let connection = soon(connector.connect()).await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        write_frame(&mut send, &hello(node, incarnation, (1, VERSION))).await.unwrap();
        let session = match soon(read_frame::<Welcome>(&mut recv)).await.unwrap() {
            Welcome::Accepted { session, .. } => session,
            Welcome::Refused { reason } => panic!("refused: {reason}"),
        };
        let view = watch::Sender::new(View { session, ..View::default() });
        let (out, messages) = mpsc::unbounded_channel();
        out.send(ToControl::Hold { session, from: 0, images: held, last: true }).unwrap();
        tokio::spawn(writer(send, messages));
        let confirming = Arc::new(Mutex::new(true));
        tokio::spawn(follow(recv, view.clone(), out.clone(), Arc::clone(&confirming)));
        let mut joined =
            Node { connection, view, out, confirming, nonce: 0, _connector: connector };
        joined.until(|view| view.current).await;
        // The first ping may overtake the confirmation of the list.
        while joined.lease().await == 0 {}
        joined
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn hello(node: NodeId, incarnation: u64, versions: (u16, u16)) -> Hello {
    Hello { versions, node: node.0, incarnation, catalogue: None, engine: "test".to_owned() }
}

/// What the node has been pushed.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) session: u64,
    pub(crate) number: u64,
    pub(crate) current: bool,
    pub(crate) images: BTreeMap<ImageId, Push>,
    pub(crate) reclaims: Vec<Reclaim>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) leases: BTreeMap<u64, u64>,
}

/// A data plane.
pub(crate) struct Node {
    pub(crate) connection: Connection,
    view: watch::Sender<View>,
    out: mpsc::UnboundedSender<ToControl>,
    confirming: Arc<Mutex<bool>>,
    nonce: u64,
    _connector: Connector,
}

/// The reply to a relayed request.
#[derive(Debug)]
pub(crate) struct Replied {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Mark,
}

impl Node {
    pub(crate) fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until the view is as wanted.
    pub(crate) async fn until(&self, wanted: impl FnMut(&View) -> bool) {
        soon(self.view.subscribe().wait_for(wanted)).await.unwrap();
    }

    /// Stops or resumes confirming pushes; what is open is confirmed on resuming.
    pub(crate) fn confirm(&self, confirming: bool) {
        *self.confirming.lock().unwrap() = confirming;
        if confirming {
            let View { session, number, .. } = self.view();
            self.out.send(ToControl::Applied { session, through: number }).unwrap();
        }
    }

    /// Pings once; the length of the lease.
    pub(crate) async fn lease(&mut self) -> u64 {
        let nonce = self.ping();
        self.until(|view| view.leases.contains_key(&nonce)).await;
        self.view().leases[&nonce]
    }

    /// Pings once; the name of the ping.
    pub(crate) fn ping(&mut self) -> u64 {
        self.nonce += 1;
        let session = self.view().session;
        self.out.send(ToControl::Ping { session, nonce: self.nonce }).unwrap();
        self.nonce
    }

    pub(crate) async fn ask(&self, ask: &Ask) -> Answer {
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        write_frame(&mut send, ask).await.unwrap();
        send.finish().unwrap();
        soon(read_frame(&mut recv)).await.unwrap()
    }

    pub(crate) async fn relay(&self, method: &str, path: &str, body: &str) -> Replied {
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        write_frame(&mut send, &Ask::Relay { head: head(method, path), caller: None })
            .await
            .unwrap();
        write_body(&mut send, body.as_bytes()).await.unwrap();
        send.finish().unwrap();
        match soon(read_frame(&mut recv)).await.unwrap() {
            Answer::Relayed { status, headers, at, .. } => {
                let body = soon(read_body(&mut recv, 1 << 20)).await.unwrap();
                Replied { status, headers, body, at }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Creates a queued image and subscribes to it.
    pub(crate) async fn create(&self) -> ImageId {
        let image = ImageId::random();
        let body = format!(
            r#"{{"id": "{image}", "name": "x", "disk_format": "raw", "container_format": "bare"}}"#
        );
        let replied = self.relay("POST", "/v2/images", &body).await;
        assert_eq!(replied.status, 201, "{replied:?}");
        self.resolve(image).await;
        image
    }

    /// Subscribes to an image and waits for its record.
    pub(crate) async fn resolve(&self, image: ImageId) -> Push {
        let Answer::Resolved { at } = self.ask(&Ask::Resolve { image: *image.as_bytes() }).await
        else {
            panic!("not resolved")
        };
        self.until(|view| view.session == at.session && view.number >= at.number).await;
        self.view().images[&image].clone()
    }

    pub(crate) fn status(&self, image: ImageId) -> Option<String> {
        match self.view().images.get(&image)? {
            Push::Image(record) => Some(record.status.clone()),
            _ => None,
        }
    }

    /// Goes without a word: the control plane learns it when the connection is silent.
    pub(crate) fn vanish(self) {
        self.connection.close(glint_quic::VarInt::from_u32(9), b"gone");
    }
}

pub(crate) fn head(method: &str, path: &str) -> RequestHead {
    let json = Header { name: "content-type".to_owned(), value: b"application/json".to_vec() };
    RequestHead {
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        headers: vec![json],
        request_id: "req-test".to_owned(),
        peer: "127.0.0.1:1".to_owned(),
    }
}

async fn writer(mut send: SendStream, mut messages: mpsc::UnboundedReceiver<ToControl>) {
    while let Some(message) = messages.recv().await {
        if write_frame(&mut send, &message).await.is_err() {
            return;
        }
    }
}

async fn follow(
    mut recv: glint_quic::RecvStream,
    view: watch::Sender<View>,
    out: mpsc::UnboundedSender<ToControl>,
    confirming: Arc<Mutex<bool>>,
) {
    while let Ok(message) = read_frame::<ToData>(&mut recv).await {
        match message {
            ToData::Push { session, number, body } => {
                view.send_modify(|view| view.take(session, number, body));
                if *confirming.lock().unwrap() {
                    let _ = out.send(ToControl::Applied { session, through: number });
                }
            }
            ToData::Pong { nonce, lease_ms } => {
                view.send_modify(|view| {
                    view.leases.insert(nonce, lease_ms);
                });
            }
            ToData::Reset { session } => {
                let held = |view: &View| view.images.iter().map(held).collect();
                let images = held(&view.borrow());
                view.send_modify(|view| {
                    (view.session, view.number, view.current) = (session, 0, false)
                });
                let _ = out.send(ToControl::Hold { session, from: 0, images, last: true });
            }
        }
    }
}

pub(crate) fn held((image, push): (&ImageId, &Push)) -> Held {
    let seq = match push {
        Push::Image(record) => record.seq,
        Push::Absent { seq, .. } => *seq,
        other => panic!("not a record: {other:?}"),
    };
    Held { image: *image.as_bytes(), seq }
}

impl View {
    fn take(&mut self, session: u64, number: u64, body: Push) {
        assert_eq!((session, number), (self.session, self.number + 1), "pushes come in order");
        self.number = number;
        match body {
            Push::Image(record) => {
                let image = ImageId::from_bytes(&record.image).unwrap();
                self.images.insert(image, Push::Image(record));
            }
            Push::Absent { image, .. } => {
                self.images.insert(ImageId::from_bytes(&image).unwrap(), body);
            }
            Push::Reclaim(order) => self.reclaims.push(order),
            Push::Current => self.current = true,
            Push::Caller(caller) => self.callers.push(caller),
            Push::Settings(settings) => assert!(settings.minor_versions.contains(&0)),
        }
    }
}
