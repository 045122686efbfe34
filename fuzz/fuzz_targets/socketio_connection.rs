//! The state machine of a Socket.IO client, with texts and attachments in any order.
//!
//! Zero bytes divide the input. A piece that begins with `\x01` is an attachment, any other a text.
#![no_main]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use messagebox::ids::Sid;
use messagebox::socketio::{Body, SocketIoConfig, SocketIoClient, Namespace, SocketIoEvent, decode};
use messagebox_fuzz::{cut, memory};

const MAX_ATTACHMENTS: usize = 4;
const MAX_BYTES: usize = 64;

fuzz_target!(|data: &[u8]| {
    let other = Namespace::new("/other");
    let config = SocketIoConfig {
        namespaces: vec![Namespace::main(), other.clone()],
        max_attachments: MAX_ATTACHMENTS,
        max_attachment_bytes: MAX_BYTES,
        ..SocketIoConfig::default()
    };
    let sid = Sid::from_random([7; 15]);
    let mut connection = SocketIoClient::new(Arc::new(config), Instant::now());
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    // The unfinished packet: its attachments so far, and the number of missing ones.
    let mut open: Option<(Vec<Bytes>, usize)> = None;
    for piece in cut::pieces(data) {
        let outcome = if let Some(bytes) = piece.strip_prefix(b"\x01") {
            let bytes = Bytes::copy_from_slice(bytes);
            let held = open
                .as_ref()
                .map(|(held, _)| held.iter().map(Bytes::len).sum::<usize>());
            let outcome = connection.handle_binary(bytes.clone());
            let fits = held.is_some_and(|held| held + bytes.len() <= MAX_BYTES);
            assert!(
                fits || outcome.is_err(),
                "nobody asked for it, or it is too large"
            );
            if let Some((held, missing)) = &mut open {
                held.push(bytes);
                *missing -= 1;
            }
            outcome
        } else {
            let Ok(text) = std::str::from_utf8(piece) else {
                return;
            };
            let announced = decode(text, MAX_ATTACHMENTS).map_or(0, |(_, count)| count);
            let was_open = open.is_some();
            let outcome = memory::within(text.len(), 8, || connection.handle_text(text));
            assert!(!was_open || outcome.is_err(), "a packet came into another");
            assert!(outcome.is_err() || decode(text, MAX_ATTACHMENTS).is_ok());
            open = (announced > 0).then_some((Vec::new(), announced));
            outcome
        };
        let whole = open.as_ref().is_none_or(|(_, missing)| *missing == 0);
        while let Some(event) = connection.poll_event() {
            assert!(
                whole && outcome.is_ok(),
                "nothing happens before a packet is whole"
            );
            match event {
                SocketIoEvent::Connect { namespace, .. } => {
                    assert!(namespace == Namespace::main() || namespace == other);
                    assert!(!connection.is_joined(&namespace));
                    let packet = connection.accept(&namespace, sid).unwrap();
                    assert!(matches!(packet.body, Body::Connect(Some(_))));
                    assert_eq!(connection.accept(&namespace, sid), None);
                    left.retain(|it| *it != namespace);
                    joined.push(namespace);
                }
                SocketIoEvent::Event { namespace, body } => {
                    assert!(joined.contains(&namespace));
                    let held = open
                        .as_ref()
                        .map(|(held, _)| held.clone())
                        .unwrap_or_default();
                    assert_eq!(body.attachments, held);
                }
                SocketIoEvent::Ack { namespace, body } => {
                    assert!(joined.contains(&namespace));
                    let held = open
                        .as_ref()
                        .map(|(held, _)| held.clone())
                        .unwrap_or_default();
                    assert_eq!(body.attachments, held);
                }
                SocketIoEvent::Disconnect { namespace } => {
                    assert!(joined.contains(&namespace));
                    joined.retain(|it| *it != namespace);
                    left.push(namespace);
                }
            }
        }
        if whole {
            open = None;
        }
        while let Some(packet) = connection.poll_transmit() {
            // By itself it only refuses unknown namespaces.
            assert!(matches!(packet.body, Body::ConnectError(_)));
            assert!(packet.namespace != Namespace::main() && packet.namespace != other);
        }
        assert!(joined.iter().all(|it| connection.is_joined(it)));
        assert!(left.iter().all(|it| !connection.is_joined(it)));
        if outcome.is_err() {
            return;
        }
    }
});
