//! Reading from the database what members here have missed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::db::DbError;
use crate::events::{LiveMessage, ServerEvent};
use crate::ids::{IdentityKey, RoomId};
use crate::model::WholeMessage;
use crate::rooms::{CutOff, EventKey, Outgoing, RemoteEvent, RemoteEvents, Topic};

use super::counters::add;
use super::link::LinkError;
use super::node::Node;
use super::subscriptions::Reading;

/// How often a reading is tried while the database does not answer, and the pause in between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// A body as it is stored.
#[derive(Deserialize)]
struct StoredBody<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(borrow)]
    payment: Option<&'a RawValue>,
}

/// The event that a message makes in its room, as it was when the message was stored. `None` for what is no message of this
/// server, and for one that came with a payment, which is only listed. A request that paid only the server left no payment
/// in its row: read from there, its message makes an event, in which no coins could be lost.
pub(super) fn live_event(message: &WholeMessage) -> Option<Outgoing> {
    let recipient: IdentityKey = message.head.recipient.parse().ok()?;
    let room = RoomId::of(&recipient, &message.message_box);
    let body: StoredBody<'_> = serde_json::from_str(&message.body).ok()?;
    if body.payment.is_some() {
        return None;
    }
    let text: Option<String> = serde_json::from_str(body.message.get()).ok();
    let created_at = message.head.created_at.as_str();
    let event = LiveMessage {
        sender: &message.sender,
        message_id: &message.head.message_id,
        body: text.as_deref().unwrap_or(body.message.get()),
        recipient: &message.head.recipient,
        message_box: &message.message_box,
        created_at,
        updated_at: created_at,
    };
    let event = ServerEvent::Message(&room, event).encode().into();
    Some(Outgoing {
        key: EventKey::of_message(
            &message.head.recipient,
            &message.head.message_id,
            created_at,
        ),
        id: Some(message.head.id),
        // Nobody knows any more.
        trace: None,
        event,
        room,
    })
}

impl Node {
    /// Reads topics that are subscribed to and not read yet, one batch after the other.
    pub(super) async fn catch_up(&self) -> LinkError {
        loop {
            if !self.resubscribed.get() {
                self.behind.notified().await;
                continue;
            }
            if self.shared.incomplete.swap(false, Ordering::AcqRel) {
                // What was delivered meanwhile is not known any more, so what was missed cannot be told from it.
                let latest = self.shared.latest();
                let topics = self.subscriptions.borrow_mut().give_up(latest);
                self.cut_off(topics, "Redis was away for too many events");
            }
            let reading = self.subscriptions.borrow().reading();
            let Some(reading) = reading else {
                self.shared.has_caught_up.store(true, Ordering::Release);
                self.behind.notified().await;
                continue;
            };
            let reading = Arc::new(reading);
            match self.read(&reading).await {
                Ok(true) => {}
                Ok(false) => self.cut_off(reading.topics(), "they have missed too much"),
                Err(error) => self.cut_off(reading.topics(), &error.to_string()),
            }
            // Nothing may come between: from the next event on, these topics are not held.
            let released = self.subscriptions.borrow_mut().caught_up(&reading);
            add(&self.shared.counters.received, released.len());
            let released = released.into_iter().map(live).collect();
            self.registry.do_send(RemoteEvents(released));
        }
    }

    /// Sends the registry what these topics may have missed; `false` when that is too much.
    async fn read(&self, reading: &Arc<Reading>) -> Result<bool, DbError> {
        let (mut after, mut total) = (reading.after(), 0);
        loop {
            let page = self.page(reading, after).await?;
            total += page.messages.len();
            if total > self.shared.settings.max_catch_up {
                return Ok(false);
            }
            let events = page.messages.iter().filter_map(|message| {
                Some(RemoteEvent {
                    event: live_event(message)?,
                    is_caught_up: true,
                })
            });
            let events = RemoteEvents(events.collect());
            if !events.0.is_empty() {
                let delivered = self.registry.send(events).await.unwrap_or(0);
                add(&self.shared.counters.caught_up, delivered);
            }
            if !page.more {
                return Ok(true);
            }
            after = page.last;
        }
    }

    async fn page(
        &self,
        reading: &Arc<Reading>,
        after: i64,
    ) -> Result<crate::model::CatchUpPage, DbError> {
        let mut attempts = 0;
        loop {
            let reading = Arc::clone(reading);
            let wanted = move |head: &crate::model::MessageHead| {
                reading.wants(&Topic::of_owner(&head.recipient), head.id)
            };
            match self.db.messages_after(after, wanted).await {
                Ok(page) => return Ok(page),
                Err(error) if attempts >= ATTEMPTS => return Err(error),
                Err(_) => {
                    attempts += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Ends the sockets of these topics' members: they have missed what they cannot be sent.
    pub(super) fn cut_off(&self, topics: HashSet<Topic>, why: &str) {
        log::warn!(
            "the members of {} topics are cut off, to look for themselves: {why}",
            topics.len()
        );
        self.registry.do_send(CutOff(topics));
    }
}

/// An event that came from another node.
pub(super) const fn live(event: Outgoing) -> RemoteEvent {
    RemoteEvent {
        event,
        is_caught_up: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageHead;

    #[test]
    fn a_stored_message_makes_the_event_that_it_made_live() {
        let key = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
        let message = |body: &str| WholeMessage {
            head: MessageHead {
                id: 1,
                recipient: key.to_owned(),
                message_id: "m".to_owned(),
                created_at: "t".to_owned(),
            },
            message_box: "inbox".to_owned(),
            sender: "s".to_owned(),
            body: body.to_owned(),
        };
        for (stored, live) in [
            (r#"{"message":"a \"text\""}"#, r#"a "text""#),
            (r#"{"message":{ "n": 1 }}"#, r#"{ "n": 1 }"#),
        ] {
            let event = live_event(&message(stored)).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&event.event).unwrap();
            assert_eq!(json["eventName"], format!("sendMessage-{key}-inbox"));
            assert_eq!(
                (&json["data"]["body"], &json["data"]["createdAt"]),
                (&live.into(), &"t".into())
            );
            assert_eq!(event.key, EventKey::of_message(key, "m", "t"));
        }
        let paid = r#"{"message":"x","payment":{"tx":[1]}}"#;
        for stored in ["no json", paid] {
            assert_eq!(live_event(&message(stored)), None);
        }
    }
}
