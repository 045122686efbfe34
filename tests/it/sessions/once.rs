//! A signed request counts once, on all nodes and after a restart.

use std::sync::Arc;

use futures_util::future::join_all;
use messagebox::auth::Identity;
use messagebox::config::Settings;
use serde_json::json;

use crate::support::brc104::Brc104;
use crate::support::server::TestServer;

use super::{Nodes, connect, list, list_request, send};

#[actix_web::test]
async fn a_nonce_counts_once_in_each_process_however_many_requests_bring_the_session_back() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    for _ in 0..5 {
        let session = connect(&first).await.at(&second.http(""));
        let request = list_request(&session);
        let answers = join_all((0..16).map(|_| session.send(&request))).await;
        let taken = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(taken.count(), 1);
        assert_eq!(
            answers.iter().filter(|answer| answer.is_replay()).count(),
            15
        );
    }
    assert_eq!(second.state.session_count(), 5);
}

#[actix_web::test]
async fn requests_that_bring_a_session_back_at_once_are_all_answered() {
    const ROUNDS: usize = 50;
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    for _ in 0..ROUNDS {
        let session = connect(&first).await.at(&second.http(""));
        let answers = join_all((0..16).map(|_| list(&session))).await;
        let refused = answers.iter().find(|answer| answer.status != 200);
        assert!(refused.is_none(), "{refused:?}");
    }
    assert_eq!(second.state.session_count(), ROUNDS);
}

#[actix_web::test]
async fn a_write_counts_once_on_all_nodes_and_after_a_restart() {
    let nodes = Nodes::new();
    let (first, second) = (nodes.node(), nodes.node());
    let session = connect(&first).await;
    let sent = send(&session, "1");
    assert_eq!(session.send(&sent).await.status, 200);
    let ids = json!({"messageIds": ["1"]}).to_string();
    let acknowledged = session.request("POST", "/acknowledgeMessage", ids);
    assert_eq!(session.send(&acknowledged).await.status, 200);
    let device = json!({"fcmToken": "token"}).to_string();
    let device = session.request("POST", "/registerDevice", device);
    assert_eq!(session.send(&device).await.status, 200);
    let permission = json!({"messageBox": "inbox", "recipientFee": 0}).to_string();
    let permission = session.request("POST", "/permissions/set", permission);
    assert_eq!(session.send(&permission).await.status, 200);
    let written = [&sent, &acknowledged, &device, &permission];
    let read = list_request(&session);
    assert_eq!(session.send(&read).await.status, 200);
    for request in written {
        assert!(session.send_to(&second.http(""), request).await.is_replay());
    }
    assert_eq!(nodes.database.count("messages"), 0);
    // SECURITY.md says so of requests that only read.
    let answer = session.send_to(&second.http(""), &read).await;
    assert_eq!(answer.status, 200);
    assert!(session.send_to(&second.http(""), &read).await.is_replay());
    drop((first, second));
    let restarted = nodes.node();
    for request in written {
        let answer = session.send_to(&restarted.http(""), request).await;
        assert!(answer.is_replay());
    }
    assert_eq!(nodes.database.count("messages"), 0);
    let session = session.at(&restarted.http(""));
    assert_eq!(session.send(&send(&session, "1")).await.status, 200);
    // A refused request stored no nonce.
    assert_eq!(nodes.database.count("auth_message_nonces"), 5);
}

#[actix_web::test]
async fn of_many_nodes_that_get_a_write_at_once_one_does_it() {
    let nodes = Nodes::new();
    let servers: Vec<TestServer> = (0..3).map(|_| nodes.node()).collect();
    let session = connect(&servers[0]).await;
    for id in 0..5 {
        let request = send(&session, &id.to_string());
        let bases: Vec<String> = servers.iter().map(|server| server.http("")).collect();
        let answers = join_all(bases.iter().map(|base| session.send_to(base, &request))).await;
        let served = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(served.count(), 1);
        assert_eq!(
            answers.iter().filter(|answer| answer.is_replay()).count(),
            2
        );
    }
    assert_eq!(nodes.database.count("messages"), 5);
}

#[actix_web::test]
async fn an_exhausted_or_displaced_session_writes_nothing_on_any_node() {
    let nodes = Nodes::new();
    let few = |settings: &mut Settings| {
        settings.auth.max_seen_nonces = 3.try_into().unwrap();
        settings.auth.max_sessions_per_identity = 1.try_into().unwrap();
    };
    let (first, second) = (nodes.node_with(few), nodes.node_with(few));
    let session = connect(&first).await;
    let written = send(&session, "1");
    assert_eq!(session.send(&written).await.status, 200);
    // The other node has the session in memory, but not the nonce of the write.
    let read = list_request(&session);
    assert_eq!(session.send_to(&second.http(""), &read).await.status, 200);
    for _ in 0..2 {
        assert_eq!(list(&session).await.status, 200);
    }
    assert_eq!(first.state.session_count(), 0);
    nodes.eventually_stored("its end", <[_]>::is_empty).await;
    assert!(session.send(&written).await.is_unknown_session());
    let answer = session.send_to(&second.http(""), &written).await;
    assert!(answer.is_unknown_session(), "{answer:?}");
    assert_eq!(second.state.session_count(), 0);
    assert_eq!(nodes.database.count("messages"), 1);
    assert_eq!(nodes.database.count("auth_message_nonces"), 0);
    // The next session of an identity displaces the previous one.
    let displaced = connect(&first).await;
    assert_eq!(list(&displaced).await.status, 200);
    let identity = Arc::clone(&displaced.identity);
    let next = Brc104::connect_as(&first.http(""), identity).await;
    assert_eq!(list(&next).await.status, 200);
    nodes
        .eventually_stored("its end", |stored| stored.len() == 1)
        .await;
    for node in [&first, &second] {
        let request = list_request(&displaced);
        assert!(
            displaced
                .send_to(&node.http(""), &request)
                .await
                .is_unknown_session()
        );
    }
}

fn admins(identity: &Identity) -> impl Fn(&mut Settings) + use<> {
    let key = identity.identity_key().to_hex();
    move |settings| settings.admin.identities.push(key.clone())
}

#[actix_web::test]
async fn an_administrative_request_counts_once_over_all_nodes_and_restarts() {
    let nodes = Nodes::new();
    let admin = Arc::new(Identity::random());
    let (first, second) = (
        nodes.node_with(admins(&admin)),
        nodes.node_with(admins(&admin)),
    );
    let session = Brc104::connect_as(&first.http(""), Arc::clone(&admin)).await;
    let ask = || session.request("GET", "/admin/status", "");
    let sent = ask();
    assert_eq!(session.send(&sent).await.status, 200);
    assert!(session.send_to(&second.http(""), &sent).await.is_replay());
    assert_eq!(session.send_to(&second.http(""), &ask()).await.status, 200);
    drop((first, second));
    let restarted = nodes.node_with(admins(&admin));
    let answer = session.send_to(&restarted.http(""), &sent).await;
    assert!(answer.is_replay());
    let answer = session.send_to(&restarted.http(""), &ask()).await;
    assert!(answer.status == 200 && answer.signed);
}

#[actix_web::test]
async fn without_a_store_an_admin_needs_a_session_that_began_in_this_process() {
    let nodes = Nodes::new();
    let admin = Arc::new(Identity::random());
    let (first, second) = (
        nodes.node_with(admins(&admin)),
        nodes.node_with(admins(&admin)),
    );
    let session = Brc104::connect_as(&first.http(""), Arc::clone(&admin)).await;
    let ask = || session.request("GET", "/admin/status", "");
    assert_eq!(session.send_to(&second.http(""), &ask()).await.status, 200);
    assert_eq!(session.send(&ask()).await.status, 200);
    // The server can count nothing while the table is missing.
    nodes
        .database
        .run(r#"ALTER TABLE "auth_message_nonces" RENAME TO "gone""#);
    assert_eq!(session.send(&ask()).await.status, 200);
    let answer = session.send_to(&second.http(""), &ask()).await;
    assert!(answer.is_unknown_session(), "{answer:?}");
    // Its client shakes hands with that process again.
    let fresh = Brc104::connect_as(&second.http(""), admin).await;
    let sent = fresh.request("GET", "/admin/status", "");
    assert_eq!(fresh.send(&sent).await.status, 200);
}
