//! A database server that closes idle connections.

use serde_json::json;

use messagebox::config::Secret;

use crate::own_server::{Make, OwnServer};
use crate::support::brc104::Brc104;
use crate::support::eventually;
use crate::support::server::TestServer;

pub async fn a_mariadb_that_ends_silent_connections_soon_is_no_obstacle() {
    let options = ["--wait-timeout=1", "--interactive-timeout=1"];
    let database = OwnServer::start(Make::MariaDb, &options);
    let server =
        TestServer::with(|settings| settings.database.url = Some(Secret::new(database.url())));
    let client = Brc104::connect(&server.http("")).await;
    let recipient = client.identity.identity_key().to_hex();
    let silent = |seconds: usize| {
        let query = "SELECT CAST(COALESCE(MAX(time), 0) AS CHAR) AS value FROM information_schema.processlist \
            WHERE db = 'messages' AND id <> CONNECTION_ID()";
        let longest: usize = database.texts(query)[0].parse().unwrap();
        longest >= seconds
    };
    for round in 0..2 {
        // Several at once, to use all connections of the pool.
        let requests = (0..8).map(async |n| {
            let id = format!("{round} {n}");
            let message =
                json!({"recipient": recipient, "messageBox": "inbox", "messageId": id, "body": id});
            let message = json!({ "message": message }).to_string();
            let sent = client.post("/sendMessage", message).await;
            let listed = client
                .post("/listMessages", r#"{"messageBox":"inbox"}"#)
                .await;
            assert_eq!((sent.status, listed.status), (200, 200), "{id}");
        });
        futures_util::future::join_all(requests).await;
        assert_eq!(server.db.status().failures, 0);
        eventually("an idle time over the default limit", || silent(3)).await;
    }
}
