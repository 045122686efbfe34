//! Publishing: in order, many at once; and from the database what there was no room for.

use std::sync::Arc;
use std::time::Duration;

use crate::rooms::{EventKey, Outgoing, Topic};

use super::catch_up::live_event;
use super::channel::channel;
use super::counters::add;
use super::link::{Link, LinkError};
use super::node::{Node, Sealed};

/// Events, and about as many bytes, that are published in one go.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;

/// The pause while the database does not answer.
const PAUSE: Duration = Duration::from_millis(500);

impl Node {
    /// Publishes what waits.
    pub(super) async fn publish(&self, link: &Link) -> LinkError {
        loop {
            // What the last connection may not have taken comes first: the order of sequences is the order of events.
            if let Err(error) = self.give(link).await {
                return error;
            }
            let batch = self.shared.outbox.take(BATCH, BATCH_BYTES);
            if !batch.is_empty() {
                self.seal(&batch);
                continue;
            }
            if let Err(error) = self.republish(link).await {
                return error;
            }
            if self.shared.outbox.is_empty() {
                self.shared.outbox.filled().await;
            }
        }
    }

    fn seal(&self, events: &[Outgoing]) {
        let mut sealer = self.sealer.borrow_mut();
        let envelopes = events
            .iter()
            .map(|event| (channel(&Topic::of(&event.room)), sealer.seal(event)));
        self.in_flight.borrow_mut().extend(envelopes);
    }

    /// Gives Redis what is in flight.
    async fn give(&self, link: &Link) -> Result<(), LinkError> {
        loop {
            let sealed = first_of(&mut self.in_flight.borrow_mut());
            if sealed.is_empty() {
                self.shared.outbox.confirm();
                return Ok(());
            }
            // Kept aside and not here: this future may be dropped with its session.
            let sealed = Arc::new(sealed);
            *self.given.borrow_mut() = Some(Arc::clone(&sealed));
            link.publish(&sealed).await?;
            *self.given.borrow_mut() = None;
            add(&self.shared.counters.published, sealed.len());
        }
    }

    /// What the last session has given and nobody has confirmed is in flight again.
    pub(super) fn take_back(&self) {
        if let Some(given) = self.given.borrow_mut().take() {
            let mut in_flight = self.in_flight.borrow_mut();
            let given = Arc::try_unwrap(given).unwrap_or_else(|given| given.to_vec());
            in_flight.splice(0..0, given);
        }
    }

    /// Publishes from the database what was dropped for want of room. What is not there any more was acknowledged.
    async fn republish(&self, link: &Link) -> Result<(), LinkError> {
        loop {
            let current = self.republishing.borrow_mut().take();
            let Some(mut dropped) = current.or_else(|| self.shared.outbox.take_dropped()) else {
                return Ok(());
            };
            let keys = Arc::new(std::mem::take(&mut dropped.keys));
            loop {
                // Where the next session goes on if this one ends.
                dropped.keys = (*keys).clone();
                let after = dropped.since;
                *self.republishing.borrow_mut() = Some(dropped.clone());
                let wanted = Arc::clone(&keys);
                let page = self.db.messages_after(after, move |head| {
                    let key =
                        EventKey::of_message(&head.recipient, &head.message_id, &head.created_at);
                    wanted.contains(&key)
                });
                let page = match page.await {
                    Ok(page) => page,
                    Err(error) => {
                        log::warn!("what other nodes have missed is not read yet: {error}");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                let events: Vec<Outgoing> = page.messages.iter().filter_map(live_event).collect();
                for batch in events.chunks(BATCH) {
                    self.seal(batch);
                }
                // From here on they are in flight, whatever happens to this session.
                dropped.since = page.last;
                *self.republishing.borrow_mut() = page.more.then(|| dropped.clone());
                self.give(link).await?;
                add(&self.shared.counters.caught_up, events.len());
                if !page.more {
                    break;
                }
            }
        }
    }
}

/// Takes out what Redis is given in one go: no more than passes while it may keep us waiting.
fn first_of(in_flight: &mut Vec<Sealed>) -> Vec<Sealed> {
    let mut bytes = 0;
    let fits = |(_, envelope): &&Sealed| {
        let has_room = bytes < BATCH_BYTES;
        bytes += envelope.len();
        has_room
    };
    let count = in_flight.iter().take(BATCH).take_while(fits).count();
    in_flight.drain(..count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_in_one_go_is_bounded_and_all_of_it_is_given_in_order() {
        let sealed = |n: usize, bytes| (n.to_string(), vec![0; bytes]);
        let mut in_flight: Vec<Sealed> = (0..4).map(|n| sealed(n, BATCH_BYTES / 2)).collect();
        in_flight.push(sealed(4, BATCH_BYTES * 9));
        in_flight.extend((5..=5 + BATCH).map(|n| sealed(n, 0)));
        let all = in_flight.clone();
        let mut given = Vec::new();
        let mut counts = Vec::new();
        while !in_flight.is_empty() {
            let batch = first_of(&mut in_flight);
            counts.push(batch.len());
            given.extend(batch);
        }
        assert_eq!(counts, [2, 2, 1, BATCH, 1]);
        assert_eq!(given, all);
    }
}
