//! The move from polling to a websocket, one test per rule.

use futures_util::future::join;

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
async fn a_waiting_poll_is_ended_by_the_probe() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let (poll, mut websocket) = within("both", join(polling.get(), probe(&server, &polling))).await;
    assert_eq!(poll, (200, "6".to_owned()));
    websocket.send("5").await;
    websocket.send("4hello").await;
    assert_eq!(websocket.text().await, "4hello");
}

#[actix_web::test]
async fn no_packet_is_lost_or_repeated_on_the_way() {
    let server = EchoServer::start(calm());
    let polling = session(&server).await;
    let mut received = Vec::new();
    let take = |body: String, received: &mut Vec<String>| {
        received.extend(
            body.split('\x1e')
                .filter(|packet| *packet != "6")
                .map(str::to_owned),
        );
    };
    let numbers = |from: usize, to: usize| {
        (from..to)
            .map(|n| format!("4{n}"))
            .collect::<Vec<_>>()
            .join("\x1e")
    };
    polling.post(numbers(0, 20)).await;
    take(polling.get().await.1, &mut received);
    let mut websocket = probe(&server, &polling).await;
    polling.post(numbers(20, 40)).await;
    take(polling.get().await.1, &mut received);
    polling.post(numbers(40, 50)).await;
    websocket.send("5").await;
    for n in 50..60 {
        websocket.send(format!("4{n}")).await;
    }
    while received.len() < 60 {
        received.push(websocket.text().await);
    }
    let expected: Vec<String> = (0..60).map(|n| format!("4{n}")).collect();
    assert_eq!(received, expected);
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

#[actix_web::test]
async fn a_probe_that_does_not_end_is_given_up() {
    let mut config = calm();
    config.upgrade_timeout = std::time::Duration::from_millis(100);
    let server = EchoServer::start(config);
    let polling = session(&server).await;
    let mut websocket = websocket(&server, &polling).await;
    // The answer may or may not come in time.
    websocket.try_send("2probe".to_owned()).await;
    websocket.closed().await;
    polling.post("4still here").await;
    assert_eq!(polling.get().await.1, "4still here");
}
