//! How the registry publishes the messages of a commit: one by one, as long as there is memory for their events.
//!
//! One commit may bring a thousand messages. Encoding all events at once could take more memory than all sockets may.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::rooms::cluster_events::ClusterEvent;
use crate::rooms::commands::{StoredBatch, StoredEvent};
use crate::telemetry;

use super::RoomRegistry;

/// How long to wait while the memory is full. Meanwhile the slowest sockets are disconnected.
const PAUSE: Duration = Duration::from_millis(5);

/// Publishes the next message of a batch; `false` when none is left.
type Step = Box<dyn FnMut(&mut RoomRegistry) -> bool>;

/// The batches that are not published yet, in order.
#[derive(Default)]
pub(super) struct Deferred(VecDeque<Step>);

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deferred").field(&self.0.len()).finish()
    }
}

impl<B: StoredBatch> Handler<B> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, batch: B, ctx: &mut Self::Context) {
        let is_idle = self.deferred.0.is_empty();
        let mut next = 0;
        self.deferred.0.push_back(Box::new(move |registry| {
            let Some(message) = batch.messages().get(next) else {
                return false;
            };
            next += 1;
            registry.publish_stored(message);
            true
        }));
        if is_idle {
            self.publish_deferred(ctx);
        }
    }
}

impl RoomRegistry {
    fn publish_deferred(&mut self, ctx: &mut Context<Self>) {
        while let Some(mut step) = self.deferred.0.pop_front() {
            loop {
                if self.outbound.is_full() {
                    self.deferred.0.push_front(step);
                    ctx.run_later(PAUSE, Self::publish_deferred);
                    return;
                }
                if !step(self) {
                    break;
                }
            }
        }
    }

    fn publish_stored(&mut self, message: &impl StoredEvent) {
        let Some(room) = message.room() else { return };
        if !self.delivers(&room, |max| message.fits(max)) {
            return;
        }
        telemetry::within(message.trace(), || {
            let Some(cluster) = &mut self.cluster else {
                return self.publish(&room, None, || SharedPayload::new(message.encode(&room)));
            };
            // Encoded even if the room has no members here: other nodes may have some.
            let event = ClusterEvent {
                key: message.key(),
                id: message.id(),
                trace: message.trace(),
                event: message.encode(&room),
                room,
            };
            // Catch-up may have delivered the event before the notice of its commit arrived.
            let is_new = cluster.is_new(&event, false);
            cluster.publisher.publish(event.clone());
            if is_new {
                self.publish(&event.room, None, || SharedPayload::new(event.event));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use bytes::Bytes;

    use super::*;
    use crate::ids::RoomId;
    use crate::rooms::{EventKey, RoomSettings};
    use crate::telemetry::TraceId;

    /// Counts how often it is encoded.
    struct Counted(Rc<Cell<usize>>);

    impl StoredEvent for Counted {
        fn room(&self) -> Option<RoomId> {
            Some(RoomId::new("lobby"))
        }

        fn fits(&self, _max: usize) -> bool {
            true
        }

        fn key(&self) -> EventKey {
            EventKey::from_bytes([0; EventKey::LEN])
        }

        fn id(&self) -> Option<i64> {
            None
        }

        fn trace(&self) -> Option<TraceId> {
            None
        }

        fn encode(&self, _room: &RoomId) -> Bytes {
            self.0.set(self.0.get() + 1);
            Bytes::new()
        }
    }

    #[test]
    fn a_message_that_nobody_hears_is_not_encoded() {
        let encodings = Rc::default();
        let mut registry = RoomRegistry::new(RoomSettings::default());
        registry.publish_stored(&Counted(Rc::clone(&encodings)));
        assert_eq!(encodings.get(), 0);
    }
}
