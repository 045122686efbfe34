//! Requests to a server as an admin, and busy actors.

use std::sync::mpsc::Receiver;

use actix::{Context, Handler, Message};
use messagebox::admin::Admin;
use messagebox::rooms::RoomRegistry;
use serde_json::Value;

use super::polling::client;
use super::server::TestServer;

/// Keeps an actor's thread busy until the other end is dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Hold(pub Receiver<()>);

impl Handler<Hold> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, Hold(held): Hold, _: &mut Context<Self>) {
        let _ = held.recv();
    }
}

impl Handler<Hold> for Admin {
    type Result = ();

    fn handle(&mut self, Hold(held): Hold, _: &mut Context<Self>) {
        let _ = held.recv();
    }
}

/// Sends a request with these headers. Returns status and text of the answer.
pub async fn ask_with(
    server: &TestServer,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let mut request = client().request(method.parse().unwrap(), server.http(target));
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    let mut response = request.send().await.unwrap();
    let body = response.body().limit(16 << 20).await.unwrap();
    (
        response.status().as_u16(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// Returns the JSON of a successful answer. On a busy machine an actor may be late, so a GET is repeated.
pub async fn ask(server: &TestServer, method: &str, target: &str) -> Value {
    let (mut status, mut text) = (0, String::new());
    super::eventually_async("an answer in time", async || {
        (status, text) = ask_with(server, method, target, &[]).await;
        status != 503 || method != "GET"
    })
    .await;
    assert_eq!(status, 200, "{target}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Asks for the status until `holds` accepts it.
pub async fn status_when(server: &TestServer, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut status = Value::Null;
    super::eventually_async(what, async || {
        status = ask(server, "GET", "/admin/status?full=true").await;
        holds(&status)
    })
    .await;
    status
}
