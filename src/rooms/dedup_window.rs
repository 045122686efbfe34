//! The dedup window: keys of delivered events, so that none is delivered twice. Pure and bounded.

use std::collections::{HashSet, VecDeque};

use crate::auth::sha256;
use crate::ids::RoomId;

/// Names an event on every node: events with the same key are the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventKey([u8; Self::LEN]);

impl EventKey {
    /// The length of a key in bytes.
    pub const LEN: usize = 16;

    /// The key of a message's event. An id may be used again once its message is deleted; the time tells them apart.
    pub fn of_message(recipient: &str, message_id: &str, created_at: &str) -> Self {
        // Recipient and time have no line breaks and a fixed length, so the texts cannot run into each other.
        Self::of_hash([recipient, created_at, message_id].join("\n").as_bytes())
    }

    /// The key of the same message in a room without an owner.
    pub(super) fn in_room(&self, room: &RoomId) -> Self {
        Self::of_hash(&[&self.0, room.as_str().as_bytes()].concat())
    }

    fn of_hash(bytes: &[u8]) -> Self {
        let mut key = [0; Self::LEN];
        key.copy_from_slice(sha256(bytes).split_at(Self::LEN).0);
        Self(key)
    }

    /// Wraps the bytes of a key.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// Keys of delivered events.
///
/// Keys of live events are kept by generation. Keys of events read from the database are kept by number, because their
/// node may still publish them much later.
#[derive(Debug)]
pub(super) struct DedupWindow {
    known: HashSet<EventKey>,
    generations: VecDeque<Vec<EventKey>>,
    /// Keys in all generations.
    live: usize,
    caught_up: VecDeque<EventKey>,
    max: usize,
    has_forgotten: bool,
}

impl DedupWindow {
    /// Keeps up to `max` keys of each kind.
    pub(super) fn new(max: usize) -> Self {
        Self {
            known: HashSet::new(),
            generations: VecDeque::from([Vec::new()]),
            live: 0,
            caught_up: VecDeque::new(),
            max: max.max(1),
            has_forgotten: false,
        }
    }

    /// Records a live event; `false` if it was delivered before.
    pub(super) fn insert(&mut self, key: EventKey) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        if let Some(generation) = self.generations.back_mut() {
            generation.push(key);
        }
        self.live += 1;
        while self.live > self.max {
            self.has_forgotten = true;
            if self.generations.len() == 1 {
                self.generations.push_back(Vec::new());
            }
            self.drop_oldest();
        }
        true
    }

    /// Records an event that was read from the database; `false` if it was delivered before.
    pub(super) fn insert_caught_up(&mut self, key: EventKey) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.caught_up.push_back(key);
        if self.caught_up.len() > self.max
            && let Some(oldest) = self.caught_up.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Starts a generation and keeps `keep` earlier ones; `None` keeps as many as fit. Returns whether keys were dropped for
    /// want of room since the last call.
    pub(super) fn rotate(&mut self, keep: Option<usize>) -> bool {
        self.generations.push_back(Vec::new());
        if let Some(keep) = keep {
            while self.generations.len() > keep + 1 {
                self.drop_oldest();
            }
        }
        std::mem::take(&mut self.has_forgotten)
    }

    fn drop_oldest(&mut self) {
        let oldest = self.generations.pop_front().unwrap_or_default();
        self.live -= oldest.len();
        for key in oldest {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> EventKey {
        EventKey::from_bytes([n; EventKey::LEN])
    }

    #[test]
    fn an_event_is_new_once_for_as_many_generations_as_are_kept() {
        let mut window = DedupWindow::new(99);
        assert!(
            window.insert(key(1)) && !window.insert(key(1)) && !window.insert_caught_up(key(1))
        );
        assert!(!window.rotate(Some(1)));
        assert!(!window.insert(key(1)));
        window.rotate(None);
        assert!(!window.insert(key(1)));
        window.rotate(Some(1));
        assert!(window.insert(key(1)));
    }

    #[test]
    fn what_was_read_from_the_database_outlives_generations() {
        let mut window = DedupWindow::new(2);
        assert!(window.insert_caught_up(key(1)));
        for _ in 0..9 {
            window.rotate(Some(0));
        }
        assert!(!window.insert(key(1)));
        assert!(window.insert_caught_up(key(2)) && window.insert_caught_up(key(3)));
        assert!(window.insert(key(1)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_said() {
        let mut window = DedupWindow::new(2);
        assert!(window.insert(key(1)));
        assert!(!window.rotate(None));
        assert!(window.insert(key(2)) && window.insert(key(3)));
        assert!(window.known.len() <= 2 && !window.insert(key(3)) && !window.insert(key(2)));
        assert!(window.rotate(None));
        assert!(!window.rotate(None));
    }

    #[test]
    fn messages_have_keys_of_their_own() {
        let all = [
            EventKey::of_message("a", "b", "c"),
            EventKey::of_message("a", "c", "b"),
            EventKey::of_message("a", "b", "d"),
            EventKey::of_message("e", "b", "c"),
        ];
        assert_eq!(HashSet::from(all).len(), 4);
        assert_eq!(EventKey::of_message("a", "b", "c"), all[0]);
    }
}
