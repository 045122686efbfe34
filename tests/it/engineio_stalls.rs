//! Clients that stop reading: the session must end, and no other client may notice.

use std::time::Duration;

use messagebox::engineio::{CloseReason, EngineConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::echo::{EchoServer, calm, quick};
use crate::support::websocket::Websocket;
use crate::support::{eventually, within};

/// Opens a websocket by hand, asks for a flood, and never reads again.
async fn stalled(server: &EchoServer, flood: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let handshake = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: test\r\n\
        connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut byte = [0];
    while byte[0] != b'}' {
        // Reads up to the end of the open packet.
        within("the open packet", stream.read_exact(&mut byte))
            .await
            .unwrap();
    }
    let text = format!("4flood {flood}");
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).await.unwrap();
    stream
}

#[actix_web::test]
async fn a_client_that_stops_reading_is_timed_out_by_its_heartbeat() {
    let server = EchoServer::start(EngineConfig {
        max_outbound_bytes: 64 << 20,
        ..quick()
    });
    let stream = stalled(&server, 500).await;
    eventually("the end", || server.reasons() == [CloseReason::PingTimeout]).await;
    eventually("the freed permit", || server.table.is_empty()).await;
    drop(stream);
}

#[actix_web::test]
async fn a_client_that_stops_reading_is_cut_off_at_the_outbound_limit() {
    let server = EchoServer::start(calm());
    let mut other = Websocket::open(&server.ws("EIO=4&transport=websocket")).await;
    let stream = stalled(&server, 500).await;
    eventually("the end", || {
        server.reasons() == [CloseReason::SlowConsumer]
    })
    .await;
    other.send("4hello").await;
    assert_eq!(other.text().await, "4hello");
    eventually("the freed permit", || server.table.len() == 1).await;
    drop(stream);
}

#[actix_web::test]
async fn the_connection_of_a_stalled_client_is_shut_down() {
    // Late enough that the client stalls before its heartbeat ends it.
    let server = EchoServer::start(EngineConfig {
        ping_interval: Duration::from_secs(3),
        ..quick()
    });
    let stream = stalled(&server, 60).await;
    eventually("the end", || !server.reasons().is_empty()).await;
    // The client reads nothing, so only the server can end the connection.
    let reset = stream.ready(tokio::io::Interest::ERROR);
    within("the end of the connection", reset).await.unwrap();
    let error = stream.take_error().unwrap();
    let error = error.map(|error| error.kind());
    assert_eq!(error, Some(std::io::ErrorKind::ConnectionReset));
}

#[actix_web::test]
async fn a_client_that_reads_slowly_is_served_whole() {
    let server = EchoServer::start(EngineConfig {
        max_outbound_bytes: 64 << 20,
        ..calm()
    });
    let mut websocket = Websocket::open(&server.ws("EIO=4&transport=websocket")).await;
    websocket.send("4flood 200").await;
    for n in 0..200 {
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(websocket.text().await.len(), 1 + 64 * 1024);
    }
}
