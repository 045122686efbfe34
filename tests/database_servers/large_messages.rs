//! A message larger than MySQL's maximum packet.

use std::sync::Arc;

use serde_json::json;

use crate::support::brc104::Brc104;
use crate::support::database::{Kind, TestDatabase};
use crate::support::server::TestServer;

pub async fn what_the_database_would_not_take_is_refused_before_it_fails_for_others() {
    let database = Arc::new(TestDatabase::of(Kind::Mysql));
    let packet = database.texts("SELECT CONCAT(@@max_allowed_packet) AS value");
    let packet: usize = packet[0].parse().unwrap();
    let server = TestServer::on(database, |settings| {
        settings.server.max_body_bytes = packet * 2;
        settings.messages.max_message_bytes = 0;
    });
    let alice = Brc104::connect(&server.http("")).await;
    let send = async |id: &str, bytes: usize| {
        let body = "x".repeat(bytes);
        let recipient = alice.identity.identity_key().to_hex();
        let message =
            json!({"recipient": recipient, "messageBox": "b", "messageId": id, "body": body});
        let request = json!({ "message": message }).to_string();
        let answer = alice.post("/sendMessage", request).await;
        (answer.status, answer.code().to_owned())
    };
    let refused = (413, "ERR_BODY_TOO_LARGE".to_owned());
    assert_eq!(send("1", packet).await, refused);
    assert_eq!(send("2", packet - 8_192).await, refused);
    assert_eq!(send("3", packet - 8_192 - 14).await.0, 200);
    assert_eq!(server.db.status().failures, 0);
}
