//! What an operator sees and sets: failing stores, identity lists, migrations, health.

use messagebox::config::{Secret, Settings};
use messagebox::limits::Networks;
use serde_json::json;

use crate::support::brc104::Answer;
use crate::support::documents::Documents;
use crate::support::polling;
use crate::support::server::free_address;

use super::{Failing, KEY, Stage, UNSERVED, ask, plain, right};

pub async fn failing_stores(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    stage.server.database.take_tables();
    let overloaded = Stage::set(|settings| {
        settings.database.max_queued_writes = 0;
        settings.database.max_queued_reads = 0;
    })
    .await;
    for (method, target, body) in right(&stage.bob().to_hex()) {
        let code = match target.split('?').next().unwrap() {
            "/listMessages" | "/acknowledgeMessage" => "ERR_INTERNAL_ERROR",
            "/registerDevice" | "/devices" => "ERR_DATABASE_ERROR",
            "/permissions/list" => "ERR_LIST_PERMISSIONS_FAILED",
            _ => "ERR_INTERNAL",
        };
        let mut failing = Failing {
            documents,
            client: &stage.alice,
        };
        failing.says(method, &target, &body, 500, code).await;
        failing.client = &overloaded.alice;
        failing
            .says(method, &target, &body, 503, "ERR_OVERLOADED")
            .await;
    }
}

/// Redis at an address where no server listens.
pub fn require_nonces(settings: &mut Settings) {
    let nowhere = format!("redis://{}", free_address());
    settings.cluster.redis_url = Some(Secret::new(nowhere));
    settings.cluster.require_nonces = true;
}

pub async fn unchecked_replays(documents: &mut Documents) {
    let stage = Stage::set(require_nonces).await;
    for (method, target, body) in right(KEY) {
        let mut failing = Failing {
            documents,
            client: &stage.alice,
        };
        let code = "ERR_REPLAY_UNCHECKED";
        failing.says(method, &target, &body, 503, code).await;
    }
}

pub async fn identity_lists(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    for code in UNSERVED {
        stage.refuse_alice(code).await;
        for (method, target, body) in right(KEY) {
            let mut failing = Failing {
                documents,
                client: &stage.alice,
            };
            failing.says(method, &target, &body, 403, code).await;
        }
    }
}

pub async fn migrations(documents: &mut Documents) {
    let path = "/admin/migrate";
    let stage = Stage::set(|settings| {
        settings.database.migrate_on_start = false;
        settings.migrate_key = Some(Secret::new("a key of the operator".to_owned()));
    })
    .await;
    let bearer = [("authorization", "Bearer a key of the operator")];
    for wrong in [
        &[][..],
        &[("authorization", "Bearer a key")],
        &[("authorization", "a key of the operator")],
    ] {
        let answer = plain(&stage, path, wrong, "").await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "ERR_INVALID_MIGRATE_KEY")
        );
        documents.hold("POST", path, &answer);
    }
    let eager = Stage::set(|settings| {
        settings.migrate_key = Some(Secret::new("a key of the operator".to_owned()));
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.handshakes_per_address = 2;
    })
    .await;
    let limited = loop {
        let answer = plain(&eager, path, &[("authorization", "Bearer a guess")], "").await;
        if answer.status != 401 {
            break answer;
        }
    };
    assert_eq!((limited.status, limited.code()), (429, "ERR_RATE_LIMITED"));
    documents.hold("POST", path, &limited);
    // A table with the new name already exists.
    let database = &stage.server.database;
    database.run(r#"CREATE TABLE "payments" ("x" TEXT)"#);
    let failed = plain(&stage, path, &bearer, "").await;
    assert_eq!(
        (failed.status, failed.code()),
        (500, "ERR_MIGRATION_FAILED")
    );
    documents.hold("POST", path, &failed);
    database.run(r#"DROP TABLE "payments""#);
    let applied = plain(&stage, path, &bearer, "").await;
    assert_eq!(applied.status, 200, "{:?}", applied.json);
    let names = applied.json["applied"].as_array().unwrap();
    assert!(!names.is_empty(), "{:?}", applied.json);
    documents.hold("POST", path, &applied);
    let nothing = plain(&stage, path, &bearer, "").await;
    assert_eq!(nothing.json, json!({"status": "success", "applied": []}));
    // The server works from now on.
    let listed = ask(
        &stage.alice,
        "POST",
        "/listMessages",
        &json!({"messageBox": "b"}),
    )
    .await;
    assert_eq!(listed.status, 200);
}

/// Sends a request without authentication.
async fn open(stage: &Stage, path: &str) -> Answer {
    let (status, body) = polling::get(&stage.server.http(path)).await;
    Answer {
        status,
        json: serde_json::from_str(&body).unwrap(),
        signed: false,
        headers: Vec::new(),
    }
}

pub async fn health(documents: &mut Documents) {
    let stage = Stage::set(|settings| "/api".clone_into(&mut settings.server.routing_prefix)).await;
    for prefix in ["", "/api"] {
        for path in ["/healthz", "/health", "/readyz", "/ready", "/info"] {
            let answer = open(&stage, &format!("{prefix}{path}")).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.json);
            documents.hold("GET", path, &answer);
        }
    }
    assert_eq!(open(&stage, "/readyz").await.json["ready"][0], "database");
    let broken = Stage::set(|_| {}).await;
    broken.server.database.take_tables();
    let answer = open(&broken, "/ready").await;
    documents.hold("GET", "/ready", &answer);
    let answer = open(&broken, "/readyz").await;
    documents.hold("GET", "/readyz", &answer);
    assert_eq!(answer.code(), "ERR_NOT_READY");
    assert_eq!(answer.json["notReady"], json!(["database"]));
    assert_eq!(
        answer.json["description"],
        documents.description("GET", "/readyz", 503, "ERR_NOT_READY")
    );
    assert_eq!(open(&broken, "/healthz").await.status, 200);
}
