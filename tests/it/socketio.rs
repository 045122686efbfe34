//! Socket.IO on the wire, one test per rule, against the example server.

use std::process::{Child, Command, Stdio};

use bytes::Bytes;

use crate::support::server::free_address;
use crate::support::websocket::{Got, Websocket};
use crate::support::{PATIENCE, within};

/// The example `socketio_echo`, which `cargo test` builds.
struct Echo {
    child: Child,
    url: String,
}

impl Echo {
    fn start() -> Self {
        let address = free_address();
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        let child = Command::new(path.join("examples/socketio_echo"))
            .args(["--host", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < PATIENCE, "the example does not listen");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        Self { child, url }
    }

    async fn open(&self) -> Websocket {
        Websocket::open(&self.url).await
    }

    /// Joins the main namespace and reads the greeting.
    async fn joined(&self) -> Websocket {
        let mut websocket = self.open().await;
        websocket.send("40").await;
        assert!(next(&mut websocket).await.starts_with("40{\"sid\":"));
        assert_eq!(next(&mut websocket).await, "42[\"auth\",{}]");
        websocket
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next packet. Answers pings.
async fn next(websocket: &mut Websocket) -> String {
    loop {
        match websocket.text().await {
            ping if ping == "2" => websocket.send("3").await,
            text => return text,
        }
    }
}

#[actix_web::test]
async fn namespaces_are_joined_with_and_without_a_payload() {
    let echo = Echo::start();
    for (packet, confirmed, greeting) in [
        ("40", "40{\"sid\":", "42[\"auth\",{}]"),
        (
            "40{\"token\":\"123\"}",
            "40{\"sid\":",
            "42[\"auth\",{\"token\":\"123\"}]",
        ),
        (
            "40/custom,",
            "40/custom,{\"sid\":",
            "42/custom,[\"auth\",{}]",
        ),
        (
            "40/custom",
            "40/custom,{\"sid\":",
            "42/custom,[\"auth\",{}]",
        ),
        (
            "40/custom,{\"token\":\"abc\"}",
            "40/custom,{\"sid\":",
            "42/custom,[\"auth\",{\"token\":\"abc\"}]",
        ),
    ] {
        let mut websocket = echo.open().await;
        websocket.send(packet).await;
        let answer = next(&mut websocket).await;
        assert!(answer.starts_with(confirmed), "{answer}");
        let json: serde_json::Value = serde_json::from_str(
            answer
                .trim_start_matches("40/custom,")
                .trim_start_matches("40"),
        )
        .unwrap();
        assert_eq!(json.as_object().unwrap().len(), 1, "{answer}");
        assert_eq!(next(&mut websocket).await, greeting);
    }
}

#[actix_web::test]
async fn an_unknown_namespace_is_refused() {
    let echo = Echo::start();
    let mut websocket = echo.open().await;
    websocket.send("40/random").await;
    assert_eq!(
        next(&mut websocket).await,
        "44/random,{\"message\":\"Invalid namespace\"}"
    );
}

#[actix_web::test]
async fn wrong_packets_and_silence_close_the_connection() {
    let echo = Echo::start();
    for packets in [
        vec!["4abc"],
        vec!["40", "42{}"],
        vec!["40", "42abc[\"message-with-ack\",1]"],
        vec!["42[\"x\"]"],
        vec![],
    ] {
        let mut websocket = echo.open().await;
        for packet in &packets {
            websocket.send(*packet).await;
        }
        let closed = async {
            loop {
                match websocket.next().await {
                    Got::Text(text) if text == "2" => websocket.send("3").await,
                    Got::Text(_) | Got::Binary(_) => {}
                    Got::Closed(_) => return,
                }
            }
        };
        within("the end", closed).await;
    }
}

#[actix_web::test]
async fn leaving_a_namespace_keeps_the_connection() {
    let echo = Echo::start();
    let mut websocket = echo.joined().await;
    websocket.send("40/custom").await;
    next(&mut websocket).await;
    next(&mut websocket).await;
    websocket.send("41/custom").await;
    websocket
        .send("42[\"message\",\"to the main namespace\"]")
        .await;
    assert_eq!(
        next(&mut websocket).await,
        "42[\"message-back\",\"to the main namespace\"]"
    );
    websocket.send("41").await;
    assert_eq!(
        websocket.text().await,
        "2",
        "the Engine.IO session continues"
    );
}

#[actix_web::test]
async fn a_packet_right_behind_the_join_is_not_lost() {
    let echo = Echo::start();
    let mut websocket = echo.open().await;
    websocket.send("40").await;
    websocket.send("42[\"message\",1]").await;
    next(&mut websocket).await;
    next(&mut websocket).await;
    assert_eq!(next(&mut websocket).await, "42[\"message-back\",1]");
}

#[actix_web::test]
async fn events_and_acks_come_back_text_and_binary() {
    let echo = Echo::start();
    let mut websocket = echo.joined().await;
    for (sent, back) in [
        (
            "42[\"message\",1,\"2\",{\"3\":[true]}]",
            "42[\"message-back\",1,\"2\",{\"3\":[true]}]",
        ),
        (
            "42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]",
            "43456[1,\"2\",{\"3\":[false]}]",
        ),
        ("420[\"message-with-ack\"]", "430[]"),
    ] {
        websocket.send(sent).await;
        assert_eq!(next(&mut websocket).await, back);
    }
    let two = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    for (sent, back) in [
        (
            format!("452-[\"message\",{two}]"),
            format!("452-[\"message-back\",{two}]"),
        ),
        (
            format!("452-789[\"message-with-ack\",{two}]"),
            format!("462-789[{two}]"),
        ),
    ] {
        websocket.send(sent).await;
        websocket.send_binary(&[1, 2, 3]).await;
        websocket.send_binary(&[4, 5, 6]).await;
        assert_eq!(next(&mut websocket).await, back);
        for bytes in [[1, 2, 3], [4, 5, 6]] {
            let mut got = websocket.next().await;
            if got == Got::Text("2".to_owned()) {
                websocket.send("3").await;
                got = websocket.next().await;
            }
            assert_eq!(got, Got::Binary(Bytes::copy_from_slice(&bytes)));
        }
    }
}
