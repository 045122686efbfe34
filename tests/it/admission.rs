//! Shares by identity and by address: no client holds up others. Also which refusals name whom, and which requests
//! count as local.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use messagebox::auth::{Identity, Peer, PeerConfig};
use messagebox::config::{Secret, Settings};
use messagebox::limits::{Networks, refusals};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::{Answer, Brc104};
use crate::support::polling::client;
use crate::support::raw_http;
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::{eventually, within};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// A server that limits this machine too, and trusts it as a proxy.
fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|settings| {
        settings.limits.unlimited_addresses = Networks::default();
        settings.server.trusted_proxies = vec!["127.0.0.1".to_owned()].try_into().unwrap();
        change(settings);
    })
}

fn message(recipients: &[String], message_id: &str) -> String {
    let ids: Vec<String> = (0..recipients.len())
        .map(|index| format!("{message_id} {index}"))
        .collect();
    let message = json!({
        "recipients": recipients, "messageBox": "inbox", "messageId": ids, "body": "a body",
    });
    json!({"message": message}).to_string()
}

fn refused(resource: &str, reason: &str) -> u64 {
    let counts = refusals().counts();
    let mut counts = counts.into_iter();
    let found = counts.find(|((known, why), _)| *known == resource && *why == reason);
    found.map_or(0, |(_, count)| count)
}

async fn post_from(client: &Brc104, address: &str, path: &str, body: String) -> u16 {
    let request = client.request("POST", path, body);
    client
        .send(&request.set(FORWARDED_FOR, address))
        .await
        .status
}

/// Two identities at one address send to 1,000 recipients while the writer is blocked. A third one is on a socket
/// there.
#[actix_web::test]
async fn identities_of_one_address_share_its_part_of_the_write_queue() {
    const SENT: usize = 12;
    let server = server(|settings| {
        settings.database.max_queued_writes = 1_600;
        settings.database.busy_timeout = Duration::from_secs(60);
        settings.admin.public_metrics = true;
    });
    let mut clients = Vec::new();
    for _ in 0..4 {
        let client = Brc104::connect(&server.http("")).await;
        // Its session is stored with its first request.
        let list = json!({"messageBox": "inbox"}).to_string();
        assert_eq!(client.post("/listMessages", list).await.status, 200);
        clients.push(client);
    }
    let [first, second, neighbour, other] = &clients[..] else {
        panic!("four clients");
    };
    let mut socket = AuthSocketClient::authenticated(server.address).await;
    let room = socket.room("inbox");
    let recipients: Vec<String> = (0..1_000)
        .map(|_| Identity::random().identity_key().to_hex())
        .collect();
    let queued = || server.db.status().queued_writes;
    eventually("the sessions", || queued() == 0).await;
    let held = server.database.hold_writers();
    let flood = (0..SENT).map(|n| {
        let flood = if n % 2 == 0 { first } else { second };
        flood.post("/sendMessage", message(&recipients, &n.to_string()))
    });
    let mut flood: FuturesUnordered<_> = flood.collect();
    // Each send counts for a 64th of the queue, so four fill the share of an address. One is being written already.
    let mut refusals: Vec<Answer> = flood.by_ref().take(SENT - 5).collect().await;
    assert_eq!(queued(), 4 * 25);
    let small = |n: usize| message(&recipients[..1], &format!("small {n}"));
    let others = async {
        for id in ["1", "2", "3"] {
            socket.send_message(&room, id, "a body").await;
        }
        eventually("the first message of the socket", || queued() == 4 * 25 + 1).await;
        let waits = join_all([
            post_from(neighbour, "127.0.0.1", "/sendMessage", small(0)),
            post_from(other, "203.0.113.9", "/sendMessage", small(1)),
            post_from(other, "203.0.113.9", "/sendMessage", small(2)),
            post_from(other, "203.0.113.9", "/sendMessage", small(3)),
        ]);
        let release = async {
            eventually("all queued writes", || queued() == 4 * 25 + 5).await;
            drop(held);
        };
        let (statuses, ()) = tokio::join!(waits, release);
        assert_eq!(statuses, [200; 4]);
        let mut acks = Vec::new();
        while acks.len() < 3 {
            let (name, data) = socket.event().await;
            if name.starts_with("sendMessageAck-") {
                acks.push(data["status"].clone());
            }
        }
        // An identity without a queued write may add one, and only one.
        assert_eq!(acks, ["success", "error", "error"]);
    };
    let (rest, ()) = tokio::join!(flood.collect::<Vec<_>>(), others);
    assert!(rest.iter().all(|answer| answer.status == 200));
    refusals.retain(|answer| (answer.status, answer.code()) == (503, "ERR_OVERLOADED"));
    assert_eq!(refusals.len(), SENT - 5);
    assert!(refused("write_places", "own_share") >= 9);
    let mut metrics = client().get(server.http("/metrics")).send().await.unwrap();
    let metrics = String::from_utf8(metrics.body().await.unwrap().to_vec()).unwrap();
    let sample =
        r#"messagebox_admission_refused_total{resource="write_places",reason="own_share"}"#;
    assert!(metrics.contains(sample), "{metrics}");
}

/// Bodies of one identity that stop one byte short, from two addresses.
#[actix_web::test]
async fn an_identity_has_a_sixteenth_of_the_bodies_wherever_it_is() {
    let server = server(|settings| settings.server.max_buffered_bytes = 1_600_000);
    let alice = Brc104::connect(&server.http("")).await;
    let bob = Brc104::connect(&server.http("")).await;
    let list = json!({"messageBox": "inbox"}).to_string();
    for client in [&alice, &bob] {
        let listed = post_from(client, "203.0.113.1", "/listMessages", list.clone()).await;
        assert_eq!(listed, 200);
    }
    let begin = async |client: &Brc104, address: &str| {
        let request = client.request("POST", "/sendMessage", "");
        let headers = request.set(FORWARDED_FOR, address).headers;
        let head = raw_http::head(
            "POST",
            "/sendMessage",
            &headers,
            "content-length: 70000\r\n",
        );
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may close the connection before all is written.
        let _ = stream.write_all(&vec![b'x'; 69_999]).await;
        stream
    };
    let bodies = &server.state.bodies;
    let first = begin(&alice, "203.0.113.1").await;
    eventually("the first body", || bodies.held() == 69_999).await;
    let mut second = begin(&alice, "203.0.113.2").await;
    let mut status_line = [0; 12];
    within("an answer", second.read_exact(&mut status_line))
        .await
        .unwrap();
    assert_eq!(&status_line, b"HTTP/1.1 503");
    let other = begin(&bob, "203.0.113.2").await;
    eventually("the body of another client", || bodies.held() == 2 * 69_999).await;
    drop((first, other));
}

fn handshake(host: &str, headers: &str) -> String {
    let mut peer = Peer::new(Arc::new(Identity::random()), PeerConfig::default());
    let body = peer.start_handshake().unwrap();
    let length = body.len();
    format!(
        "POST /.well-known/auth HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A proxy on this machine connects from loopback, which has no limits by default.
#[actix_web::test]
async fn a_proxy_on_this_machine_has_no_rights_of_this_machine() {
    let server = TestServer::with(|settings| {
        settings.limits.handshakes_per_address = 1;
        settings.limits.burst = Duration::from_secs(2);
        settings.migrate_key = Some(Secret::new("a secret of the operator"));
    });
    let host = server.address.to_string();
    let status = async |host: &str, headers: &str| {
        let request = handshake(host, headers);
        raw_http::ask(server.address, request.as_bytes())
            .await
            .status
    };
    for (host, headers) in [
        ("messages.example", ""),
        (&*host, "x-forwarded-for: 203.0.113.9\r\n"),
        (&*host, "forwarded: for=203.0.113.9\r\n"),
        (&*host, "via: 1.1 proxy\r\n"),
    ] {
        let mut count = 0;
        while status(host, headers).await == 200 {
            count += 1;
            assert!(count < 100, "{host} {headers}: it is not limited");
        }
    }
    for _ in 0..20 {
        assert_eq!(status(&host, "").await, 200);
    }
    let guess = async || {
        let request = client().request(Method::POST, server.http("/admin/migrate"));
        let request = request
            .insert_header(("authorization", "Bearer a guess"))
            .insert_header((FORWARDED_FOR, "203.0.113.9"));
        request.send().await.unwrap().status().as_u16()
    };
    let mut count = 0;
    while guess().await == 401 {
        count += 1;
        assert!(count < 100, "guesses are not counted");
    }
    assert_eq!(guess().await, 429);
}

/// More than 20 identities at one address that has used up its share.
#[actix_web::test]
async fn an_address_that_is_probably_a_proxy_is_warned_of_once() {
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let variables = [
        ("LOG_FORMAT", "json"),
        ("UNLIMITED_ADDRESSES", "192.0.2.1"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ("REQUESTS_PER_ADDRESS", "20"),
    ];
    let server = ServerProcess::with(address, folder.path(), &variables, None);
    let warnings = |words: &str| -> Vec<String> {
        let lines = server.log_objects().into_iter();
        let texts = lines.filter_map(|line| line["message"].as_str().map(str::to_owned));
        texts.filter(|text| text.contains(words)).collect()
    };
    let base = format!("http://{address}");
    let list = || json!({"messageBox": "inbox"}).to_string();
    // Two identities use the first address, and 21 the second.
    for (from, identities) in [("203.0.113.1", 2), ("203.0.113.2", 21)] {
        let mut last = None;
        for _ in 0..identities {
            let client = Brc104::connect(&base).await;
            assert_eq!(post_from(&client, from, "/listMessages", list()).await, 200);
            last = Some(client);
        }
        let last = last.unwrap();
        while post_from(&last, from, "/listMessages", list()).await == 200 {}
        for _ in 0..9 {
            post_from(&last, from, "/listMessages", list()).await;
        }
    }
    eventually("the warning", || !warnings("TRUSTED_PROXIES").is_empty()).await;
    let found = warnings("TRUSTED_PROXIES");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("203.0.113.2"), "{found:?}");
    // The log also names the refused address, once per minute.
    let found = warnings("refused address 203.0.113.1");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("its own share of request_rate"),
        "{found:?}"
    );
}
