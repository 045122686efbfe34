//! The move from polling to a websocket over real connections. `tests/pair/upgrade.rs` has its races.

use crate::support::echo::{EchoServer, calm};
use crate::support::polling::Polling;
use crate::support::websocket::Websocket;
use crate::support::within;

async fn session(server: &EchoServer) -> Polling {
    Polling::open(&server.http("EIO=4&transport=polling")).await
}

async fn websocket(server: &EchoServer, polling: &Polling) -> Websocket {
    let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
    Websocket::connect(&server.ws(&query)).await
}

async fn probe(server: &EchoServer, polling: &Polling) -> Websocket {
    let mut websocket = websocket(server, polling).await;
    websocket.send("2probe").await;
    assert_eq!(websocket.text().await, "3probe");
    websocket
}

#[actix_web::test]
async fn a_session_moves_and_continues() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let mut websocket = probe(&server, &polling).await;
    assert_eq!(
        within("the poll", polling.get()).await,
        (200, "6".to_owned())
    );
    websocket.send("5").await;
    websocket.send("4hello").await;
    assert_eq!(websocket.text().await, "4hello");
    assert_eq!(server.table.len(), 1);
}

#[actix_web::test]
async fn polling_is_over_after_the_upgrade() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let mut websocket = probe(&server, &polling).await;
    websocket.send("5").await;
    websocket.send("4a").await;
    assert_eq!(websocket.text().await, "4a");
    assert_eq!(polling.get().await.0, 400);
    assert_eq!(polling.post("4b").await.0, 400);
    websocket.send("4c").await;
    assert_eq!(websocket.text().await, "4c");
}

#[actix_web::test]
async fn a_second_websocket_is_closed_and_the_first_continues() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let mut first = probe(&server, &polling).await;
    let mut during = websocket(&server, &polling).await;
    during.closed().await;
    first.send("5").await;
    first.send("4a").await;
    assert_eq!(first.text().await, "4a");
    let mut after = websocket(&server, &polling).await;
    after.closed().await;
    first.send("4b").await;
    assert_eq!(first.text().await, "4b");
}

#[actix_web::test]
async fn a_failed_upgrade_leaves_polling_as_it_was() {
    let server = EchoServer::start(calm());
    for wrong in ["4hello", "abc", "5"] {
        let polling = session(&server).await;
        let mut websocket = websocket(&server, &polling).await;
        websocket.send(wrong).await;
        websocket.closed().await;
        polling.post("4still here").await;
        assert_eq!(
            polling.get().await,
            (200, "4still here".to_owned()),
            "{wrong}"
        );
    }
}

#[actix_web::test]
async fn a_websocket_that_leaves_during_the_probe_leaves_polling_as_it_was() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    drop(probe(&server, &polling).await);
    polling.post("4still here").await;
    let answer = loop {
        // The server ends polls with a noop until it notices the closed websocket.
        let (_, body) = polling.get().await;
        if body != "6" {
            break body;
        }
    };
    assert_eq!(answer, "4still here");
    let mut again = probe(&server, &polling).await;
    again.send("5").await;
    again.send("4moved").await;
    assert_eq!(again.text().await, "4moved");
}
