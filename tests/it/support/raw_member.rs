//! Room members on raw connections, which tests read slowly or let vanish.

use std::net::SocketAddr;
use std::sync::Arc;

use messagebox::auth::{AuthMessage, Handled, Identity, Peer, PeerConfig, SharedPayload};
use serde_json::json;
use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::polling::Polling;
use super::within;

/// Makes the kernel drop everything that arrives on this connection. For the other end it is like a pulled cable. Keep
/// the connection until the test ends, or the other end notices its close.
pub fn vanish(stream: &TcpStream) {
    // "Return 0" keeps nothing of each packet.
    let drop_all = [SockFilter::new(0x06, 0, 0, 0)];
    SockRef::from(stream).attach_filter(&drop_all).unwrap();
}

/// A connection with a small receive buffer.
pub async fn small_connection(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

fn auth_event(json: &str) -> String {
    format!("42[\"authMessage\",{json}]")
}

fn response(peer: &mut Peer, text: &str) {
    let json = text
        .strip_prefix("42[\"authMessage\",")
        .and_then(|rest| rest.strip_suffix(']'));
    let handled = peer
        .handle(&AuthMessage::parse(json.unwrap()).unwrap())
        .unwrap();
    assert!(matches!(
        handled,
        Handled::Established(_) | Handled::General(_)
    ));
}

fn authenticated(peer: &Peer, identity: &Identity) -> String {
    let key = identity.identity_key().to_hex();
    let payload = json!({"eventName": "authenticated", "data": {"identityKey": key}}).to_string();
    let mut json = String::new();
    peer.sign(&SharedPayload::new(payload.into_bytes()), &mut json)
        .unwrap();
    auth_event(&json)
}

/// A member on a websocket. Returns its connection, with nothing more read from it.
pub async fn websocket_member(address: SocketAddr, identity: Arc<Identity>) -> TcpStream {
    let mut stream = small_connection(address).await;
    let handshake = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: localhost\r\n\
        connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the response", stream.read_u8()).await.unwrap());
    }
    assert!(read_frame(&mut stream).await.starts_with('0'));
    let mut peer = Peer::new(Arc::clone(&identity), PeerConfig::default());
    write_frame(&mut stream, "40").await;
    assert!(read_frame(&mut stream).await.starts_with("40"));
    let request = auth_event(&peer.start_handshake().unwrap());
    write_frame(&mut stream, &request).await;
    response(&mut peer, &read_frame(&mut stream).await);
    write_frame(&mut stream, &authenticated(&peer, &identity)).await;
    response(&mut peer, &read_frame(&mut stream).await);
    stream
}

/// A member on polling, without a poll in flight.
pub async fn polling_member(address: SocketAddr, identity: Arc<Identity>) -> Polling {
    let url = format!("http://{address}/socket.io/?EIO=4&transport=polling");
    let session = Polling::open(&url).await;
    let mut peer = Peer::new(Arc::clone(&identity), PeerConfig::default());
    let exchange = async |text: String| {
        assert_eq!(session.post(text).await.0, 200);
        session.get().await.1
    };
    assert!(exchange("40".to_owned()).await.starts_with("40"));
    let request = auth_event(&peer.start_handshake().unwrap());
    let answer = exchange(request).await;
    response(&mut peer, &answer);
    let answer = exchange(authenticated(&peer, &identity)).await;
    response(&mut peer, &answer);
    session
}

/// Writes a text frame masked with zeros.
pub async fn write_frame(stream: &mut TcpStream, text: &str) {
    let mut frame = vec![0x81];
    if let Ok(short @ 0..=125) = u8::try_from(text.len()) {
        frame.push(0x80 | short);
    } else {
        frame.push(0xfe);
        frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).await.unwrap();
}

async fn read_frame(stream: &mut TcpStream) -> String {
    let reading = async {
        assert_eq!(stream.read_u8().await.unwrap(), 0x81);
        let length = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            short => usize::from(short),
        };
        let mut text = vec![0; length];
        stream.read_exact(&mut text).await.unwrap();
        String::from_utf8(text).unwrap()
    };
    within("a frame", reading).await
}
