//! Callers, rules and kept replies: what a data plane answers by itself, and what it must not.

use crate::fleet::{Fleet, file};
use crate::harness::{Body, Connection, Response, eventually};

/// Tokens say who their bearer is: `USER:PROJECT:ROLE`.
const PASTE: &str = "\
[pipeline:glance-api-keystone]
pipeline = authtoken context rootapp
[pipeline:glance-api]
pipeline = unauthenticated-context rootapp
[app:rootapp]
paste.app_factory = glance.api.v2.router:API.factory
[filter:unauthenticated-context]
paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = oracle_auth:filter_factory
";

const CONF: &str = "\
[paste_deploy]
flavor = keystone
config_file = {here}/paste.ini
[oslo_policy]
policy_file = {here}/policy.yaml
";

const ALICE: &str = "alice:proj-a:member";
const BOB: &str = "bob:proj-b:member";
const ADMIN: &str = "adm:admin:admin";

fn with_tokens() -> Fleet {
    let files = [("glance-api.conf", CONF), ("paste.ini", PASTE), ("policy.yaml", "{}\n")];
    Fleet::start_with(1, &files)
}

/// A caller with one connection, which stays with one shard.
struct Caller(Connection, &'static str);

impl Caller {
    fn new(fleet: &Fleet, token: &'static str) -> Self {
        Self(Connection::open(fleet.nodes[0].1), token)
    }

    fn call(&mut self, method: &str, path: &str, body: Body<'_>) -> Response {
        let token = [("X-Auth-Token", self.1)];
        let headers: &[(&str, &str)] = if self.1.is_empty() { &[] } else { &token };
        self.0.call(method, path, headers, body)
    }

    fn get(&mut self, path: &str) -> Response {
        self.call("GET", path, Body::None)
    }
}

/// An image of proj-a with bytes.
fn image(alice: &mut Caller) -> String {
    let body = br#"{"disk_format": "raw", "container_format": "bare"}"#;
    let created = alice.call("POST", "/v2/images", Body::Json(body));
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(alice.call("PUT", &file(&id), Body::Bytes(b"bytes")).status, 204);
    id
}

#[test]
fn a_data_plane_lets_in_whom_the_control_plane_knows() {
    let mut fleet = with_tokens();
    let mut callers = [ALICE, BOB, ADMIN, "", "no token"].map(|token| Caller::new(&fleet, token));
    let [alice, bob, admin, nobody, strange] = &mut callers;
    let id = image(alice);
    for _ in 0..2 {
        assert_eq!(alice.get(&file(&id)).body, b"bytes");
        assert_eq!(admin.get(&file(&id)).body, b"bytes");
        assert_eq!(bob.get(&file(&id)).status, 404);
        for caller in [&mut *nobody, &mut *strange] {
            let refused = caller.get(&file(&id));
            let elsewhere = caller.get("/v2/images");
            assert_eq!((refused.status, &refused.body), (401, &elsewhere.body), "{refused:?}");
            // Nothing else is told to them.
            assert_eq!(caller.get("/v2/images/nonsense/file").status, 401);
            assert_eq!(caller.get(&format!("/v2/images/{id}")).status, 401);
            // Its body is not read, so the connection ends with it.
            let mut again = Caller::new(&fleet, caller.1);
            assert_eq!(again.call("PUT", &file(&id), Body::Bytes(b"x")).status, 401);
        }
    }
    // Known callers are served while the control plane is away, and nobody else is.
    fleet.control.kill();
    assert_eq!(alice.get(&file(&id)).body, b"bytes");
    assert_eq!(bob.get(&file(&id)).status, 404);
    assert_eq!(Caller::new(&fleet, "carol:proj-a:member").get(&file(&id)).status, 503);
    assert_eq!(strange.get(&file(&id)).status, 503);
    fleet.restart_control();
    fleet.wait_until_serving(0);
    assert_eq!(Caller::new(&fleet, "carol:proj-a:member").get(&file(&id)).body, b"bytes");
}

#[test]
fn a_data_plane_follows_the_policy() {
    let fleet = with_tokens();
    let policy =
        |text: &str| std::fs::write(fleet.scratch.path().join("policy.yaml"), text).unwrap();
    let (mut alice, mut admin) = (Caller::new(&fleet, ALICE), Caller::new(&fleet, ADMIN));
    let id = image(&mut alice);
    let show = format!("/v2/images/{id}");
    let mut reaches = |text: &str, what: &str, status: u16| {
        policy(text);
        eventually(text, || (alice.get(what).status == status).then_some(()));
    };
    reaches("download_image: 'role:admin'\n", &file(&id), 403);
    let refused = alice_again(&fleet, &file(&id));
    let text = "You are not authorized to complete download_image action.";
    assert!(refused.text().contains(text), "{refused:?}");
    assert_eq!(admin.get(&file(&id)).status, 200);
    let mut alice = Caller::new(&fleet, ALICE);
    let mut reaches = |text: &str, what: &str, status: u16| {
        policy(text);
        eventually(text, || (alice.get(what).status == status).then_some(()));
    };
    reaches("download_image: '!'\nget_image: '!'\n", &file(&id), 404);
    reaches("{}\n# as it was\n", &file(&id), 200);
    // A rule about a custom property, which records carry only since.
    reaches("download_image: \"'red':%(color)s\"\n", &file(&id), 403);
    let patch = br#"[{"op": "add", "path": "/color", "value": "red"}]"#;
    let patched = Caller::new(&fleet, ALICE).call("PATCH", &show, Body::Patch(patch));
    assert_eq!(patched.status, 200, "{patched:?}");
    assert_eq!(alice_again(&fleet, &file(&id)).status, 200);
    // Kept replies follow too.
    assert_eq!(alice_again(&fleet, &show).status, 200);
    let mut alice = Caller::new(&fleet, ALICE);
    assert_eq!((alice.get(&show).status, alice.get(&show).status), (200, 200));
    policy("get_image: 'role:admin'\n# and no more\n");
    eventually("the reply is given no more", || (alice.get(&show).status == 404).then_some(()));
}

fn alice_again(fleet: &Fleet, path: &str) -> Response {
    Caller::new(fleet, ALICE).get(path)
}

#[test]
fn a_reply_is_given_again_until_the_image_changes() {
    let mut fleet = Fleet::start(2);
    let id = fleet.create(0);
    let show = format!("/v2/images/{id}");
    let mut here = Connection::open(fleet.nodes[0].1);
    let mut there = Connection::open(fleet.nodes[1].1);
    for round in 0..20 {
        let name = |response: &Response| response.json()["name"].as_str().map(str::to_owned);
        let (_, _) =
            (here.call("GET", &show, &[], Body::None), there.call("GET", &show, &[], Body::None));
        let patch = format!(r#"[{{"op": "replace", "path": "/name", "value": "round {round}"}}]"#);
        let patched = here.call("PATCH", &show, &[], Body::Patch(patch.as_bytes()));
        assert_eq!(patched.status, 200, "{patched:?}");
        // At once where it was changed, on every shard; soon on other nodes.
        for _ in 0..8 {
            let shown = Connection::open(fleet.nodes[0].1).call("GET", &show, &[], Body::None);
            assert_eq!(name(&shown), Some(format!("round {round}")));
        }
        eventually("the other node shows it", || {
            let shown = there.call("GET", &show, &[], Body::None);
            (name(&shown) == Some(format!("round {round}"))).then_some(())
        });
    }
    let before = eventually("a reply is kept", || {
        let before = here.call("GET", &show, &[], Body::None);
        let etag = here.call("GET", &show, &[("Accept", "*/*")], Body::None);
        (before.status == 200 && etag.status == 200).then_some(before)
    });
    let schema = here.call("GET", "/v2/schemas/image", &[], Body::None);
    let versions = here.call("GET", "/", &[], Body::None);
    fleet.control.kill();
    for (path, told) in [(&show[..], &before), ("/v2/schemas/image", &schema), ("/", &versions)] {
        let again = here.call("GET", path, &[], Body::None);
        assert_eq!((again.status, &again.body), (told.status, &told.body), "{path}");
        let id = |response: &Response| response.header("x-openstack-request-id").map(str::to_owned);
        assert!(id(&again) != id(told) || id(told).is_none(), "{path}: {again:?}");
    }
    assert_eq!(here.call("GET", &format!("{show}?x=y"), &[], Body::None).status, 503);
    assert_eq!(here.call("GET", "/v2/images", &[], Body::None).status, 503);
    fleet.restart_control();
    fleet.wait_until_serving(0);
    assert_eq!(here.call("DELETE", &show, &[], Body::None).status, 204);
    assert_eq!(here.call("GET", &show, &[], Body::None).status, 404);
}
