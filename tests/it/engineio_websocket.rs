//! Engine.IO over a websocket, one test a rule.

use actix_http::ws::Item;
use awc::ws::Message;
use bytes::Bytes;
use messagebox::engineio::{CloseReason, EngineConfig};

use crate::support::echo::{EchoServer, calm, quick};
use crate::support::websocket::{Got, Websocket};
use crate::support::{PATIENCE, eventually};

const QUERY: &str = "EIO=4&transport=websocket";

async fn open(server: &EchoServer) -> Websocket {
    Websocket::open(&server.ws(QUERY)).await
}

#[actix_web::test]
async fn a_session_opens_without_upgrades() {
    let server = EchoServer::start(quick());
    let mut websocket = Websocket::connect(&server.ws(QUERY)).await;
    let open = websocket.text().await;
    assert!(
        open.starts_with("0{") && open.contains(r#""upgrades":[]"#),
        "{open}"
    );
}

#[actix_web::test]
async fn an_unsupported_version_is_refused() {
    let server = EchoServer::start(calm());
    for query in [
        "transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=4&transport=abc",
    ] {
        let refused = awc::Client::new().ws(server.ws(query)).connect().await;
        assert!(refused.is_err(), "{query}");
    }
    assert!(server.table.is_empty());
}

/// Clients that offer some insist on one.
#[actix_web::test]
async fn the_first_subprotocol_that_is_offered_is_taken() {
    let server = EchoServer::start(calm());
    for offered in [&["chat.v1", "other"][..], &[]] {
        let client = awc::Client::builder()
            .max_http_version(awc::http::Version::HTTP_11)
            .finish();
        let request = client.ws(server.ws(QUERY)).protocols(offered);
        let (response, _framed) = request.connect().await.unwrap();
        let taken = response.headers().get("sec-websocket-protocol");
        let taken = taken.map(|taken| taken.to_str().unwrap());
        assert_eq!(taken, offered.first().copied());
    }
}

#[actix_web::test]
async fn messages_come_back_text_and_binary() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    websocket.send("4hello").await;
    assert_eq!(websocket.text().await, "4hello");
    websocket.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(
        websocket.next().await,
        Got::Binary(Bytes::from_static(&[1, 2, 3, 4]))
    );
}

#[actix_web::test]
async fn a_thousand_messages_come_back_in_order() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    for n in 0..1_000 {
        websocket.send(format!("4{n}")).await;
    }
    for n in 0..1_000 {
        assert_eq!(websocket.text().await, format!("4{n}"));
    }
}

#[actix_web::test]
async fn frames_over_64_kib_are_taken_whole_and_in_fragments() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    let large = format!("4{}", "x".repeat(900_000));
    websocket.send(large.clone()).await;
    assert!(websocket.text().await == large);
    let half = Bytes::from("x".repeat(450_000));
    let first = Bytes::from_static(b"4");
    for item in [
        Item::FirstText(first),
        Item::Continue(half.clone()),
        Item::Last(half),
    ] {
        websocket.send_message(Message::Continuation(item)).await;
    }
    assert!(websocket.text().await == large);
}

#[actix_web::test]
async fn a_frame_over_max_payload_closes_with_a_code() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    websocket.send(format!("4{}", "x".repeat(1_000_000))).await;
    assert_eq!(websocket.closed().await, Some(1009));
    eventually("the end", || server.table.is_empty()).await;
}

#[actix_web::test]
async fn fragments_over_max_payload_close_with_a_code() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    let half = Bytes::from("4".repeat(600_000));
    websocket
        .send_message(Message::Continuation(Item::FirstText(half.clone())))
        .await;
    websocket
        .send_message(Message::Continuation(Item::Continue(half)))
        .await;
    assert_eq!(websocket.closed().await, Some(1009));
}

#[actix_web::test]
async fn what_is_no_packet_ends_the_session() {
    let server = EchoServer::start(calm());
    for text in ["abc", "", "7", "1x"] {
        let mut websocket = open(&server).await;
        websocket.send(text).await;
        websocket.closed().await;
    }
    eventually("every end", || {
        server.reasons() == [CloseReason::ParseError; 4]
    })
    .await;
}

#[actix_web::test]
async fn text_that_is_not_utf8_ends_the_session() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    let first = Item::FirstText(Bytes::from_static(&[b'4', 0xff]));
    websocket.send_message(Message::Continuation(first)).await;
    websocket
        .send_message(Message::Continuation(Item::Last(Bytes::new())))
        .await;
    assert_eq!(websocket.closed().await, Some(1007));
}

#[actix_web::test]
async fn pings_come_and_pongs_keep_the_session() {
    let server = EchoServer::start(EngineConfig {
        ping_timeout: PATIENCE,
        ..quick()
    });
    let mut websocket = open(&server).await;
    for _ in 0..3 {
        assert_eq!(websocket.text().await, "2");
        websocket.send("3").await;
    }
}

#[actix_web::test]
async fn a_missing_pong_ends_the_session() {
    let server = EchoServer::start(quick());
    let mut websocket = open(&server).await;
    assert_eq!(websocket.text().await, "2");
    websocket.closed().await;
    eventually("the end", || server.reasons() == [CloseReason::PingTimeout]).await;
}

#[actix_web::test]
async fn the_client_closes_by_a_packet_or_by_leaving() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    websocket.send("1").await;
    websocket.closed().await;
    drop(open(&server).await);
    eventually("both ends", || {
        server.reasons() == [CloseReason::TransportClose; 2]
    })
    .await;
}

#[actix_web::test]
async fn every_client_is_told_when_the_server_goes() {
    let server = EchoServer::start(calm());
    let mut websocket = open(&server).await;
    server.table.close_all(CloseReason::ServerShutdown);
    assert_eq!(websocket.closed().await, Some(1000));
    eventually("the end", || server.table.is_empty()).await;
}
