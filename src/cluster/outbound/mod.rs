//! Events to other nodes: published in order, many at once. Dropped events are read from the database later.

mod in_flight;
pub(super) mod publish_queue;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use crate::db::DbHandle;
use crate::model::MessageHead;
use crate::rooms::{ClusterEvent, EventKey, Topic};

use super::channel::channel;
use super::counters::add;
use super::envelope::Sealer;
use super::inbound::live_event::live_event;
use super::link::{LinkError, RedisLink};
use super::shared::ClusterShared;
use super::timing::REPUBLISH_PAUSE;

use in_flight::{BATCH, BATCH_BYTES, InFlightEvents};

/// Dropped events that are being read from the database.
struct Republishing {
    keys: Arc<HashSet<EventKey>>,
    /// The events that are left have ids above this one.
    after: i64,
}

/// Publishes the events of this node. Its state outlives a connection: the next one continues where the last ended.
pub(super) struct Outbound {
    shared: Arc<ClusterShared>,
    db: DbHandle,
    sealer: Sealer,
    in_flight: InFlightEvents,
    republishing: Option<Republishing>,
}

impl Outbound {
    pub(super) fn new(shared: Arc<ClusterShared>, sealer: Sealer, db: DbHandle) -> Self {
        Self {
            shared,
            db,
            sealer,
            in_flight: InFlightEvents::default(),
            republishing: None,
        }
    }

    /// Publishes the queued events.
    pub(super) async fn publish(&mut self, link: &RedisLink) -> Result<Infallible, LinkError> {
        loop {
            // Unconfirmed events of the last connection come first: sequences follow the order of events.
            self.flush(link).await?;
            let batch = self.shared.queue.take(BATCH, BATCH_BYTES);
            if !batch.is_empty() {
                self.seal(&batch);
                continue;
            }
            self.republish(link).await?;
            if self.shared.queue.is_empty() {
                self.shared.queue.filled().await;
            }
        }
    }

    fn seal(&mut self, events: &[ClusterEvent]) {
        let sealer = &mut self.sealer;
        self.in_flight.extend(
            events
                .iter()
                .map(|event| (channel(&Topic::of(&event.room)), sealer.seal(event))),
        );
    }

    /// Publishes everything in flight.
    async fn flush(&mut self, link: &RedisLink) -> Result<(), LinkError> {
        loop {
            let batch = self.in_flight.begin();
            if batch.is_empty() {
                self.shared.queue.confirm();
                return Ok(());
            }
            link.publish(batch).await?;
            add(
                &mut self.shared.status.lock().published,
                self.in_flight.confirm(),
            );
        }
    }

    /// Publishes dropped events from the database. Events that it no longer has were acknowledged.
    async fn republish(&mut self, link: &RedisLink) -> Result<(), LinkError> {
        loop {
            if self.republishing.is_none() {
                let dropped = self.shared.queue.take_dropped();
                self.republishing = dropped.map(|dropped| Republishing {
                    keys: Arc::new(dropped.keys),
                    after: dropped.since,
                });
            }
            let Some(current) = &mut self.republishing else {
                return Ok(());
            };
            let keys = Arc::clone(&current.keys);
            let wanted = move |head: &MessageHead| {
                let key = EventKey::of_message(&head.recipient, &head.message_id, &head.created_at);
                keys.contains(&key)
            };
            let page = match self.db.messages_after(current.after, wanted).await {
                Ok(page) => page,
                Err(error) => {
                    log::warn!(
                        "events for other nodes wait, the database does not answer: {error}"
                    );
                    tokio::time::sleep(REPUBLISH_PAUSE).await;
                    continue;
                }
            };
            // Moved on together with the sealing: the events must not be sealed twice.
            if page.more {
                current.after = page.last;
            } else {
                self.republishing = None;
            }
            let events: Vec<ClusterEvent> = page.messages.iter().filter_map(live_event).collect();
            self.seal(&events);
            self.flush(link).await?;
            add(&mut self.shared.status.lock().caught_up, events.len());
        }
    }
}
