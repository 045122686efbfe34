//! The queue of events for Redis, bounded in bytes. Events without room are noted by their keys and read from the database
//! later.

use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use tokio::sync::Notify;

use crate::rooms::{ClusterEvent, EventKey};

/// Largest number of noted keys; some 40 bytes each.
const MAX_DROPPED: usize = 500_000;

/// Events that had no room in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) keys: HashSet<EventKey>,
    /// An id below those of all these events.
    pub(crate) since: i64,
}

/// What happened to a pushed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// Its key is noted, to read the event later.
    Dropped,
    /// There is no room for its key either.
    Lost,
}

#[derive(Debug, Default)]
struct State {
    queued: VecDeque<ClusterEvent>,
    bytes: usize,
    /// Whether Redis has not confirmed all events that were taken.
    has_unconfirmed: bool,
    /// While dropped events exist, or are being read, new ones are dropped too. That keeps the order.
    dropped: Option<Dropped>,
}

/// A queue with one producer and one consumer.
#[derive(Debug)]
pub(crate) struct PublishQueue {
    state: Mutex<State>,
    filled: Notify,
    max_bytes: usize,
}

impl PublishQueue {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            max_bytes,
        }
    }

    /// Adds an event, whose id is above `since`.
    pub(crate) fn push(&self, event: ClusterEvent, since: impl FnOnce() -> i64) -> Pushed {
        let mut state = self.state.lock();
        let bytes = event.size();
        let is_full = state.bytes.saturating_add(bytes) > self.max_bytes;
        let pushed = if state.dropped.is_none() && !is_full {
            state.bytes += bytes;
            state.queued.push_back(event);
            Pushed::Queued
        } else {
            let dropped = state.dropped.get_or_insert_with(|| Dropped {
                keys: HashSet::new(),
                since: i64::MAX,
            });
            if dropped.keys.len() >= MAX_DROPPED {
                return Pushed::Lost;
            }
            dropped.since = dropped.since.min(since());
            dropped.keys.insert(event.key);
            Pushed::Dropped
        };
        drop(state);
        self.filled.notify_one();
        pushed
    }

    /// Takes at most `max` events, of little more than `max_bytes`. Earlier ones must be confirmed.
    pub(crate) fn take(&self, max: usize, max_bytes: usize) -> Vec<ClusterEvent> {
        let mut state = self.state.lock();
        let (mut taken, mut total) = (Vec::new(), 0);
        while taken.len() < max
            && total < max_bytes
            && let Some(event) = state.queued.pop_front()
        {
            let bytes = event.size();
            total += bytes;
            state.bytes = state.bytes.saturating_sub(bytes);
            taken.push(event);
        }
        state.has_unconfirmed = !taken.is_empty();
        taken
    }

    /// Records that Redis has confirmed all taken events.
    pub(crate) fn confirm(&self) {
        self.state.lock().has_unconfirmed = false;
    }

    /// Takes the dropped events. `None` if there were none since the last call: from then on, events are queued again.
    pub(crate) fn take_dropped(&self) -> Option<Dropped> {
        let mut state = self.state.lock();
        let dropped = state.dropped.take()?;
        if dropped.keys.is_empty() {
            return None;
        }
        state.dropped = Some(Dropped {
            keys: HashSet::new(),
            since: i64::MAX,
        });
        Some(dropped)
    }

    /// Waits until an event is added.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether no event is queued, dropped or unconfirmed.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.queued.is_empty() && !state.has_unconfirmed && state.dropped.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RoomId;

    fn event(n: u8) -> ClusterEvent {
        ClusterEvent {
            room: RoomId::new("r"),
            key: EventKey::from_bytes([n; EventKey::LEN]),
            id: None,
            trace: None,
            event: vec![n; 99].into(),
        }
    }

    fn taken(queue: &PublishQueue) -> Vec<u8> {
        let events = queue.take(2, usize::MAX);
        events.iter().map(|event| event.event[0]).collect()
    }

    #[test]
    fn what_there_is_no_room_for_is_noted_until_it_was_taken_care_of() {
        let queue = PublishQueue::new(3 * event(0).size());
        let pushed: Vec<_> = (1..=5)
            .map(|n| queue.push(event(n), || i64::from(n) * 10))
            .collect();
        let (queued, dropped) = (Pushed::Queued, Pushed::Dropped);
        assert_eq!(pushed, [queued, queued, queued, dropped, dropped]);
        assert_eq!((taken(&queue), taken(&queue)), (vec![1, 2], vec![3]));
        // There is room again, but the event must not overtake the dropped ones.
        assert_eq!(queue.push(event(6), || 60), dropped);
        let dropped = queue.take_dropped().unwrap();
        assert_eq!(dropped.since, 40);
        assert_eq!(dropped.keys, HashSet::from([4, 5, 6].map(|n| event(n).key)));
        assert_eq!(queue.push(event(7), || 70), Pushed::Dropped);
        let dropped = queue.take_dropped().unwrap();
        assert_eq!((dropped.since, dropped.keys.len()), (70, 1));
        assert!(!queue.is_empty());
        assert_eq!(queue.take_dropped(), None);
        assert_eq!(queue.push(event(8), || 80), queued);
        assert_eq!(taken(&queue), [8]);
        queue.confirm();
        assert!(queue.is_empty());
    }

    #[test]
    fn it_is_empty_when_what_was_taken_is_confirmed() {
        let queue = PublishQueue::new(9_999);
        assert!(taken(&queue).is_empty() && queue.is_empty());
        queue.push(event(1), || 0);
        assert_eq!(taken(&queue), [1]);
        assert!(!queue.is_empty());
        queue.confirm();
        assert!(queue.is_empty());
    }
}
