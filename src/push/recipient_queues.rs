//! The queued notifications: one queue for each recipient, served in turns. The number is bounded, and adding never waits.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use tokio::sync::Notify;

use crate::ids::IdentityKey;

/// One recipient may use at most 1/`SHARE` of all places.
const SHARE: usize = 16;

/// The notifications for one recipient.
#[derive(Debug)]
struct RecipientQueue<T> {
    waiting: VecDeque<T>,
    /// Whether one is being sent. The next one waits for it.
    is_busy: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    queues: HashMap<IdentityKey, RecipientQueue<T>>,
    /// The order of turns: recipients with queued notifications of which none is being sent.
    turns: VecDeque<IdentityKey>,
    /// The number of queued notifications and of those being sent.
    taken: usize,
}

/// The queues of all recipients together.
#[derive(Debug)]
pub(super) struct RecipientQueues<T> {
    waiting: Mutex<Waiting<T>>,
    news: Notify,
    max: usize,
}

impl<T> RecipientQueues<T> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                queues: HashMap::new(),
                turns: VecDeque::new(),
                taken: 0,
            }),
            news: Notify::new(),
            max: max.max(1),
        }
    }

    /// Adds a notification. If all places are taken, the newest one of the longest queue is dropped, if that queue is longer
    /// than this recipient's. Returns the dropped notification, which may be the new one.
    pub(super) fn push(&self, recipient: IdentityKey, item: T) -> Option<T> {
        let mut waiting = self.waiting.lock();
        let own = waiting
            .queues
            .get(&recipient)
            .map_or(0, RecipientQueue::len);
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
            queues,
            turns,
            taken,
        } = &mut *waiting;
        let queue = queues.entry(recipient).or_insert_with(|| RecipientQueue {
            waiting: VecDeque::new(),
            is_busy: false,
        });
        if queue.waiting.is_empty() && !queue.is_busy {
            turns.push_back(recipient);
        }
        queue.waiting.push_back(item);
        *taken += 1;
        drop(waiting);
        self.news.notify_one();
        dropped
    }

    /// Waits for the next notification. Its recipient gets no other one before [`Self::done`].
    pub(super) async fn next(&self) -> (IdentityKey, T) {
        loop {
            if let Some(next) = self.waiting.lock().next() {
                return next;
            }
            self.news.notified().await;
        }
    }

    /// Records that a notification was sent or has failed.
    pub(super) fn done(&self, recipient: IdentityKey) {
        let mut waiting = self.waiting.lock();
        let Waiting {
            queues,
            turns,
            taken,
        } = &mut *waiting;
        let Some(queue) = queues.get_mut(&recipient).filter(|queue| queue.is_busy) else {
            return;
        };
        queue.is_busy = false;
        *taken -= 1;
        if queue.waiting.is_empty() {
            queues.remove(&recipient);
        } else {
            turns.push_back(recipient);
            drop(waiting);
            self.news.notify_one();
        }
    }

    /// The number of queued notifications and of those being sent.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().taken
    }
}

impl<T> RecipientQueue<T> {
    fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.is_busy)
    }
}

impl<T> Waiting<T> {
    fn next(&mut self) -> Option<(IdentityKey, T)> {
        let recipient = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&recipient)?;
        queue.is_busy = true;
        Some((recipient, queue.waiting.pop_front()?))
    }

    /// Drops the newest notification of the longest queue, if that queue is longer than this.
    fn shorten_the_longest(&mut self, than: usize) -> Option<T> {
        let queues = self.queues.iter_mut();
        let longest = queues.max_by_key(|(_, queue)| queue.waiting.len());
        let (recipient, queue) = longest.filter(|(_, queue)| queue.waiting.len() > than)?;
        let dropped = queue.waiting.pop_back();
        if queue.len() == 0 {
            let recipient = *recipient;
            self.turns.retain(|turn| *turn != recipient);
            self.queues.remove(&recipient);
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

    fn take<T>(queues: &RecipientQueues<T>) -> Option<T> {
        queues.next().now_or_never().map(|(_, item)| item)
    }

    #[test]
    fn recipients_take_turns_and_each_has_one_under_way() {
        let queues = RecipientQueues::new(1_000);
        let (flood, other) = (key(), key());
        for item in ["f1", "f2", "f3"] {
            assert_eq!(queues.push(flood, item), None);
        }
        assert_eq!(queues.push(other, "o1"), None);
        assert_eq!((take(&queues), take(&queues)), (Some("f1"), Some("o1")));
        assert_eq!((take(&queues), queues.len()), (None, 4));
        queues.done(other);
        assert_eq!((take(&queues), queues.len()), (None, 3));
        queues.done(flood);
        assert_eq!(take(&queues), Some("f2"));
        queues.done(flood);
        assert_eq!(take(&queues), Some("f3"));
        queues.done(flood);
        // A second call changes nothing.
        queues.done(flood);
        assert!(queues.len() == 0 && queues.waiting.lock().queues.is_empty());
    }

    #[test]
    fn one_has_a_sixteenth_and_whoever_has_less_displaces_whoever_has_most() {
        let queues = RecipientQueues::new(32);
        let push = |recipient, count: usize| {
            (0..count)
                .filter(|_| queues.push(recipient, recipient).is_none())
                .count()
        };
        assert_eq!(push(key(), 100), 2);
        for _ in 0..15 {
            assert_eq!(push(key(), 2), 2);
        }
        let late = key();
        let displaced = queues.push(late, late);
        assert!(displaced.is_some_and(|displaced| displaced != late));
        assert!(
            queues
                .push(late, late)
                .is_some_and(|displaced| displaced != late)
        );
        // This recipient has its full share.
        assert_eq!(queues.push(late, late), Some(late));
        assert_eq!(queues.len(), 32);
        let mut turns = Vec::new();
        while let Some((recipient, _)) = queues.next().now_or_never() {
            turns.push(recipient);
        }
        assert!(turns.len() == 17 && turns.contains(&late));
    }

    #[test]
    fn a_lane_that_has_lost_its_only_one_is_gone() {
        let queues = RecipientQueues::new(1);
        let (first, second) = (key(), key());
        assert_eq!(queues.push(first, 1), None);
        assert_eq!(queues.push(second, 2), Some(1));
        assert_eq!(queues.next().now_or_never(), Some((second, 2)));
        // A notification that is being sent makes no room.
        assert_eq!(queues.push(first, 3), Some(3));
        queues.done(second);
        assert_eq!((queues.push(first, 4), take(&queues)), (None, Some(4)));
    }
}
