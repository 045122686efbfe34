//! Events of clients: the reader finds the same as any JSON reader, in bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::events::{ClientEvent, MAX_ROOM_ID_CHARS, is_message_id};
use messagebox_fuzz::memory;
use serde_json::Value;

fuzz_target!(|payload: &[u8]| {
    let event = memory::within(payload.len(), 4, || ClientEvent::parse(payload, 128));
    if let ClientEvent::Unknown(name) = &event {
        assert!(name.chars().count() <= 64);
    }
    let Ok(tree) = serde_json::from_slice::<Value>(payload) else {
        return;
    };
    let data = &tree["data"];
    let name = tree["eventName"].as_str().unwrap_or_default();
    match event {
        ClientEvent::Authenticated(read) => {
            assert_eq!(name, "authenticated");
            assert_eq!(
                read.ok().as_ref().map(|read| read.identity_key.as_str()),
                data["identityKey"]
                    .as_str()
                    .filter(|key| !key.trim().is_empty())
            );
        }
        ClientEvent::JoinRoom(read) | ClientEvent::LeaveRoom(read) => {
            assert!(name == "joinRoom" || name == "leaveRoom");
            let fits =
                |room: &&str| !room.trim().is_empty() && room.chars().count() <= MAX_ROOM_ID_CHARS;
            assert_eq!(
                read.ok().as_ref().map(|room| room.as_str()),
                data.as_str().filter(fits)
            );
        }
        ClientEvent::SendMessage(Ok(read)) => {
            assert_eq!(name, "sendMessage");
            let message = &data["message"];
            assert_eq!(data["roomId"].as_str(), Some(read.room.as_str()));
            assert_eq!(message["messageId"].as_str(), Some(&*read.message_id));
            assert_eq!(message["body"].as_str(), Some(&*read.body));
            assert_eq!(message["recipient"].as_str(), read.recipient.as_deref());
            assert!(is_message_id(&read.message_id) && !read.body.trim().is_empty());
            assert!(
                data["payment"].is_null() && message["payment"].is_null(),
                "a payment is not dropped in silence"
            );
            assert_eq!(message["expiresAt"].is_null(), read.expires_at.is_none());
        }
        ClientEvent::SendMessage(Err(refused)) => {
            assert_eq!(name, "sendMessage");
            if let Some(room) = &refused.room {
                assert_eq!(data["roomId"].as_str(), Some(room.as_str()));
            }
            if let Some(id) = &refused.message_id {
                assert_eq!(data["message"]["messageId"].as_str(), Some(&**id));
            }
        }
        ClientEvent::Unknown(read) => assert!(name.starts_with(&read)),
        ClientEvent::Undecodable => {}
    }
});
