//! What admins see and do: rooms, sockets, disconnecting them, and draining the server.

use std::sync::Arc;

use messagebox::auth::Identity;
use messagebox::config::Secret;
use messagebox::rooms::RoomAccess;
use serde_json::{Value, json};

use crate::support::admin::{ask, ask_with};
use crate::support::authsocket::AuthSocketClient;
use crate::support::polling::{Polling, client};
use crate::support::server::{ServerProcess, TestServer, free_address};
use crate::support::websocket::Got;
use crate::support::{eventually_async, within};

fn names(list: &Value, key: &str, field: &str) -> Vec<String> {
    let items = list[key].as_array().unwrap();
    items
        .iter()
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

/// All pages of a list.
async fn pages(server: &TestServer, target: &str, key: &str, field: &str) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(server, "GET", &format!("{target}&after={after}")).await;
        pages.push(names(&page, key, field));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return pages,
        }
    }
}

#[actix_web::test]
async fn rooms_are_listed_in_pages_and_shown() {
    let server = TestServer::with(|settings| settings.rooms.access = RoomAccess::Open);
    let mut bob = AuthSocketClient::authenticated(server.address).await;
    for room in ["lobby-1", "lobby-2", "lobby-3", "attic", "a b/ä"] {
        bob.emit("joinRoom", &json!(room)).await;
        assert_eq!(bob.event().await.0, "joinedRoom");
    }
    let all = pages(&server, "/admin/rooms?limit=2", "rooms", "room").await;
    assert_eq!(
        all,
        [
            vec!["a b/ä", "attic"],
            vec!["lobby-1", "lobby-2"],
            vec!["lobby-3"]
        ]
    );
    let some = pages(
        &server,
        "/admin/rooms?limit=2&contains=lobby",
        "rooms",
        "room",
    )
    .await;
    assert_eq!(some, [vec!["lobby-1", "lobby-2"], vec!["lobby-3"]]);
    let room = ask(&server, "GET", "/admin/rooms/a%20b%2F%C3%A4").await;
    assert_eq!(
        room["room"],
        json!({"room": "a b/ä", "members": 1, "recentEvents": null})
    );
    assert_eq!(room["members"][0]["transport"], "websocket");
    // A member's own rooms exist without a join.
    let own = bob.room("inbox");
    let own = ask(&server, "GET", &format!("/admin/rooms/{}", own.as_str())).await;
    assert_eq!(own["room"]["members"], 1);
    let nobody = ask(&server, "GET", "/admin/rooms/nobody").await;
    assert_eq!(
        (&nobody["room"]["members"], &nobody["members"]),
        (&json!(0), &json!([]))
    );
}

#[actix_web::test]
async fn sockets_are_listed_filtered_and_shown() {
    let server = TestServer::start();
    let identity = Arc::new(Identity::random());
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets
            .push(AuthSocketClient::authenticated_as(server.address, Arc::clone(&identity)).await);
    }
    let other = AuthSocketClient::authenticated(server.address).await;
    let polling = Polling::open(&server.http("/socket.io/?EIO=4&transport=polling")).await;
    let all = pages(&server, "/admin/sockets?limit=3", "sockets", "sid").await;
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    let all = all.concat();
    assert!(all.is_sorted() && all.contains(&polling.sid), "{all:?}");
    let key = identity.identity_key().to_hex();
    for (filter, count) in [
        (format!("identity={key}"), 2),
        (format!("identity={key}&transport=polling"), 0),
        (format!("contains={}", key.get(20..50).unwrap()), 2),
        (format!("contains={}", polling.sid), 1),
        ("contains=nobody".to_owned(), 0),
        ("transport=polling".to_owned(), 1),
        ("transport=websocket".to_owned(), 3),
        ("state=proven".to_owned(), 3),
        ("state=unproven".to_owned(), 1),
    ] {
        let found = ask(&server, "GET", &format!("/admin/sockets?{filter}")).await;
        assert_eq!(
            found["sockets"].as_array().unwrap().len(),
            count,
            "{filter}: {found}"
        );
        assert!(!found.to_string().contains(&key), "in full: {found}");
    }
    let room = sockets[0].room("inbox");
    sockets[0].emit("joinRoom", &json!(room.as_str())).await;
    assert_eq!(sockets[0].event().await.0, "joinedRoom");
    let members = format!("/admin/rooms/{}?limit=1", room.as_str());
    let members = pages(&server, &members, "members", "sid").await;
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    assert!(
        sizes == [1, 1] && members.concat().is_sorted(),
        "{members:?}"
    );
    let one = &members[1][0];
    let target = format!("/admin/rooms/{}?limit=1&contains={one}", room.as_str());
    let found = ask(&server, "GET", &target).await;
    assert_eq!(names(&found, "members", "sid"), [one.as_str()]);
    assert_eq!(
        (&found["next"], &found["room"]["members"]),
        (&Value::Null, &json!(2))
    );
    let theirs = ask(
        &server,
        "GET",
        &format!("/admin/sockets?full=true&identity={key}"),
    )
    .await;
    let mut joined = Vec::new();
    for sid in names(&theirs, "sockets", "sid") {
        let socket = ask(&server, "GET", &format!("/admin/sockets/{sid}?full=true")).await;
        assert_eq!(socket["socket"]["identity"], key);
        assert!(
            socket["socket"]["address"]
                .as_str()
                .unwrap()
                .starts_with("127.0.0.1:")
        );
        joined.extend(socket["rooms"].as_array().unwrap().clone());
        let short = ask(&server, "GET", &format!("/admin/sockets/{sid}")).await;
        assert!(!short.to_string().contains(&key) && short["socket"]["address"].is_null());
    }
    assert_eq!(joined, [json!(room.as_str())]);
    let unproven = ask(&server, "GET", &format!("/admin/sockets/{}", polling.sid)).await;
    assert_eq!(unproven["socket"]["identity"], Value::Null);
    assert_eq!(unproven["socket"]["transport"], "polling");
    drop(other);
}

async fn is_closed(client: &mut AuthSocketClient) {
    within("the end of a socket", async {
        while !matches!(client.websocket.next().await, Got::Closed(_)) {}
    })
    .await;
}

#[actix_web::test]
async fn an_admin_disconnects_one_socket_or_all_of_an_identity_and_no_others() {
    let server = TestServer::start();
    let identity = Arc::new(Identity::random());
    let mut theirs = Vec::new();
    for _ in 0..3 {
        theirs
            .push(AuthSocketClient::authenticated_as(server.address, Arc::clone(&identity)).await);
    }
    let mut other = AuthSocketClient::authenticated(server.address).await;
    let key = identity.identity_key().to_hex();
    let filter = format!("/admin/sockets?identity={key}");
    let sids = names(&ask(&server, "GET", &filter).await, "sockets", "sid");
    let ended = ask(
        &server,
        "POST",
        &format!("/admin/sockets/{}/disconnect", sids[0]),
    )
    .await;
    assert_eq!(ended, json!({"status": "success", "disconnected": 1}));
    eventually_async("one socket to close", async || {
        ask(&server, "GET", &filter).await["sockets"]
            .as_array()
            .unwrap()
            .len()
            == 2
    })
    .await;
    let ended = ask(
        &server,
        "POST",
        &format!("/admin/identities/{key}/disconnect"),
    )
    .await;
    assert_eq!(ended["disconnected"], 2);
    for client in &mut theirs {
        is_closed(client).await;
    }
    // A GET disconnects nobody, and the other sockets are still served.
    let (status, _) = ask_with(
        &server,
        "GET",
        &format!("/admin/sockets/{}/disconnect", sids[0]),
        &[],
    )
    .await;
    assert_eq!(status, 401);
    other
        .emit("joinRoom", &json!(other.room("x").as_str()))
        .await;
    assert_eq!(other.event().await.0, "joinedRoom");
}

#[actix_web::test]
async fn an_admin_takes_the_server_down_as_a_signal_does() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let token = "a token of the operator";
    let variables = [("ADMIN_TOKEN", token), ("DRAIN_DELAY", "300ms")];
    let mut server = ServerProcess::with(address, folder.path(), &variables, None);
    let mut bob = AuthSocketClient::authenticated(address).await;
    let url = format!("http://{address}/admin/drain");
    let refused = client().post(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let request = client()
        .post(&url)
        .insert_header(("authorization", format!("Bearer {token}")));
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = serde_json::from_slice(&response.body().await.unwrap()).unwrap();
    assert_eq!(answer, json!({"status": "success", "draining": true}));
    is_closed(&mut bob).await;
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
    let log = server.log();
    assert!(
        log.contains("stopped reason=admin") && log.contains("drained=true"),
        "{log}"
    );
    assert!(!log.contains(token), "{log}");
}

#[actix_web::test]
async fn a_short_token_or_a_wrong_key_is_a_mistake_in_the_configuration() {
    for (change, key) in [
        (
            Box::new(|settings: &mut messagebox::config::Settings| {
                settings.admin.token = Some(Secret::new("too short"));
            }) as Box<dyn Fn(&mut messagebox::config::Settings)>,
            "admin.token",
        ),
        (
            Box::new(|settings: &mut messagebox::config::Settings| {
                settings.admin.identities.push("nobody".to_owned());
            }),
            "admin.identities",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = messagebox::config::Settings::default();
        settings.identity.data_dir = folder.path().into();
        settings.server.port = Some(0);
        change(&mut settings);
        let refused = messagebox::server::Server::start(&settings)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(key) && !refused.contains("too short"),
            "{refused}"
        );
    }
}
