//! Senders that work until the server is gone or they are stopped, and checks that everything acknowledged is there.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use messagebox::auth::Identity;
use messagebox::ids::{IdentityKey, RoomId};
use serde_json::json;
use tokio::task::JoinHandle;

use super::authsocket::AuthSocketClient;
use super::brc104::Brc104;

#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: String,
    /// Without an acknowledgement, the message may or may not be stored.
    pub acknowledged: bool,
}

/// The messages of a sender, in order.
pub type Attempts = Vec<Attempt>;

/// Stops senders. A sender with a flag tolerates refusals. For all others a refusal fails the test.
pub type Stop = Option<Arc<AtomicBool>>;

/// The ids that were acknowledged.
pub fn acknowledged(attempts: &Attempts) -> impl Iterator<Item = &str> {
    let acknowledged = attempts.iter().filter(|attempt| attempt.acknowledged);
    acknowledged.map(|attempt| attempt.id.as_str())
}

/// Starts senders, every other one on a socket. `round` keeps their names apart.
pub fn start(
    count: usize,
    round: usize,
    address: SocketAddr,
    recipient: IdentityKey,
    stop: &Stop,
) -> Vec<JoinHandle<Attempts>> {
    let sender = |sender: usize| {
        let (name, stop) = (format!("{round} {sender}"), stop.clone());
        if sender.is_multiple_of(2) {
            actix_web::rt::spawn(send_live(address, recipient, name, stop))
        } else {
            actix_web::rt::spawn(send_http(address, recipient, name, stop))
        }
    };
    (0..count).map(sender).collect()
}

/// The ids of a sender's messages, until it is stopped.
fn ids<'a>(name: &'a str, stop: &'a Stop) -> impl Iterator<Item = String> + 'a {
    let goes_on = || {
        !stop
            .as_ref()
            .is_some_and(|stop| stop.load(Ordering::Acquire))
    };
    (0..)
        .take_while(move |_| goes_on())
        .map(move |n| format!("{name} {n}"))
}

/// Sends live. Ends early when the server is gone.
async fn send_live(
    address: SocketAddr,
    recipient: IdentityKey,
    name: String,
    stop: Stop,
) -> Attempts {
    let mut attempts = Vec::new();
    let Some(mut client) = AuthSocketClient::try_authenticated(address).await else {
        return attempts;
    };
    // At the pace of published clients, acks would come slowly.
    let claim = json!({"identityKey": client.key().to_hex(), "pace": "0"});
    let frame = client.signed("authenticated", &claim);
    let frame = format!("42[\"authMessage\",{frame}]");
    if !client.websocket.try_send(frame).await || client.try_event().await.is_none() {
        return attempts;
    }
    let room = RoomId::of(&recipient, "inbox");
    let ack = format!("sendMessageAck-{room}");
    for id in ids(&name, &stop) {
        let data = json!({"roomId": room.as_str(), "message": {"messageId": id, "body": id}});
        let frame = client.signed("sendMessage", &data);
        let frame = format!("42[\"authMessage\",{frame}]");
        let is_sent = client.websocket.try_send(frame).await;
        let mut answer = None;
        while is_sent && let Some((event, data)) = client.try_event().await {
            if event == ack {
                answer = Some(data);
                break;
            }
            // The first event of a new session.
            if event == "keepAlive" {
                continue;
            }
            assert_eq!((event.as_str(), stop.is_some()), ("messageFailed", true));
        }
        if let Some(data) = &answer {
            assert_eq!(data["messageId"], id);
        }
        let acknowledged = answer
            .as_ref()
            .is_some_and(|data| data["status"] == "success");
        attempts.push(Attempt { id, acknowledged });
        if answer.is_none() {
            break;
        }
    }
    attempts
}

/// Sends over HTTP. Ends early when the server is gone.
async fn send_http(
    address: SocketAddr,
    recipient: IdentityKey,
    name: String,
    stop: Stop,
) -> Attempts {
    let mut attempts = Vec::new();
    let identity = Arc::new(Identity::random());
    let url = format!("http://{address}");
    let connect = async || Brc104::try_connect_as(&url, Arc::clone(&identity)).await;
    let Some(mut client) = connect().await else {
        return attempts;
    };
    for id in ids(&name, &stop) {
        let message = json!({"recipient": recipient.to_hex(), "messageBox": "inbox", "messageId": id, "body": id});
        let body = json!({ "message": message }).to_string();
        let request = client.request("POST", "/sendMessage", body);
        let answer = client.try_send(&request).await;
        let status = answer.as_ref().map(|answer| (answer.status, answer.signed));
        match status {
            None | Some((200, true)) => {}
            Some((500 | 503, true)) if stop.is_some() => {}
            // The database was down at the handshake, so it has no session. Clients shake hands again.
            Some((401, false)) if stop.is_some() => match connect().await {
                Some(connected) => client = connected,
                None => return attempts,
            },
            Some(other) => panic!("{id}: {other:?}"),
        }
        let acknowledged = status == Some((200, true));
        attempts.push(Attempt { id, acknowledged });
        if status.is_none() {
            break;
        }
    }
    attempts
}

/// Compares the list of `recipient` with the acknowledgements: every message, once, in order, and no others.
pub async fn assert_kept(address: SocketAddr, recipient: Arc<Identity>, senders: &[Attempts]) {
    let reader = Brc104::connect_as(&format!("http://{address}"), recipient).await;
    let listed = reader
        .post("/listMessages", r#"{"messageBox":"inbox"}"#)
        .await;
    let listed: Vec<&str> = listed.json["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["messageId"].as_str().unwrap())
        .collect();
    assert_all_there(&listed, senders);
}

/// The same for messages found in any way.
pub fn assert_all_there(found: &[&str], senders: &[Attempts]) {
    let distinct: HashSet<&str> = found.iter().copied().collect();
    assert_eq!(distinct.len(), found.len(), "a message is stored twice");
    let mut known = 0;
    for attempts in senders {
        let sent: HashSet<&str> = attempts.iter().map(|attempt| &*attempt.id).collect();
        let own: Vec<&str> = found
            .iter()
            .copied()
            .filter(|id| sent.contains(id))
            .collect();
        // Messages without an acknowledgement may be stored.
        let expected = attempts
            .iter()
            .filter(|attempt| attempt.acknowledged || distinct.contains(&*attempt.id));
        let expected: Vec<&str> = expected.map(|attempt| &*attempt.id).collect();
        assert_eq!(own, expected);
        known += own.len();
    }
    assert_eq!(known, found.len(), "a message was never sent");
}
