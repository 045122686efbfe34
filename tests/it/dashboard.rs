//! The dashboard: a page that runs no foreign script, and the stream that it shows.

use std::time::Instant;

use futures_util::StreamExt as _;
use messagebox::config::Secret;
use serde_json::Value;

use crate::support::admin::{ask, ask_with};
use crate::support::authsocket::AuthSocketClient;
use crate::support::command::User;
use crate::support::polling::client;
use crate::support::server::TestServer;
use crate::support::{PATIENCE, eventually_async, within};

const TOKEN: &str = "a token of the operator";

fn guarded() -> TestServer {
    TestServer::with(|settings| settings.admin.token = Some(Secret::new(TOKEN)))
}

#[actix_web::test]
async fn the_page_fetches_nothing_from_elsewhere_and_runs_only_its_own_script() {
    let server = TestServer::start();
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let mut response = client().get(server.http("/admin/")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let policy = response
            .headers()
            .get("content-security-policy")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let page = String::from_utf8(response.body().await.unwrap().to_vec()).unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("'un"),
            "{policy}"
        );
        let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
        let nonce = nonce.split_once('\'').unwrap().0.to_owned();
        assert_eq!(page.matches("nonce=\"").count(), 2);
        assert_eq!(page.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        for foreign in [
            "src=",
            "href=",
            "@import",
            "url(",
            "eval(",
            "innerHTML",
            " onclick",
            " style=",
        ] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        // The only address in it names a format.
        assert_eq!(
            page.matches("http://").count(),
            page.matches("http://www.w3.org/2000/svg").count()
        );
        assert!(!page.contains("https://"));
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[actix_web::test]
async fn anybody_may_load_the_page_and_its_data_is_for_admins() {
    let server = guarded();
    let bearer = format!("Bearer {TOKEN}");
    for target in ["/admin/events", "/admin/status", "/admin/history"] {
        for headers in [&[][..], &[("authorization", "Bearer another one")]] {
            let refused = ask_with(&server, "GET", target, headers).await;
            assert_eq!(refused.0, 401, "{target}");
        }
    }
    let proxied = ("x-forwarded-for", "192.0.2.1");
    for headers in [&[][..], &[proxied], &[("authorization", "Bearer x")]] {
        let (status, page) = ask_with(&server, "GET", "/admin/", headers).await;
        assert_eq!(status, 200);
        assert!(page.contains("<title>MessageBox Router</title>"));
        // The page contains no data of the server.
        assert!(!page.contains(&server.identity_key.to_hex()));
    }
    for (method, target) in [("POST", "/admin/"), ("GET", "/admin/nothing")] {
        assert_eq!(ask_with(&server, method, target, &[]).await.0, 401);
    }
    let token = [("authorization", bearer.as_str())];
    let history = ask_with(&server, "GET", "/admin/history", &token).await;
    assert_eq!(history.0, 200);
    // The path without the slash redirects there, with any prefix.
    let at_prefix = TestServer::with(|settings| {
        settings.admin.token = Some(Secret::new(TOKEN));
        "/api".clone_into(&mut settings.server.routing_prefix);
    });
    for (server, path) in [(&server, "/admin"), (&at_prefix, "/api/admin")] {
        let answer = client().get(server.http(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers().contains_key("content-security-policy"));
    }
}

#[actix_web::test]
async fn the_history_includes_the_current_minute() {
    let server = TestServer::start();
    let bob = AuthSocketClient::authenticated(server.address).await;
    let mut history = Value::Null;
    eventually_async("a figure", async || {
        history = ask(&server, "GET", "/admin/history").await;
        history["series"]["socketsAuthenticated"] == serde_json::json!([1.0])
    })
    .await;
    assert_eq!(history["intervalSeconds"], 60);
    let points = history["at"].as_array().unwrap().len();
    let series = history["series"].as_object().unwrap();
    assert!(series.len() > 20, "{history}");
    assert!(
        series
            .values()
            .all(|it| it.as_array().unwrap().len() == points)
    );
    assert!(
        history["series"]["eventsIn"][0].as_f64() > Some(0.0),
        "{history}"
    );
    drop(bob);
}

#[actix_web::test]
async fn the_stream_repeats_the_status() {
    let server = TestServer::start();
    let mut stream = client()
        .get(server.http("/admin/events"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        stream.headers().get("content-type").unwrap(),
        "text/event-stream"
    );
    let mut text = String::new();
    let mut seen = Vec::new();
    let mut socket = None;
    within("three events", async {
        while seen.len() < 3 {
            let bytes = stream.next().await.expect("the stream goes on").unwrap();
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                let event: Value =
                    serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
                assert!(event["log"].is_array());
                // Recent figures need an earlier event to compare with.
                assert_eq!(event["recent"].is_null(), seen.is_empty(), "{event}");
                seen.push(event["status"]["sockets"]["open"].as_u64().unwrap());
                text = rest.to_owned();
            }
            if socket.is_none() {
                socket = Some(AuthSocketClient::authenticated(server.address).await);
            }
        }
    })
    .await;
    assert_eq!((seen[0], seen[2]), (0, 1));
}

#[actix_web::test]
async fn the_stream_ends_when_the_server_goes_down() {
    let server = TestServer::start();
    let mut stream = client()
        .get(server.http("/admin/events"))
        .send()
        .await
        .unwrap();
    assert!(stream.next().await.is_some());
    assert_eq!(ask_with(&server, "POST", "/admin/drain", &[]).await.0, 200);
    within("the end of the stream", async {
        while let Some(Ok(_)) = stream.next().await {}
    })
    .await;
}

#[test]
fn the_status_command_shows_the_health_of_a_server() {
    let server = guarded();
    let user = User::of(&server.http(""));
    let run_command = |token: &str, arguments: &[&str]| {
        let mut command = user.command(arguments);
        let output = command
            .env("MESSAGEBOX_ADMIN_TOKEN", token)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, json, err) = run_command(TOKEN, &["status"]);
    assert_eq!(code, Some(0), "{err}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["server"]["identityKey"], server.identity_key.to_hex());
    // On a busy machine an actor may be late. The test asks again.
    let start = Instant::now();
    loop {
        let (code, human, err) = run_command(TOKEN, &["status", "--human"]);
        let lines = ["ready     yes", "sockets   0 open", "database  answers"];
        if code == Some(0) && lines.iter().all(|line| human.contains(line)) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{human}{err}");
    }
    let (code, _, err) = run_command("another token than that", &["status"]);
    assert!(
        code == Some(4) && err.contains("MESSAGEBOX_ADMIN_TOKEN"),
        "{code:?} {err}"
    );
    // Without a token the command signs with the user's key, which is no admin's.
    let (code, _, err) = run_command("", &["status"]);
    assert!(code == Some(1), "{code:?} {err}");
    // A server with this admin key, and one that serves local requests.
    let key = user.key().to_hex();
    let own = TestServer::with(|settings| settings.admin.identities.push(key));
    for server in [own, TestServer::start()] {
        let status = user.run(&["status", "--server", &server.http("")]).json();
        let found = &status["server"]["identityKey"];
        assert_eq!(*found, server.identity_key.to_hex());
    }
}
