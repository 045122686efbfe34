//! `GET /admin/status`: what it counts, who may ask, and that it waits for no slow actor.

use std::sync::Arc;
use std::sync::mpsc;

use messagebox::auth::Identity;
use messagebox::config::Secret;
use messagebox::limits::Networks;
use serde_json::{Value, json};

use crate::support::admin::{Hold, ask, ask_with, status_when};
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::eventually_async;
use crate::support::polling::{Polling, client};
use crate::support::server::{ServerProcess, TestServer, free_address};

#[actix_web::test]
async fn the_status_counts_what_happens() {
    let server = TestServer::start();
    let alice = Brc104::connect(&server.http("")).await;
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let unproven = Polling::open(&server.http("/socket.io/?EIO=4&transport=polling")).await;
    let room = bob.room("inbox");
    bob.emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(bob.event().await.0, "joinedRoom");
    bob.send_message(&room, "1", "a body that nobody sees")
        .await;
    for _ in 0..2 {
        bob.event().await;
    }
    bob.send_message(&room, "", "x").await;
    while !bob.event().await.0.starts_with("messageFailed") {}
    let sent = alice.post("/sendMessage", "{").await;
    assert_eq!(sent.code(), "ERR_INVALID_JSON");
    let replayed = alice.request("GET", "/devices", "");
    assert_eq!(alice.send(&replayed).await.status, 200);
    assert_eq!(alice.send(&replayed).await.status, 401);
    let status = status_when(&server, "all counts", |status| {
        let database = &status["database"];
        status["http"]["failures"]["ERR_AUTH_FAILED"] == 1
            && status["http"]["requests"]["/devices"]["4xx"] == 1
            && status["rooms"].is_object()
            && database["executor"] == "answers"
            && (&database["queuedWrites"], &database["undelivered"]) == (&json!(0), &json!(0))
            && status["server"]["ready"][0] == "database"
    })
    .await;
    assert_eq!(
        status["server"]["identityKey"],
        server.identity_key.to_hex()
    );
    assert_eq!(status["server"]["notReady"], json!([]));
    assert_eq!(status["server"]["degraded"], json!([]));
    assert_eq!(status["server"]["workers"], 2);
    let sockets = &status["sockets"];
    for (key, count) in [
        ("open", 2),
        ("proven", 1),
        ("unproven", 1),
        ("websocket", 1),
        ("polling", 1),
        ("identities", 1),
        ("opened", 2),
    ] {
        assert_eq!(sockets[key], count, "{key}: {sockets}");
    }
    let rooms = &status["rooms"];
    for (key, count) in [
        ("rooms", 1),
        ("members", 1),
        ("published", 1),
        ("deliveries", 1),
        ("lagging", 0),
    ] {
        assert_eq!(rooms[key], count, "{key}: {rooms}");
    }
    let top = json!([{"room": room.as_str(), "members": 1, "recentEvents": 1}]);
    assert_eq!((&rooms["largest"], &rooms["busiest"]), (&top, &top));
    let events = &status["events"];
    assert_eq!(
        events["received"],
        json!({"authenticated": 1, "joinRoom": 1, "sendMessage": 2})
    );
    assert_eq!(
        (&events["acks"], &events["failures"]),
        (&json!(1), &json!({"message_id": 1}))
    );
    assert_eq!(events["answerMicros"]["count"], 1);
    assert!(events["answerMicros"]["p99"].as_u64() > Some(0), "{events}");
    assert_eq!(status["handshakes"], json!({"http": 1, "sockets": 1}));
    assert_eq!(status["http"]["failures"]["ERR_INVALID_JSON"], 1);
    assert_eq!(
        status["http"]["requests"]["/devices"],
        json!({"2xx": 1, "4xx": 1})
    );
    let database = &status["database"];
    assert_eq!(
        (&database["executor"], &database["stored"]),
        (&json!("answers"), &json!(1))
    );
    assert_eq!(
        (&database["queuedWrites"], &database["undelivered"]),
        (&json!(0), &json!(0))
    );
    assert!(
        database["groupSize"]["count"].as_u64() >= Some(1),
        "{database}"
    );
    assert!(
        database["commitMicros"]["max"].as_u64() > Some(0),
        "{database}"
    );
    assert_eq!(
        status["sessions"],
        json!({"http": 1, "lost": 0, "replaysRefused": 1})
    );
    assert_eq!(
        (&status["push"], &status["cluster"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        status["process"]["residentBytes"].as_u64() > Some(1 << 20),
        "{status}"
    );
    let short = ask(&server, "GET", "/admin/status").await.to_string();
    assert!(
        !short.contains(&bob.key().to_hex())
            && short.contains(bob.key().to_hex().get(..10).unwrap())
    );
    assert!(!short.contains("nobody sees"));
    drop(unproven);
}

#[actix_web::test]
async fn rates_per_second_are_means_of_counts() {
    let server = TestServer::start();
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    let status = status_when(&server, "a rate", |status| {
        status["events"]["inPerSecond"].as_f64() > Some(0.0)
    });
    let busy = async {
        loop {
            bob.emit("authenticated", &json!({})).await;
            assert_eq!(bob.event().await.0, "authenticationFailed");
            actix_web::rt::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let status = tokio::select! {
        status = status => status,
        () = busy => unreachable!(),
    };
    assert!(
        status["events"]["outPerSecond"].as_f64() > Some(0.0),
        "{status}"
    );
    assert!(status["http"]["perSecond"].is_f64(), "{status}");
}

#[actix_web::test]
async fn an_actor_that_does_not_answer_is_called_unresponsive_and_not_waited_for() {
    let server = TestServer::start();
    let (release, held) = mpsc::channel();
    server.service.rooms.registry().do_send(Hold(held));
    status_when(&server, "only the registry to be late", |status| {
        status["rooms"] == "unresponsive"
            && status["database"]["executor"] == "answers"
            && status["server"]["ready"][0] == "database"
    })
    .await;
    eventually_async("the metrics", async || {
        let (status, metrics) = ask_with(&server, "GET", "/metrics", &[]).await;
        status == 200 && metrics.contains("messagebox_actor_up{actor=\"rooms\"} 0")
    })
    .await;
    drop(release);
    status_when(&server, "the registry's answer", |status| {
        status["rooms"].is_object()
    })
    .await;
}

const TOKEN: &str = "a token of the operator";

#[actix_web::test]
async fn a_token_opens_and_nothing_else_tells_that_there_is_anything() {
    let server = TestServer::with(|settings| settings.admin.token = Some(Secret::new(TOKEN)));
    let bearer = format!("Bearer {TOKEN}");
    for target in ["/admin/status", "/metrics", "/admin/sockets"] {
        let opened = ask_with(&server, "GET", target, &[("authorization", &bearer)]).await;
        assert_eq!(opened.0, 200, "{target}");
        let nothing = ask_with(&server, "GET", "/admin/nothing", &[]).await;
        for wrong in ["", "Bearer a token", "Basic a token of the operator"] {
            let refused = ask_with(&server, "GET", target, &[("authorization", wrong)]).await;
            assert_eq!(refused, nothing, "{target} {wrong}");
            assert_eq!(refused.0, 401);
        }
    }
    let stranger = Brc104::connect(&server.http("")).await;
    let signed = stranger
        .send(&stranger.request("GET", "/admin/status", ""))
        .await;
    assert_eq!(
        (signed.status, signed.code(), signed.signed),
        (404, "ERR_NOT_FOUND", true)
    );
}

#[actix_web::test]
async fn an_admin_signs_and_gets_signed_answers() {
    let admin = Arc::new(Identity::random());
    let key = admin.identity_key().to_hex();
    let server = TestServer::with(|settings| {
        settings.admin.identities.push(key);
        "/api".clone_into(&mut settings.server.routing_prefix);
    });
    let admin = Brc104::connect_as(&server.http(""), admin).await;
    let stranger = Brc104::connect(&server.http("")).await;
    for target in [
        "/admin/status",
        "/api/admin/status",
        "/api/admin/rooms?limit=1",
    ] {
        let answer = admin.send(&admin.request("GET", target, "")).await;
        assert_eq!((answer.status, answer.signed), (200, true), "{target}");
        assert_eq!(answer.json["status"], "success");
        let refused = stranger.send(&stranger.request("GET", target, "")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (404, "ERR_NOT_FOUND"),
            "{target}"
        );
    }
    // Where there are admins, a local request has no rights by itself.
    assert_eq!(ask_with(&server, "GET", "/admin/status", &[]).await.0, 401);
    let forged = admin
        .request("POST", "/admin/drain", "")
        .set("x-bsv-auth-nonce", "bm9uY2U=");
    assert_eq!(admin.send(&forged).await.status, 401);
}

#[actix_web::test]
async fn without_token_and_keys_this_machine_may_ask_and_no_proxy_or_page_on_it() {
    let server = TestServer::start();
    let host = server.address.to_string();
    let own = format!("http://{host}");
    for headers in [
        &[][..],
        &[("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
    ] {
        assert_eq!(
            ask_with(&server, "GET", "/admin/status", headers).await.0,
            200,
            "{headers:?}"
        );
    }
    for header in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("x-real-ip", "127.0.0.1"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("host", "rebound.example"),
    ] {
        for (method, target) in [
            ("GET", "/admin/status"),
            ("POST", "/admin/drain"),
            ("GET", "/metrics"),
        ] {
            let refused = ask_with(&server, method, target, &[header]).await;
            assert_eq!(refused.0, 401, "{header:?} {target}");
        }
    }
}

/// A bare `proxy_pass` sends `Host: 127.0.0.1` and nothing else, so a stranger's request looks local.
#[actix_web::test]
async fn outside_development_nobody_is_an_admin_without_token_or_key() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let key = hex::encode(rand::random::<[u8; 32]>());
    let production = [
        ("NODE_ENV", "production"),
        ("SERVER_PRIVATE_KEY", key.as_str()),
    ];
    let mut server = ServerProcess::with(address, folder.path(), &production, None);
    for (method, target) in [
        ("GET", "/admin/status"),
        ("GET", "/admin/sockets?full=true"),
        ("GET", "/metrics"),
        ("GET", "/admin"),
        ("GET", "/admin/"),
        ("GET", "/admin/events"),
        ("GET", "/admin/history"),
        ("POST", "/admin/log-level?level=off"),
        ("POST", "/admin/drain"),
    ] {
        let url = format!("http://{address}{target}");
        let request = client().request(method.parse().unwrap(), url);
        let request = request.insert_header(("host", "127.0.0.1"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{target}");
    }
    let log = server.log();
    let warned = log.lines().find(|line| line.contains("no admin: "));
    let warned = warned.unwrap_or_else(|| panic!("no warning: {log}"));
    for name in ["WARN", "ADMIN_TOKEN", "ADMIN_IDENTITIES"] {
        assert!(warned.contains(name), "{warned}");
    }
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
}

#[actix_web::test]
async fn admins_are_counted_like_everybody_and_may_be_switched_off() {
    let server = TestServer::with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.limits.requests_per_address = 1;
    });
    loop {
        let (status, text) = ask_with(&server, "GET", "/admin/rooms", &[]).await;
        if status == 429 {
            assert!(text.contains("ERR_RATE_LIMITED"));
            break;
        }
        assert_eq!(status, 200);
    }
    let off = TestServer::with(|settings| settings.admin.enabled = false);
    for target in ["/admin/status", "/metrics"] {
        assert_eq!(ask_with(&off, "GET", target, &[]).await.0, 401);
    }
    let public = TestServer::with(|settings| {
        settings.admin.token = Some(Secret::new(TOKEN));
        settings.admin.public_metrics = true;
    });
    assert_eq!(
        ask_with(
            &public,
            "GET",
            "/metrics",
            &[("x-forwarded-for", "192.0.2.1")]
        )
        .await
        .0,
        200
    );
    assert_eq!(ask_with(&public, "GET", "/admin/status", &[]).await.0, 401);
}
