//! The notifications that wait: a lane for each recipient, which take turns. Bounded, and nobody waits to hand one in.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ids::IdentityKey;

/// The part of all places that one recipient may have.
const SHARE: usize = 16;

/// What waits for one recipient.
#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    /// Whether one is under way: the next one comes after it.
    is_busy: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    lanes: HashMap<IdentityKey, Lane<T>>,
    /// Whose turn it is: recipients for whom something waits and nothing is under way.
    turns: VecDeque<IdentityKey>,
    /// What waits or is under way.
    taken: usize,
}

/// The lanes of all recipients.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    waiting: Mutex<Waiting<T>>,
    news: Notify,
    max: usize,
}

impl<T> Lanes<T> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                lanes: HashMap::new(),
                turns: VecDeque::new(),
                taken: 0,
            }),
            news: Notify::new(),
            max: max.max(1),
        }
    }

    /// Adds one for this recipient. Where all places are taken, the newest of the longest lane makes room, if that is longer
    /// than this recipient's. Returns what was dropped, which may be the one that came.
    pub(super) fn push(&self, recipient: IdentityKey, item: T) -> Option<T> {
        let mut waiting = self.lock();
        let own = waiting.lanes.get(&recipient).map_or(0, Lane::len);
        if own >= self.max.div_ceil(SHARE) {
            return Some(item);
        }
        let mut dropped = None;
        if waiting.taken >= self.max {
            dropped = waiting.shorten_the_longest(own);
            if dropped.is_none() {
                return Some(item);
            }
        }
        let Waiting {
            lanes,
            turns,
            taken,
        } = &mut *waiting;
        let lane = lanes.entry(recipient).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            is_busy: false,
        });
        if lane.waiting.is_empty() && !lane.is_busy {
            turns.push_back(recipient);
        }
        lane.waiting.push_back(item);
        *taken += 1;
        drop(waiting);
        self.news.notify_one();
        dropped
    }

    /// Waits for the next one. Its recipient gets no other before [`Self::done`].
    pub(super) async fn next(&self) -> (IdentityKey, T) {
        loop {
            if let Some(next) = self.lock().next() {
                return next;
            }
            self.news.notified().await;
        }
    }

    /// What was under way for this recipient has come to its end.
    pub(super) fn done(&self, recipient: IdentityKey) {
        let mut waiting = self.lock();
        let Waiting {
            lanes,
            turns,
            taken,
        } = &mut *waiting;
        let Some(lane) = lanes.get_mut(&recipient).filter(|lane| lane.is_busy) else {
            return;
        };
        lane.is_busy = false;
        *taken -= 1;
        if lane.waiting.is_empty() {
            lanes.remove(&recipient);
        } else {
            turns.push_back(recipient);
            drop(waiting);
            self.news.notify_one();
        }
    }

    /// What waits or is under way.
    pub(super) fn len(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lane<T> {
    fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.is_busy)
    }
}

impl<T> Waiting<T> {
    fn next(&mut self) -> Option<(IdentityKey, T)> {
        let recipient = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&recipient)?;
        lane.is_busy = true;
        Some((recipient, lane.waiting.pop_front()?))
    }

    /// Drops the newest of the longest lane, if that is longer than this and has one that waits.
    fn shorten_the_longest(&mut self, than: usize) -> Option<T> {
        let lanes = self.lanes.iter_mut();
        let longest = lanes.max_by_key(|(_, lane)| lane.waiting.len());
        let (recipient, lane) = longest.filter(|(_, lane)| lane.waiting.len() > than)?;
        let dropped = lane.waiting.pop_back();
        if lane.len() == 0 {
            let recipient = *recipient;
            self.turns.retain(|turn| *turn != recipient);
            self.lanes.remove(&recipient);
        }
        self.taken -= 1;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use futures_util::FutureExt as _;

    fn key() -> IdentityKey {
        Identity::random().identity_key()
    }

    fn take<T>(lanes: &Lanes<T>) -> Option<T> {
        lanes.next().now_or_never().map(|(_, item)| item)
    }

    #[test]
    fn recipients_take_turns_and_each_has_one_under_way() {
        let lanes = Lanes::new(1_000);
        let (flood, other) = (key(), key());
        for item in ["f1", "f2", "f3"] {
            assert_eq!(lanes.push(flood, item), None);
        }
        assert_eq!(lanes.push(other, "o1"), None);
        assert_eq!((take(&lanes), take(&lanes)), (Some("f1"), Some("o1")));
        assert_eq!((take(&lanes), lanes.len()), (None, 4));
        lanes.done(other);
        assert_eq!((take(&lanes), lanes.len()), (None, 3));
        lanes.done(flood);
        assert_eq!(take(&lanes), Some("f2"));
        lanes.done(flood);
        assert_eq!(take(&lanes), Some("f3"));
        lanes.done(flood);
        // Once more is once too often, and changes nothing.
        lanes.done(flood);
        assert!(lanes.len() == 0 && lanes.lock().lanes.is_empty());
    }

    #[test]
    fn one_has_a_sixteenth_and_whoever_has_less_displaces_whoever_has_most() {
        let lanes = Lanes::new(32);
        let push = |recipient, count: usize| {
            (0..count)
                .filter(|_| lanes.push(recipient, recipient).is_none())
                .count()
        };
        assert_eq!(push(key(), 100), 2);
        for _ in 0..15 {
            assert_eq!(push(key(), 2), 2);
        }
        let late = key();
        let displaced = lanes.push(late, late);
        assert!(displaced.is_some_and(|displaced| displaced != late));
        assert!(
            lanes
                .push(late, late)
                .is_some_and(|displaced| displaced != late)
        );
        // It has as much as anybody may have.
        assert_eq!(lanes.push(late, late), Some(late));
        assert_eq!(lanes.len(), 32);
        let mut turns = Vec::new();
        while let Some((recipient, _)) = lanes.next().now_or_never() {
            turns.push(recipient);
        }
        assert!(turns.len() == 17 && turns.contains(&late));
    }

    #[test]
    fn a_lane_that_has_lost_its_only_one_is_gone() {
        let lanes = Lanes::new(1);
        let (first, second) = (key(), key());
        assert_eq!(lanes.push(first, 1), None);
        assert_eq!(lanes.push(second, 2), Some(1));
        assert_eq!(lanes.next().now_or_never(), Some((second, 2)));
        // What is under way makes no room.
        assert_eq!(lanes.push(first, 3), Some(3));
        lanes.done(second);
        assert_eq!((lanes.push(first, 4), take(&lanes)), (None, Some(4)));
    }
}
