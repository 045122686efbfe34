//! The routes of admins, and how they fail.

use std::sync::mpsc;
use std::time::Instant;

use actix::{Addr, Handler};
use messagebox::config::{Secret, Settings};
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::admin::Hold;
use crate::support::brc104::{Answer, Request};
use crate::support::documents::Documents;
use crate::support::polling::Polling;

use super::authentication::{bring_a_wrong_certificate, require_certificates};
use super::operations::require_nonces;
use super::{KEY, Stage, UNSERVED};

/// Method, target, and documented path.
const ROUTES: [(&str, &str, &str); 22] = [
    ("GET", "/admin/status", "/admin/status"),
    ("GET", "/admin/rooms", "/admin/rooms"),
    ("GET", "/admin/rooms/lobby", "/admin/rooms/{id}"),
    ("GET", "/admin/sockets", "/admin/sockets"),
    ("GET", "/admin/sockets/x", "/admin/sockets/{sid}"),
    (
        "POST",
        "/admin/sockets/x/disconnect",
        "/admin/sockets/{sid}/disconnect",
    ),
    (
        "POST",
        "/admin/identities/x/disconnect",
        "/admin/identities/{key}/disconnect",
    ),
    ("POST", "/admin/drain", "/admin/drain"),
    ("POST", "/admin/log-level", "/admin/log-level"),
    ("GET", "/admin/boxes", "/admin/boxes"),
    ("GET", "/admin/inboxes", "/admin/inboxes"),
    ("GET", "/admin/lists/block", "/admin/lists/block"),
    ("GET", "/admin/lists/allow", "/admin/lists/allow"),
    (
        "POST",
        "/admin/identities/x/block",
        "/admin/identities/{key}/block",
    ),
    (
        "POST",
        "/admin/identities/x/unblock",
        "/admin/identities/{key}/unblock",
    ),
    (
        "POST",
        "/admin/identities/x/allow",
        "/admin/identities/{key}/allow",
    ),
    (
        "POST",
        "/admin/identities/x/disallow",
        "/admin/identities/{key}/disallow",
    ),
    (
        "GET",
        "/admin/identities/x/devices",
        "/admin/identities/{key}/devices",
    ),
    (
        "POST",
        "/admin/identities/x/devices/1/remove",
        "/admin/identities/{key}/devices/{id}/remove",
    ),
    (
        "GET",
        "/admin/identities/x/permissions",
        "/admin/identities/{key}/permissions",
    ),
    (
        "POST",
        "/admin/identities/x/permissions/unset?messageBox=inbox",
        "/admin/identities/{key}/permissions/unset",
    ),
    ("GET", "/admin/history", "/admin/history"),
];

/// Routes that read the database or change it.
fn of_data() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let named = |(method, target, path): &(&'static str, &'static str, &'static str)| {
        (*method, target.replace("/x/", &format!("/{KEY}/")), *path)
    };
    ROUTES[9..21].iter().map(named)
}

async fn bare(stage: &Stage, method: &str, target: &str) -> Answer {
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    stage.alice.send(&request).await
}

/// Asks as an admin and expects this answer.
async fn holds(
    documents: &mut Documents,
    stage: &Stage,
    (method, target, path): (&str, &str, &str),
    (status, code): (u16, &str),
) -> Value {
    let mut answer = bare(stage, method, target).await;
    let start = Instant::now();
    // On a busy machine an actor may be late. The server says so and changes nothing.
    while answer.status == 503 && status != 503 && start.elapsed() < PATIENCE {
        answer = bare(stage, method, target).await;
    }
    assert_eq!(
        (answer.status, answer.code()),
        (status, code),
        "{target}: {}",
        answer.json
    );
    documents.hold(method, path, &answer);
    answer.json
}

pub(super) async fn all(documents: &mut Documents) {
    successes(documents).await;
    mistakes(documents).await;
    data(documents).await;
    identity_lists(documents).await;
    held_up(documents).await;
    refusals(documents).await;
    without_certificates(documents).await;
    unchecked_replays(documents).await;
}

async fn successes(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    let polling = Polling::open(&stage.server.http("/socket.io/?EIO=4&transport=polling")).await;
    let sid = &polling.sid;
    let ok = (200, "");
    for route in ROUTES[..4].iter().chain([&ROUTES[21]]) {
        holds(documents, &stage, *route, ok).await;
    }
    let socket = format!("/admin/sockets/{sid}");
    holds(documents, &stage, ("GET", &socket, ROUTES[4].2), ok).await;
    let disconnect = format!("{socket}/disconnect");
    holds(documents, &stage, ("POST", &disconnect, ROUTES[5].2), ok).await;
    let identity = format!("/admin/identities/{KEY}/disconnect");
    holds(documents, &stage, ("POST", &identity, ROUTES[6].2), ok).await;
    holds(
        documents,
        &stage,
        ("POST", "/admin/log-level?level=info", ROUTES[8].2),
        ok,
    )
    .await;
    // Last, because the server goes down.
    holds(documents, &stage, ROUTES[7], ok).await;
}

async fn mistakes(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    let unknown = "/admin/sockets/AAAAAAAAAAAAAAAAAAAA";
    let unknown_end = format!("{unknown}/disconnect");
    for (method, target, path, status, code) in [
        (
            "GET",
            "/admin/rooms?limit=0",
            ROUTES[1].2,
            400,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/rooms/x?limit=1001",
            ROUTES[2].2,
            400,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/sockets?limit=many",
            ROUTES[3].2,
            400,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/sockets?identity=x",
            ROUTES[3].2,
            400,
            "ERR_INVALID_IDENTITY",
        ),
        (
            "GET",
            "/admin/sockets?transport=pigeon",
            ROUTES[3].2,
            400,
            "ERR_INVALID_FILTER",
        ),
        (
            "GET",
            "/admin/sockets?state=happy",
            ROUTES[3].2,
            400,
            "ERR_INVALID_FILTER",
        ),
        (
            "GET",
            "/admin/sockets/x?limit=0",
            ROUTES[4].2,
            400,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/sockets/x",
            ROUTES[4].2,
            404,
            "ERR_UNKNOWN_SOCKET",
        ),
        ("GET", unknown, ROUTES[4].2, 404, "ERR_UNKNOWN_SOCKET"),
        ("POST", &unknown_end, ROUTES[5].2, 404, "ERR_UNKNOWN_SOCKET"),
        (
            "POST",
            ROUTES[6].1,
            ROUTES[6].2,
            400,
            "ERR_INVALID_IDENTITY",
        ),
        (
            "POST",
            "/admin/log-level",
            ROUTES[8].2,
            400,
            "ERR_INVALID_LOG_LEVEL",
        ),
        (
            "POST",
            "/admin/log-level?level=loud",
            ROUTES[8].2,
            400,
            "ERR_INVALID_LOG_LEVEL",
        ),
    ] {
        holds(documents, &stage, (method, target, path), (status, code)).await;
    }
}

/// Stored data: read, changed, requested in wrong ways, and unavailable.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn data(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    let recipient = stage.bob().to_hex();
    let message = json!({"message": {
        "recipient": recipient, "messageBox": "inbox", "messageId": "1", "body": "x",
    }});
    let sent = stage.alice.post("/sendMessage", message.to_string()).await;
    assert_eq!(sent.status, 200);
    let device = stage
        .bob
        .post("/registerDevice", r#"{"fcmToken":"t"}"#)
        .await;
    let remove = format!(
        "/admin/identities/{recipient}/devices/{}/remove",
        device.json["deviceId"]
    );
    let own = format!("/admin/boxes?identity={recipient}&full=true");
    holds(documents, &stage, ("GET", &own, "/admin/boxes"), (200, "")).await;
    let path = "/admin/identities/{key}/devices/{id}/remove";
    holds(documents, &stage, ("POST", &remove, path), (200, "")).await;
    for (method, target, path) in of_data() {
        let expected = if target.ends_with("/remove") {
            (404, "ERR_UNKNOWN_DEVICE")
        } else {
            (200, "")
        };
        holds(documents, &stage, (method, &target, path), expected).await;
    }
    for (method, target, path) in &ROUTES[13..21] {
        let wrong = (400, "ERR_INVALID_IDENTITY");
        holds(documents, &stage, (method, target, path), wrong).await;
    }
    let permissions = format!("/admin/identities/{KEY}/permissions");
    let unset = format!("{permissions}/unset");
    for (method, target, path, code) in [
        (
            "GET",
            "/admin/boxes?limit=0",
            ROUTES[9].2,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/boxes?identity=x",
            ROUTES[9].2,
            "ERR_INVALID_IDENTITY",
        ),
        (
            "GET",
            "/admin/boxes?after=x",
            ROUTES[9].2,
            "ERR_INVALID_AFTER",
        ),
        (
            "GET",
            "/admin/inboxes?limit=0",
            ROUTES[10].2,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/inboxes?order=age",
            ROUTES[10].2,
            "ERR_INVALID_FILTER",
        ),
        (
            "GET",
            "/admin/lists/block?limit=0",
            ROUTES[11].2,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            "/admin/lists/allow?limit=0",
            ROUTES[12].2,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            &format!("{permissions}?limit=0"),
            ROUTES[19].2,
            "ERR_INVALID_LIMIT",
        ),
        (
            "GET",
            &format!("{permissions}?offset=-1"),
            ROUTES[19].2,
            "ERR_INVALID_OFFSET",
        ),
        ("POST", &unset, ROUTES[20].2, "ERR_MISSING_PARAMETERS"),
    ] {
        holds(documents, &stage, (method, target, path), (400, code)).await;
    }
    stage.server.database.take_tables();
    for (method, target, path) in of_data() {
        let failed = (500, "ERR_DATABASE_ERROR");
        holds(documents, &stage, (method, &target, path), failed).await;
    }
    let uncounted = Stage::set(|settings| {
        let messages = &mut settings.messages;
        (messages.max_inbox_messages, messages.max_inbox_bytes) = (0, 0);
        (messages.max_sender_messages, messages.max_sender_bytes) = (0, 0);
    })
    .await;
    holds(documents, &uncounted, ROUTES[10], (409, "ERR_NOT_COUNTED")).await;
}

/// Identities that the operator does not serve ask for the routes of admins.
async fn identity_lists(documents: &mut Documents) {
    let stage = Stage::set(|settings| {
        settings.admin.token = Some(Secret::new("a token of the operator"));
    })
    .await;
    for code in UNSERVED {
        stage.refuse_alice(code).await;
        for (method, target, path) in ROUTES {
            let answer = stage
                .alice
                .send(&stage.alice.request(method, target, ""))
                .await;
            assert_eq!((answer.status, answer.code()), (403, code), "{target}");
            documents.hold(method, path, &answer);
        }
    }
}

fn hold<A: Handler<Hold, Context = actix::Context<A>>>(actor: &Addr<A>) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel();
    actor.do_send(Hold(held));
    release
}

async fn held_up(documents: &mut Documents) {
    let stage = Stage::set(|_| {}).await;
    let polling = Polling::open(&stage.server.http("/socket.io/?EIO=4&transport=polling")).await;
    let late = (503, "ERR_UNRESPONSIVE");
    let registry = hold(stage.server.service.rooms.registry());
    holds(documents, &stage, ROUTES[1], late).await;
    holds(documents, &stage, ROUTES[2], late).await;
    let socket = format!("/admin/sockets/{}", polling.sid);
    holds(documents, &stage, ("GET", &socket, ROUTES[4].2), late).await;
    drop(registry);
    let admin = hold(&stage.server.admin);
    holds(documents, &stage, ROUTES[0], late).await;
    holds(documents, &stage, ROUTES[21], late).await;
    drop(admin);
}

async fn refusals(documents: &mut Documents) {
    let guarded = |settings: &mut Settings| {
        settings.admin.token = Some(Secret::new("a token of the operator"));
    };
    let stage = Stage::set(guarded).await;
    let eager = Stage::set(|settings| {
        guarded(settings);
        settings.limits.requests_per_identity = 1;
    })
    .await;
    for route in ROUTES {
        holds(documents, &stage, route, (401, "UNAUTHORIZED")).await;
        let (method, target, path) = route;
        let good = stage.alice.request(method, target, "");
        let forged = good.clone().set("x-bsv-auth-nonce", "bm9uY2U=");
        for (request, status, code, signed) in [
            (good, 404, "ERR_NOT_FOUND", true),
            (forged, 401, "ERR_AUTH_FAILED", false),
        ] {
            let answer = stage.alice.send(&request).await;
            assert_eq!(
                (answer.status, answer.code(), answer.signed),
                (status, code, signed),
                "{target}"
            );
            assert_eq!(
                answer.json["description"],
                documents.description(method, path, status, code)
            );
            documents.hold(method, path, &answer);
        }
        loop {
            let answer = eager
                .alice
                .send(&eager.alice.request(method, target, ""))
                .await;
            if answer.status == 429 {
                documents.hold(method, path, &answer);
                break;
            }
        }
    }
}

async fn without_certificates(documents: &mut Documents) {
    let stage = Stage::set(require_certificates).await;
    for (method, target, path) in ROUTES {
        let request = stage.alice.request(method, target, "");
        let answer = stage.alice.send(&request).await;
        assert_eq!(
            (answer.status, answer.code()),
            (408, "CERTIFICATE_TIMEOUT"),
            "{target}"
        );
        documents.hold(method, path, &answer);
    }
    bring_a_wrong_certificate(&stage).await;
    for (method, target, path) in ROUTES {
        let request = stage.alice.request(method, target, "");
        let answer = stage.alice.send(&request).await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (403, "ERR_CERTIFICATE_REFUSED", true),
            "{target}"
        );
        documents.hold(method, path, &answer);
    }
    assert_eq!(
        bare(&stage, "GET", "/admin/status").await.json["status"],
        json!("success")
    );
}

/// The server verifies a signed request before it checks whether an admin sent it.
async fn unchecked_replays(documents: &mut Documents) {
    let stage = Stage::set(|settings| {
        settings.admin.token = Some(Secret::new("a token of the operator"));
        require_nonces(settings);
    })
    .await;
    for (method, target, path) in ROUTES {
        let answer = stage
            .alice
            .send(&stage.alice.request(method, target, ""))
            .await;
        assert_eq!(
            (answer.status, answer.code(), answer.signed),
            (503, "ERR_REPLAY_UNCHECKED", false),
            "{target}"
        );
        documents.hold(method, path, &answer);
    }
}
