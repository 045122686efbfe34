//! What waits for Redis, bounded in bytes. What there is no room for is noted by its key and read from the database later.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::rooms::{EventKey, ClusterEvent};

/// Keys of dropped events that are noted; some 40 bytes each.
const MAX_DROPPED: usize = 500_000;

/// Events that there was no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) keys: HashSet<EventKey>,
    /// An id that all of them are behind.
    pub(super) since: i64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Waits,
    /// Noted, to be read later.
    Dropped,
    /// Not even that.
    Lost,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<ClusterEvent>,
    bytes: usize,
    /// Whether some were taken out that Redis has not confirmed.
    is_under_way: bool,
    /// While there are any, or those that there were are being read, all that comes is dropped too: the order is kept.
    dropped: Option<Dropped>,
}

/// The queue; one puts in, one takes out.
#[derive(Debug)]
pub(super) struct PublishQueue {
    state: Mutex<State>,
    filled: Notify,
    max_bytes: usize,
}

impl PublishQueue {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            max_bytes,
        }
    }

    /// Puts an event in. `since`: an id that it is behind.
    pub(super) fn push(&self, event: ClusterEvent, since: impl FnOnce() -> i64) -> Pushed {
        let mut state = self.state();
        let bytes = event.size();
        let is_full = state.bytes.saturating_add(bytes) > self.max_bytes;
        let pushed = if state.dropped.is_none() && !is_full {
            state.bytes += bytes;
            state.waiting.push_back(event);
            Pushed::Waits
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

    /// Takes out what waits: so many events at most, and a little over so many bytes. Only after what was taken before is
    /// confirmed.
    pub(super) fn take(&self, max: usize, max_bytes: usize) -> Vec<ClusterEvent> {
        let mut state = self.state();
        let (mut taken, mut total) = (Vec::new(), 0);
        while taken.len() < max
            && total < max_bytes
            && let Some(event) = state.waiting.pop_front()
        {
            let bytes = event.size();
            total += bytes;
            state.bytes = state.bytes.saturating_sub(bytes);
            taken.push(event);
        }
        state.is_under_way = !taken.is_empty();
        taken
    }

    /// All that was taken out has been published.
    pub(super) fn confirm(&self) {
        self.state().is_under_way = false;
    }

    /// Takes what was dropped. `None` when nothing was since this was asked last: from then on events wait again.
    pub(super) fn take_dropped(&self) -> Option<Dropped> {
        let mut state = self.state();
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

    /// Waits until something is put in.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether nothing waits, here or for its confirmation.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && !state.is_under_way && state.dropped.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn taken(outbox: &PublishQueue) -> Vec<u8> {
        let events = outbox.take(2, usize::MAX);
        events.iter().map(|event| event.event[0]).collect()
    }

    #[test]
    fn what_there_is_no_room_for_is_noted_until_it_was_taken_care_of() {
        let outbox = PublishQueue::new(3 * event(0).size());
        let pushed: Vec<_> = (1..=5)
            .map(|n| outbox.push(event(n), || i64::from(n) * 10))
            .collect();
        let (waits, dropped) = (Pushed::Waits, Pushed::Dropped);
        assert_eq!(pushed, [waits, waits, waits, dropped, dropped]);
        assert_eq!((taken(&outbox), taken(&outbox)), (vec![1, 2], vec![3]));
        // There is room again, and yet it must not overtake those that were dropped.
        assert_eq!(outbox.push(event(6), || 60), dropped);
        let dropped = outbox.take_dropped().unwrap();
        assert_eq!(dropped.since, 40);
        assert_eq!(dropped.keys, HashSet::from([4, 5, 6].map(|n| event(n).key)));
        assert_eq!(outbox.push(event(7), || 70), Pushed::Dropped);
        let dropped = outbox.take_dropped().unwrap();
        assert_eq!((dropped.since, dropped.keys.len()), (70, 1));
        assert!(!outbox.is_empty());
        assert_eq!(outbox.take_dropped(), None);
        assert_eq!(outbox.push(event(8), || 80), waits);
        assert_eq!(taken(&outbox), [8]);
        outbox.confirm();
        assert!(outbox.is_empty());
    }

    #[test]
    fn it_is_empty_when_what_was_taken_is_confirmed() {
        let outbox = PublishQueue::new(9_999);
        assert!(taken(&outbox).is_empty() && outbox.is_empty());
        outbox.push(event(1), || 0);
        assert_eq!(taken(&outbox), [1]);
        assert!(!outbox.is_empty());
        outbox.confirm();
        assert!(outbox.is_empty());
    }
}
