//! How stored messages become live events. The registry publishes them in the order of commits.

use bytes::Bytes;

use crate::db::{Committed, MessagesStored};
use crate::events::{LiveMessage, ServerEvent};
use crate::ids::RoomId;
use crate::model::NewMessage;
use crate::rooms::{EventKey, StoredBatch, StoredEvent};
use crate::telemetry::TraceId;

impl StoredBatch for MessagesStored {
    type Stored = Committed;

    fn messages(&self) -> &[Committed] {
        &self.messages
    }
}

impl StoredEvent for Committed {
    /// A message that came with a payment is only listed. Its event would hold no payment, and a client that acknowledges
    /// what it receives live would delete the coins.
    fn room(&self) -> Option<RoomId> {
        (!self.is_paid).then(|| self.message.live_room())
    }

    fn fits(&self, max: usize) -> bool {
        fits_live(&self.message, max)
    }

    fn key(&self) -> EventKey {
        let recipient = self.message.recipient.to_hex();
        EventKey::of_message(&recipient, &self.message.message_id, &self.created_at)
    }

    fn id(&self) -> Option<i64> {
        self.id
    }

    fn trace(&self) -> Option<TraceId> {
        self.trace
    }

    fn encode(&self, room: &RoomId) -> Bytes {
        with_event(&self.message, &self.created_at, |event| {
            ServerEvent::Message(room, event).encode().into()
        })
    }
}

/// Whether the event of a message has at most so many bytes.
pub fn fits_live(message: &NewMessage, max_event_bytes: usize) -> bool {
    /// An upper bound of all fields beside the body.
    const FIELDS: usize = 2_048;
    /// Has the length of every [`created_at`](LiveMessage::created_at).
    const TIME: &str = "2000-01-01T00:00:00.000Z";
    // Escaping turns one byte into at most six.
    let at_most = message.body.live().len().saturating_mul(6);
    if at_most.saturating_add(FIELDS) <= max_event_bytes {
        return true;
    }
    // A much larger body takes long to measure.
    message.body.live().len() <= max_event_bytes
        && with_event(message, TIME, |event| {
            event.event_bytes(&message.live_room()) <= max_event_bytes
        })
}

/// Calls `make` with the event of a message.
fn with_event<T>(
    message: &NewMessage,
    created_at: &str,
    make: impl FnOnce(LiveMessage<'_>) -> T,
) -> T {
    make(LiveMessage {
        sender: &message.sender.to_hex(),
        message_id: &message.message_id,
        body: message.body.live(),
        recipient: &message.recipient.to_hex(),
        message_box: &message.message_box,
        created_at,
        updated_at: created_at,
    })
}

#[cfg(test)]
mod tests {
    use actix::prelude::*;

    use super::*;
    use crate::auth::Identity;
    use crate::ids::{IdentityKey, Sid};
    use crate::limits::OutboundMemory;
    use crate::model::MessageBody;
    use crate::rooms::{Admit, Deliver, RoomSettings, RoomsHandle, SlowConsumer};
    use serde_json::{Value, json};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    struct Recorder(UnboundedSender<Value>);

    impl Actor for Recorder {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Recorder {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            for payload in &*deliver.payloads {
                let event = serde_json::from_slice(payload.bytes()).unwrap();
                self.0.send(event).unwrap();
            }
        }
    }

    impl Handler<SlowConsumer> for Recorder {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {}
    }

    fn member(rooms: &RoomsHandle, identity: IdentityKey) -> UnboundedReceiver<Value> {
        let (events, inbox) = unbounded_channel();
        let recorder = Recorder(events).start();
        rooms.admit(Admit {
            sid: Sid::random(),
            identity,
            deliver: recorder.clone().recipient(),
            slow_consumer: recorder.recipient(),
        });
        inbox
    }

    fn committed(recipient: IdentityKey, sender: IdentityKey, id: usize) -> Committed {
        let body = if id.is_multiple_of(2) {
            MessageBody::Text(format!("text {id}").into())
        } else {
            MessageBody::Json(format!("{{ \"n\": {id} }}").into())
        };
        Committed {
            message: NewMessage {
                recipient,
                sender,
                message_box: "chat-room".to_owned(),
                message_id: id.to_string(),
                body,
                payment: None,
                expires_at: None,
                room: None,
            },
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
            trace: None,
            id: None,
            is_paid: false,
        }
    }

    /// Every commit mixes two rooms. Each member gets its own events in order, with the bodies as they were sent.
    #[actix::test]
    async fn stored_messages_reach_their_room_in_the_order_of_commits() {
        let rooms = RoomsHandle::start(RoomSettings::default());
        let sender = Identity::random().identity_key();
        let keys = [
            Identity::random().identity_key(),
            Identity::random().identity_key(),
        ];
        let mut inboxes = keys.map(|key| member(&rooms, key));
        for commit in 0..4 {
            let messages = (0..3)
                .flat_map(|n| keys.map(|key| committed(key, sender, commit * 3 + n)))
                .collect();
            rooms.registry().do_send(MessagesStored::new(messages));
        }
        for (key, inbox) in keys.iter().zip(&mut inboxes) {
            for id in 0..12 {
                let body = if id % 2 == 0 {
                    format!("text {id}")
                } else {
                    format!("{{ \"n\": {id} }}")
                };
                let time = "2026-01-01T00:00:00.000Z";
                let expected = json!({
                    "eventName": format!("sendMessage-{key}-chat-room"),
                    "data": {
                        "sender": sender.to_hex(), "messageId": id.to_string(), "body": body,
                        "recipient": key.to_hex(), "messageBox": "chat-room",
                        "createdAt": time, "updatedAt": time,
                    },
                });
                assert_eq!(inbox.recv().await.unwrap(), expected);
            }
        }
    }

    /// Passes deliveries on unhandled.
    struct Unread(UnboundedSender<Deliver>);

    impl Actor for Unread {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Unread {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            // The test may have ended.
            let _ = self.0.send(deliver);
        }
    }

    impl Handler<SlowConsumer> for Unread {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {}
    }

    /// A thousand recipients would each hold a copy. Events are encoded only while there is memory for them.
    #[actix::test]
    async fn events_wait_while_the_memory_of_what_waits_for_members_is_full() {
        const MAX: usize = 50_000;
        let memory = OutboundMemory::new(MAX);
        let rooms = RoomsHandle::start_with(RoomSettings::default(), None, memory.clone());
        let key = Identity::random().identity_key();
        let (delivered, mut unread) = unbounded_channel();
        let member = Unread(delivered).start();
        rooms.admit(Admit {
            sid: Sid::random(),
            identity: key,
            deliver: member.clone().recipient(),
            slow_consumer: member.recipient(),
        });
        let all: Vec<String> = (0..100).map(|id| id.to_string()).collect();
        for ids in [0..60, 60..100] {
            let messages = ids.map(|id| committed(key, key, id)).collect();
            rooms.registry().do_send(MessagesStored::new(messages));
        }
        let (mut waiting, mut seen, mut was_full) = (Vec::new(), Vec::new(), false);
        while seen.len() < all.len() {
            let deliver = unread.recv().await.unwrap();
            for payload in &*deliver.payloads {
                let event: Value = serde_json::from_slice(payload.bytes()).unwrap();
                seen.push(event["data"]["messageId"].as_str().unwrap().to_owned());
            }
            waiting.push(deliver);
            // One event may exceed the bound.
            assert!(memory.held() <= MAX + 5_000, "{}", memory.held());
            if memory.is_full() {
                was_full = true;
                waiting.clear();
            }
        }
        assert!(was_full && seen == all);
        drop(waiting);
        assert_eq!(memory.held(), 0);
    }
}
