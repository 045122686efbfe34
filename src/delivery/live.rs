//! Live delivery of what has been stored, in the order in which it was.

use actix::prelude::*;

use crate::db::{Committed, MessagesStored};
use crate::events::{LiveMessage, ServerEvent};
use crate::ids::RoomId;
use crate::model::NewMessage;
use crate::rooms::{EventKey, ClusterEvent, RoomRegistry};
use crate::telemetry;

impl Handler<MessagesStored> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, notice: MessagesStored, ctx: &mut Self::Context) {
        let mut next = 0;
        self.publish_in_turn(ctx, move |registry| {
            let Some(committed) = notice.messages.get(next) else {
                return false;
            };
            next += 1;
            if registry.has_neighbours() {
                announce_everywhere(registry, committed);
            } else {
                announce(registry, committed, encode);
            }
            true
        });
    }
}

/// Publishes a message in its room. `encode` is called only for a room that has members.
///
/// A message that came with a payment is only listed: the event has no payment in it, and a client that acknowledges
/// what it is delivered would delete the coins.
fn announce(
    registry: &mut RoomRegistry,
    committed: &Committed,
    encode: impl Fn(&RoomId, &Committed) -> Vec<u8>,
) {
    let room = committed.message.live_room();
    if committed.is_paid || !registry.delivers(&room, committed.message.body.live().len()) {
        return;
    }
    telemetry::within(committed.trace, || {
        registry.publish(&room, || encode(&room, committed).into());
    });
}

/// The same where other nodes have members too: it is encoded, because nobody knows who hears it there.
fn announce_everywhere(registry: &mut RoomRegistry, committed: &Committed) {
    let message = &committed.message;
    let room = message.live_room();
    if committed.is_paid || !registry.delivers(&room, message.body.live().len()) {
        return;
    }
    let event = ClusterEvent {
        key: EventKey::of_message(
            &message.recipient.to_hex(),
            &message.message_id,
            &committed.created_at,
        ),
        id: committed.id,
        trace: committed.trace,
        event: encode(&room, committed).into(),
        room,
    };
    telemetry::within(committed.trace, || registry.publish_everywhere(event));
}

/// Whether the event of a message is small enough to be delivered live.
#[must_use]
pub fn fits_live(message: &NewMessage, max_event_bytes: usize) -> bool {
    /// More than all but the body takes.
    const FIELDS: usize = 2_048;
    /// As [`created_at`](LiveMessage::created_at) will be.
    const TIME: &str = "2000-01-01T00:00:00.000Z";
    // Escaped, a byte takes six at most.
    let at_most = message.body.live().len().saturating_mul(6);
    if at_most.saturating_add(FIELDS) <= max_event_bytes {
        return true;
    }
    with_event(message, TIME, |event, room| {
        event.event_bytes(room) <= max_event_bytes
    })
}

fn encode(room: &RoomId, committed: &Committed) -> Vec<u8> {
    let encode = |event: LiveMessage<'_>, _: &RoomId| ServerEvent::Message(room, event).encode();
    with_event(&committed.message, &committed.created_at, encode)
}

/// Makes an event of a message for the room in which it is delivered.
fn with_event<T>(
    message: &NewMessage,
    created_at: &str,
    make: impl FnOnce(LiveMessage<'_>, &RoomId) -> T,
) -> T {
    let event = LiveMessage {
        sender: &message.sender.to_hex(),
        message_id: &message.message_id,
        body: message.body.live(),
        recipient: &message.recipient.to_hex(),
        message_box: &message.message_box,
        created_at,
        updated_at: created_at,
    };
    make(event, &message.live_room())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::ids::{IdentityKey, Sid};
    use crate::limits::OutboundMemory;
    use crate::model::MessageBody;
    use crate::rooms::{Admit, Deliver, SlowConsumer, RoomSettings, RoomsHandle};
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

    /// Two rooms are mixed in every commit; each member gets its own in order, with the body as it was sent.
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

    /// Keeps what it is delivered until it is dropped.
    struct Unread(UnboundedSender<Deliver>);

    impl Actor for Unread {
        type Context = Context<Self>;
    }

    impl Handler<Deliver> for Unread {
        type Result = ();

        fn handle(&mut self, deliver: Deliver, _ctx: &mut Self::Context) {
            // Whoever does not listen any more has read it.
            let _ = self.0.send(deliver);
        }
    }

    impl Handler<SlowConsumer> for Unread {
        type Result = ();

        fn handle(&mut self, _: SlowConsumer, _ctx: &mut Self::Context) {}
    }

    /// A thousand recipients would each get a copy that waits; no more of them are made than there is memory for.
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
            // One event may pass the bound.
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

    #[test]
    fn a_message_that_nobody_hears_is_not_encoded() {
        let key = Identity::random().identity_key();
        let encodings = std::cell::Cell::new(0);
        let count = |room: &RoomId, committed: &Committed| {
            encodings.set(encodings.get() + 1);
            encode(room, committed)
        };
        let mut registry = RoomRegistry::new(RoomSettings::default());
        announce(&mut registry, &committed(key, key, 0), count);
        assert_eq!(encodings.get(), 0);
    }
}
