//! Socket.IO packets: everything that is read can be written, and reads the same again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use messagebox::socketio::{Body, SocketIoDecodeError, decode};
use messagebox_fuzz::memory;

const MAX_ATTACHMENTS: usize = 8;

fuzz_target!(|text: &str| {
    let read = memory::within(text.len(), 4, || decode(text, MAX_ATTACHMENTS));
    let (mut packet, attachments) = match read {
        Ok(read) => read,
        Err(SocketIoDecodeError::TooManyAttachments) => {
            assert!(text.starts_with(['5', '6']));
            return;
        }
        Err(_) => return,
    };
    assert!(attachments <= MAX_ATTACHMENTS);
    assert_eq!(packet.attachments().len(), 0);
    assert!(packet.namespace.as_str().starts_with('/'));
    let data = match &mut packet.body {
        Body::Event(event) => {
            // Two ways to the same result.
            let (name, first) = event.name_and_first_argument();
            assert_eq!((&event.name(), event.first_argument()), (&name, first));
            event.attachments = vec![Bytes::new(); attachments];
            Some(event.data.clone())
        }
        Body::Ack(ack) => {
            ack.attachments = vec![Bytes::new(); attachments];
            Some(ack.data.clone())
        }
        Body::Connect(payload) => payload.clone(),
        Body::ConnectError(json) => Some(json.clone()),
        Body::Disconnect => None,
    };
    if let Some(data) = data {
        assert!(text.ends_with(&data), "JSON goes on as it was written");
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(&data).is_ok());
    }
    let written = packet.encode();
    // A comma may be missing. Nothing else grows.
    assert!(written.len() <= text.len() + 1);
    let (again, announced) = decode(&written, MAX_ATTACHMENTS).unwrap();
    assert_eq!(announced, attachments);
    if attachments == 0 {
        assert_eq!(again, packet);
    }
    let mut once_more = again;
    if let Body::Event(event) = &mut once_more.body {
        event.attachments = vec![Bytes::new(); attachments];
    } else if let Body::Ack(ack) = &mut once_more.body {
        ack.attachments = vec![Bytes::new(); attachments];
    }
    assert_eq!(once_more.encode(), written);
});
