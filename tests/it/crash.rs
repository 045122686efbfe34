//! SIGKILL under load: whatever was acknowledged is there after the restart, once and in order.

use std::sync::Arc;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::ids::{IdentityKey, RoomId};
use serde_json::json;

use crate::support::authsocket::AuthSocketClient;
use crate::support::brc104::Brc104;
use crate::support::server::{ServerProcess, free_address};

const ROUNDS: usize = 5;
const SENDERS: usize = 4;

/// Sends live until the server is gone; gives what was acknowledged.
async fn send_live(
    address: std::net::SocketAddr,
    recipient: IdentityKey,
    name: String,
) -> Vec<String> {
    let mut client = AuthSocketClient::authenticated(address).await;
    let room = RoomId::of(&recipient, "inbox");
    let mut acked = Vec::new();
    for n in 0.. {
        let id = format!("{name} {n}");
        let data = json!({"roomId": room.as_str(), "message": {"messageId": id, "body": id}});
        let frame = client.signed("sendMessage", &data);
        if !client
            .websocket
            .try_send(format!("42[\"authMessage\",{frame}]"))
            .await
        {
            break;
        }
        match client.try_event().await {
            Some((_, data)) => {
                assert_eq!(
                    (&data["status"], &data["messageId"]),
                    (&json!("success"), &json!(id))
                );
                acked.push(id);
            }
            None => break,
        }
    }
    acked
}

/// The same over HTTP.
async fn send_http(
    address: std::net::SocketAddr,
    recipient: IdentityKey,
    name: String,
) -> Vec<String> {
    let client = Brc104::connect(&format!("http://{address}")).await;
    let mut acked = Vec::new();
    for n in 0.. {
        let id = format!("{name} {n}");
        let message = json!({"recipient": recipient.to_hex(), "messageBox": "inbox", "messageId": id, "body": id});
        let body = json!({ "message": message }).to_string();
        match client
            .try_send(&client.request("POST", "/sendMessage", body))
            .await
        {
            Some(answer) => {
                assert_eq!((answer.status, answer.signed), (200, true));
                acked.push(id);
            }
            None => break,
        }
    }
    acked
}

#[actix_web::test]
async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let bob = Arc::new(Identity::random());
    let mut acked: Vec<Vec<String>> = Vec::new();
    for round in 0..ROUNDS {
        let server = ServerProcess::start(address, folder.path());
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (name, key) = (format!("{round} {sender}"), bob.identity_key());
                if sender % 2 == 0 {
                    actix_web::rt::spawn(send_live(address, key, name))
                } else {
                    actix_web::rt::spawn(send_http(address, key, name))
                }
            })
            .collect();
        // Long enough for the senders to be in full swing, and another moment each time.
        tokio::time::sleep(Duration::from_millis(
            600 + 137 * u64::try_from(round).unwrap(),
        ))
        .await;
        server.kill();
        for sender in senders {
            acked.push(sender.await.unwrap());
        }
    }
    let total: usize = acked.iter().map(Vec::len).sum();
    assert!(
        total > ROUNDS * SENDERS,
        "only {total} messages were acknowledged"
    );

    let server = ServerProcess::start(address, folder.path());
    let reader = Brc104::connect_as(&format!("http://{address}"), bob).await;
    let listed = reader
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    let listed: Vec<&str> = listed.json["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["messageId"].as_str().unwrap())
        .collect();
    let distinct: std::collections::HashSet<&&str> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len(), "a message is listed twice");
    for sender in &acked {
        let Some(first) = sender.first() else {
            continue;
        };
        let name = first.rsplit_once(' ').unwrap().0;
        let own: Vec<&str> = listed
            .iter()
            .copied()
            .filter(|id| {
                id.rsplit_once(' ')
                    .is_some_and(|(sender, _)| sender == name)
            })
            .collect();
        // One more may have been stored whose ack was lost with the server.
        assert!(
            own.len() == sender.len() || own.len() == sender.len() + 1,
            "{name}: {} of {}",
            own.len(),
            sender.len()
        );
        assert_eq!(own[..sender.len()], *sender, "{name}");
    }
    drop(server);
}
