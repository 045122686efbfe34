//! The block list and the allow list: changed by admins and by the command, and followed by several servers.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messagebox::auth::Identity;
use serde_json::{Value, json};

use crate::support::admin::{ask, ask_with};
use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::database::TestDatabase;
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::websocket::Got;
use crate::support::{eventually_async, within};

const BLOCKED: &str = "ERR_IDENTITY_BLOCKED";
const NOT_ALLOWED: &str = "ERR_IDENTITY_NOT_ALLOWED";

/// The time in which a change must apply on every server.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn list(client: &Brc104) -> Answer {
    client
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await
}

async fn change(server: &TestServer, identity: &Arc<Identity>, action: &str) -> Value {
    let key = identity.identity_key();
    ask(server, "POST", &format!("/admin/identities/{key}/{action}")).await
}

async fn is_closed(client: &mut AuthSocketClient) {
    within("the end of a socket", async {
        while !matches!(client.websocket.next().await, Got::Closed(_)) {}
    })
    .await;
}

/// The reason for which the server closes a new socket of this identity.
async fn refused_socket(server: &TestServer, identity: &Arc<Identity>) -> Value {
    let mut socket = AuthSocketClient::connect(server.address, Arc::clone(identity)).await;
    let request = socket.peer.start_handshake().unwrap();
    socket.send_auth(&request).await;
    let response = socket.auth_message().await;
    let response = messagebox::auth::AuthMessage::parse(&response).unwrap();
    socket.peer.handle(&response).unwrap();
    let key = json!({"identityKey": identity.identity_key().to_hex()});
    socket.emit("authenticated", &key).await;
    let (event, data) = socket.event().await;
    assert_eq!(event, "authenticationFailed");
    is_closed(&mut socket).await;
    data["reason"].clone()
}

#[actix_web::test]
async fn who_is_blocked_is_refused_and_cut_off_at_once_and_nobody_else() {
    let server = TestServer::start();
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let alices = Brc104::connect_as(&server.http(""), Arc::clone(&alice)).await;
    let bobs = Brc104::connect_as(&server.http(""), Arc::clone(&bob)).await;
    let mut cut = AuthSocketClient::authenticated_as(server.address, Arc::clone(&alice)).await;
    let mut stays = AuthSocketClient::authenticated_as(server.address, Arc::clone(&bob)).await;
    assert_eq!(list(&alices).await.status, 200);

    let answer = change(&server, &alice, "block").await;
    let key = alice.identity_key().to_hex();
    assert_eq!(
        answer,
        json!({
            "status": "success", "identity": key, "changed": true, "blocked": true, "allowed": false,
            "served": false, "disconnected": 1,
        })
    );
    is_closed(&mut cut).await;
    let refused = list(&alices).await;
    assert_eq!(
        (refused.status, refused.code(), refused.signed),
        (403, BLOCKED, true)
    );
    let nothing = alices.send(&alices.request("GET", "/nothing", "")).await;
    assert_eq!((nothing.status, nothing.code()), (403, BLOCKED));
    let reason = refused_socket(&server, &alice).await;
    assert_eq!(
        reason,
        "The operator of this server has blocked your identity"
    );
    assert_eq!(list(&bobs).await.status, 200);
    let room = stays.room("inbox");
    stays.send_message(&room, "1", "x").await;
    assert_eq!(stays.event().await.1["status"], "success");

    let answer = change(&server, &alice, "block").await;
    assert_eq!(
        (&answer["changed"], &answer["disconnected"]),
        (&json!(false), &json!(0))
    );
    let listed = ask(&server, "GET", "/admin/lists/block").await;
    assert_eq!(listed["identities"][0]["identity"], key);
    assert_eq!(
        (&listed["list"], &listed["next"]),
        (&json!("block"), &json!(null))
    );
    let answer = change(&server, &alice, "unblock").await;
    assert_eq!(
        (&answer["changed"], &answer["served"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(list(&alices).await.status, 200);
    AuthSocketClient::authenticated_as(server.address, alice).await;
    let listed = ask(&server, "GET", "/admin/lists/block").await;
    assert_eq!(listed["identities"], json!([]));
}

#[actix_web::test]
async fn with_an_allow_list_no_other_identity_is_served_but_admins_can_change_it() {
    let admin = Arc::new(Identity::random());
    let admins_key = admin.identity_key().to_hex();
    let server = TestServer::with(|settings| settings.admin.identities = vec![admins_key]);
    let (alice, bob) = (Arc::new(Identity::random()), Arc::new(Identity::random()));
    let admins = Brc104::connect_as(&server.http(""), Arc::clone(&admin)).await;
    let alices = Brc104::connect_as(&server.http(""), Arc::clone(&alice)).await;
    let bobs = Brc104::connect_as(&server.http(""), Arc::clone(&bob)).await;
    let mut cut = AuthSocketClient::authenticated_as(server.address, Arc::clone(&bob)).await;
    let change = async |identity: &Arc<Identity>, action: &str| {
        let target = format!("/admin/identities/{}/{action}", identity.identity_key());
        let answer = admins.send(&admins.request("POST", &target, "")).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json
    };
    assert_eq!(change(&alice, "allow").await["disconnected"], 1);
    is_closed(&mut cut).await;
    assert_eq!(list(&alices).await.status, 200);
    let refused = list(&bobs).await;
    assert_eq!(
        (refused.status, refused.code(), refused.signed),
        (403, NOT_ALLOWED, true)
    );
    assert_eq!(
        refused_socket(&server, &bob).await,
        "This server serves a list of identities, and yours is not on it"
    );
    // The admin has no boxes here and manages the lists all the same.
    assert_eq!(list(&admins).await.code(), NOT_ALLOWED);
    change(&bob, "allow").await;
    assert_eq!(list(&bobs).await.status, 200);
    change(&bob, "block").await;
    assert_eq!(list(&bobs).await.code(), BLOCKED);
    change(&bob, "disallow").await;
    change(&bob, "unblock").await;
    assert_eq!(list(&bobs).await.code(), NOT_ALLOWED);
    assert_eq!(change(&alice, "disallow").await["served"], true);
    assert_eq!(list(&bobs).await.status, 200);
}

#[actix_web::test]
async fn every_server_follows_and_keeps_it_over_a_restart() {
    let database = Arc::new(TestDatabase::create());
    let first = TestServer::on(Arc::clone(&database), |_| {});
    let second = TestServer::on(Arc::clone(&database), |_| {});
    let alice = Arc::new(Identity::random());
    let client = Brc104::connect_as(&second.http(""), Arc::clone(&alice)).await;
    let mut socket = AuthSocketClient::authenticated_as(second.address, Arc::clone(&alice)).await;
    assert_eq!(list(&client).await.status, 200);
    let begin = Instant::now();
    change(&first, &alice, "block").await;
    is_closed(&mut socket).await;
    eventually_async("the refusal", async || {
        list(&client).await.code() == BLOCKED
    })
    .await;
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    drop(second);
    let third = TestServer::on(Arc::clone(&database), |_| {});
    let client = Brc104::connect_as(&third.http(""), Arc::clone(&alice)).await;
    assert_eq!(list(&client).await.code(), BLOCKED);
    change(&first, &alice, "unblock").await;
    eventually_async("service", async || list(&client).await.status == 200).await;
}

#[actix_web::test]
async fn lists_come_in_pages_and_wrong_keys_are_refused() {
    let server = TestServer::start();
    let mut keys = Vec::new();
    for _ in 0..3 {
        let identity = Arc::new(Identity::random());
        change(&server, &identity, "allow").await;
        keys.push(identity.identity_key().to_hex());
    }
    keys.sort();
    let first = ask(&server, "GET", "/admin/lists/allow?limit=2").await;
    let second = format!("/admin/lists/allow?limit=2&after={}", keys[1]);
    let second = ask(&server, "GET", &second).await;
    let named = |page: &Value| -> Vec<String> {
        let identities = page["identities"].as_array().unwrap();
        let key = |item: &Value| item["identity"].as_str().unwrap().to_owned();
        identities.iter().map(key).collect()
    };
    assert_eq!(
        (named(&first), &first["next"]),
        (keys[..2].to_vec(), &json!(keys[1]))
    );
    assert_eq!(
        (named(&second), &second["next"]),
        (keys[2..].to_vec(), &json!(null))
    );
    for (target, status, code) in [
        ("/admin/identities/x/block", 400, "ERR_INVALID_IDENTITY"),
        ("/admin/identities/x/praise", 401, "UNAUTHORIZED"),
    ] {
        let (answered, text) = ask_with(&server, "POST", target, &[]).await;
        assert_eq!(answered, status, "{target}: {text}");
        assert!(text.contains(code), "{target}: {text}");
    }
}

/// Runs the server's binary as a command, beside a running server.
fn command(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_messagebox-server"))
        .env_clear()
        .env("DATA_DIR", folder)
        .env("CONFIG_DIR", folder)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[actix_web::test]
async fn the_command_blocks_while_the_server_runs_and_while_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (alice, address) = (Arc::new(Identity::random()), free_address());
    let key = alice.identity_key().to_hex();
    let (works, _, failed) = command(folder.path(), &["block", &key]);
    assert!(
        !works && failed.contains("messagebox-server migrate"),
        "{failed}"
    );

    let mut server = ServerProcess::start(address, folder.path());
    let url = format!("http://{address}");
    let client = Brc104::connect_as(&url, Arc::clone(&alice)).await;
    assert_eq!(list(&client).await.status, 200);
    let (works, printed, failed) = command(folder.path(), &["block", &key.to_uppercase()]);
    assert!(works, "{failed}");
    assert_eq!(printed, format!("{key}: now on the block list\n"));
    eventually_async("the refusal", async || {
        list(&client).await.code() == BLOCKED
    })
    .await;
    let (_, printed, _) = command(folder.path(), &["block", &key]);
    assert_eq!(printed, format!("{key}: already on the block list\n"));

    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    let (_, printed, _) = command(folder.path(), &["lists"]);
    assert!(
        printed.starts_with(&format!("block {key} 20")) && printed.lines().count() == 1,
        "{printed}"
    );
    let (works, printed, failed) = command(folder.path(), &["unblock", &key]);
    assert!(
        works && printed.contains("taken off the block list"),
        "{printed}{failed}"
    );
    let (works, _, failed) = command(folder.path(), &["allow", &key, &key.replace('0', "z")]);
    assert!(!works && failed.contains("identity key"), "{failed}");

    let _server = ServerProcess::start(address, folder.path());
    let client = Brc104::connect_as(&url, alice).await;
    assert_eq!(list(&client).await.status, 200);
    assert_eq!(command(folder.path(), &["lists"]).1, "");
}
