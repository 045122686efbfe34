//! A panic in a handler ends its own session properly, and nothing else.

use messagebox::engineio::CloseReason;
use messagebox::panics;

use crate::support::echo::{EchoServer, calm};
use crate::support::eventually;
use crate::support::polling::Polling;
use crate::support::websocket::{Got, Websocket};

#[actix_web::test]
async fn a_socket_whose_handler_panics_is_closed_and_others_live_on() {
    let server = EchoServer::start(calm());
    let websocket = server.ws("EIO=4&transport=websocket");
    let polling = server.http("EIO=4&transport=polling");
    let mut other = Websocket::open(&websocket).await;
    let before = panics::count();

    let mut broken = Websocket::open(&websocket).await;
    broken.send("4panic").await;
    // The server closes it at once, so that its client reconnects.
    assert!(matches!(broken.next().await, Got::Closed(_)));

    let polled = Polling::open(&polling).await;
    let (posted, waiting) = futures_util::future::join(polled.post("4panic"), polled.get()).await;
    assert!(
        posted.0 == 400 && waiting.0 == 400,
        "{posted:?} {waiting:?}"
    );
    assert!(panics::count() >= before + 2);

    eventually("one socket", || server.table.len() == 1).await;
    assert_eq!(server.reasons(), [CloseReason::TransportError; 2]);
    other.send("4still here").await;
    assert_eq!(other.text().await, "4still here");
}
