//! Websockets as clients and proxies open them, frames as networks split them, and polls that race with an upgrade.

use std::net::SocketAddr;

use futures_util::future::join;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::echo::{EchoServer, calm};
use crate::support::polling::Polling;
use crate::support::websocket::{Got, Websocket};
use crate::support::within;

const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";

/// A masked frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut frame = vec![first];
    if let Ok(short @ 0..=125) = u8::try_from(payload.len()) {
        frame.push(0x80 | short);
    } else {
        frame.push(0xfe);
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

fn request(query: &str, headers: &str) -> String {
    format!("GET /engine.io/?{query} HTTP/1.1\r\nhost: x\r\n{headers}{KEY}\r\n")
}

/// Sends these bytes in one write. Returns the head of the answer and the connection.
async fn begin(address: SocketAddr, bytes: &[u8]) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the head", stream.read_u8()).await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

/// The next frame of the server: its first byte and its payload.
async fn next(stream: &mut TcpStream) -> (u8, String) {
    let reading = async {
        let first = stream.read_u8().await.unwrap();
        let length = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        (first, String::from_utf8(payload).unwrap())
    };
    within("a frame", reading).await
}

#[actix_web::test]
async fn an_upgrade_may_be_asked_for_in_odd_headers() {
    let server = EchoServer::start(calm());
    for headers in [
        "connection: Upgrade\r\nupgrade: websocket\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        "CONNECTION: UPGRADE\r\nUPGRADE: WEBSOCKET\r\n",
        "connection: upgrade,keep-alive\r\nupgrade: WebSocket\r\n",
        "connection: \t Upgrade \t\r\nupgrade:websocket\r\n",
        "connection: keep-alive\r\nconnection: Upgrade\r\nupgrade: websocket\r\n",
        "connection: Upgrade\r\nconnection: keep-alive\r\nupgrade: websocket\r\n",
        "connection: keep-alive, te, Upgrade\r\nupgrade: websocket\r\nte: trailers\r\n",
        "connection: Upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n",
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
    ] {
        let bytes = request("EIO=4&transport=websocket", headers);
        let (head, mut stream) = begin(server.address, bytes.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{headers:?}: {head}");
        assert!(!head.contains("permessage-deflate"), "{head}");
        assert!(next(&mut stream).await.1.starts_with("0{"), "{headers:?}");
        stream.write_all(&frame(0x81, b"4hello")).await.unwrap();
        assert_eq!(next(&mut stream).await, (0x81, "4hello".to_owned()));
    }
    // Requests without an upgrade, or for another one, get none.
    for headers in [
        "",
        "connection: keep-alive\r\nupgrade: websocket\r\n",
        "connection: Upgrade\r\n",
        "connection: Upgrade\r\nupgrade: h2c\r\n",
    ] {
        let bytes = request("EIO=4&transport=websocket", headers);
        let (head, _stream) = begin(server.address, bytes.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{headers:?}: {head}");
    }
}

/// As in socket.io: the code and message of its protocol, before the websocket opens.
#[actix_web::test]
async fn a_websocket_of_another_version_gets_a_close_message() {
    let server = EchoServer::start(calm());
    for query in [
        "transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=&transport=websocket",
        "EIO=3&EIO=4&transport=websocket",
    ] {
        let bytes = request(query, "connection: Upgrade\r\nupgrade: websocket\r\n");
        let (head, mut stream) = begin(server.address, bytes.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{query}: {head}");
        let expected = r#"{"code":5,"message":"Unsupported protocol version"}"#;
        let mut body = vec![0; expected.len()];
        within("the body", stream.read_exact(&mut body))
            .await
            .unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected, "{query}");
    }
    assert!(server.table.is_empty());
}

#[actix_web::test]
async fn frames_of_one_segment_are_read_one_after_the_other() {
    let server = EchoServer::start(calm());
    let fragments = [
        frame(0x01, b"4he"),
        frame(0x00, b""),
        frame(0x89, b"ping"),
        frame(0x00, b"l"),
        frame(0x80, b"lo"),
        frame(0x81, b"4whole"),
        frame(0x01, b"4"),
        frame(0x80, b"end"),
    ]
    .concat();
    let upgrade = request(
        "EIO=4&transport=websocket",
        "connection: Upgrade\r\nupgrade: websocket\r\n",
    );
    let expected = ["4hello", "4whole", "4end"];
    // After the handshake, together with it, and split at each byte.
    let together = [upgrade.as_bytes(), &fragments].concat();
    for cut in [upgrade.len(), together.len()]
        .into_iter()
        .chain(upgrade.len()..together.len())
    {
        let (before, behind) = together.split_at(cut);
        let (head, mut stream) = begin(server.address, before).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(next(&mut stream).await.1.starts_with("0{"));
        stream.write_all(behind).await.unwrap();
        let mut texts = Vec::new();
        while texts.len() < expected.len() {
            match next(&mut stream).await {
                (0x8a, payload) => assert_eq!(payload, "ping"),
                (first, text) => {
                    assert_eq!(first, 0x81);
                    texts.push(text);
                }
            }
        }
        assert_eq!(texts, expected, "cut at {cut}");
    }
}

/// Like the published clients, this one keeps polling and posting while it probes the websocket. Each packet arrives
/// once.
#[actix_web::test]
async fn polls_may_race_an_upgrade() {
    const PACKETS: usize = 30;
    let server = EchoServer::start(calm());
    for round in 0..20 {
        let polling = Polling::open(&server.http("EIO=4&transport=polling")).await;
        let query = format!("EIO=4&transport=websocket&sid={}", polling.sid);
        // A poll after the upgrade is refused, as is an overlapping one. These polls never overlap.
        let polls = async {
            let mut got = Vec::new();
            loop {
                let (status, body) = polling.get().await;
                if status != 200 {
                    return got;
                }
                let packets = body.split('\x1e').filter(|packet| *packet != "6");
                got.extend(packets.map(str::to_owned));
                if body == "6" {
                    return got;
                }
            }
        };
        let posts = async {
            for n in 0..PACKETS {
                // Packets that come too late for polling go over the websocket.
                if polling.post(format!("4{n}")).await.0 != 200 {
                    return n;
                }
            }
            PACKETS
        };
        let probe = async {
            let mut websocket = Websocket::connect(&server.ws(&query)).await;
            // At another point among the posts in each round.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            websocket.send("2probe").await;
            assert_eq!(websocket.text().await, "3probe");
            websocket
        };
        let ((mut got, posted), mut websocket) =
            within("the race", join(join(polls, posts), probe)).await;
        websocket.send("5").await;
        for n in posted..PACKETS {
            websocket.send(format!("4{n}")).await;
        }
        while got.len() < PACKETS {
            match websocket.next().await {
                Got::Text(text) => got.push(text),
                other => panic!("round {round}: {other:?} after {got:?}"),
            }
        }
        let expected: Vec<String> = (0..PACKETS).map(|n| format!("4{n}")).collect();
        assert_eq!(got, expected, "round {round}");
        assert_eq!(polling.get().await.0, 400);
        websocket.send("1").await;
        websocket.closed().await;
    }
}
