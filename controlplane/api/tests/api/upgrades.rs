//! The API on a database of Glance 27 (2023.2), before, during and after its upgrade.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::harness::Api;

/// One of everything that changes or reads a row of Glance's.
async fn round(api: &Api, number: u32) {
    let expect = async |method: &str, target: &str, body: &str, expected: u16| {
        let answer = api.send(method, target, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, expected, "{method} {target}: {answer:?}");
    };
    let id = api.create(r#"{"name": "n", "tags": ["t"], "p": "v"}"#).await;
    let image = format!("/v2/images/{id}");
    let renamed = api.patch(&id, r#"[{"op": "replace", "path": "/name", "value": "m"}]"#).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    expect("POST", &format!("{image}/members"), r#"{"member": "m"}"#, 200).await;
    expect("PUT", &format!("{image}/tags/u"), "", 204).await;
    expect("GET", "/v2/images?sort=name:asc&limit=3", "", 200).await;
    expect("GET", "/v2/tasks", "", 200).await;
    let namespaces = "/v2/metadefs/namespaces";
    let namespace = format!(r#"{{"namespace": "N{number}", "tags": [{{"name": "t"}}]}}"#);
    expect("POST", namespaces, &namespace, 201).await;
    expect("GET", &format!("{namespaces}/N{number}"), "", 200).await;
    expect("DELETE", &format!("{namespaces}/N{number}"), "", 204).await;
    expect("DELETE", &image, "", 204).await;
}

async fn serves_through_the_phases_of_an_upgrade() {
    let api = Api::at_revision("2023_1_contract01").await;
    let upkeep = api.upkeep().await;
    let (rounds, ended) = (AtomicU32::new(0), AtomicBool::new(false));
    let traffic = async {
        while !ended.load(Ordering::Relaxed) {
            round(&api, rounds.fetch_add(1, Ordering::Relaxed)).await;
        }
    };
    // Between two phases the traffic goes through a whole round at least.
    let pass_on = async || {
        let goal = rounds.load(Ordering::Relaxed) + 2;
        while rounds.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
    };
    let phases = async {
        pass_on().await;
        upkeep.expand().await.expect("expansion");
        pass_on().await;
        upkeep.migrate().await.expect("migration");
        pass_on().await;
        upkeep.contract().await.expect("contraction");
        pass_on().await;
        ended.store(true, Ordering::Relaxed);
    };
    tokio::join!(traffic, phases);
    assert_eq!(upkeep.heads().await.expect("heads"), ["2024_1_contract01"]);
}

controlplane_testing::on_every_database!(serves_through_the_phases_of_an_upgrade,);
