//! Which events were delivered here already, so that none is delivered twice however it comes. Pure and bounded.

use std::collections::{HashSet, VecDeque};

use crate::auth::sha256;
use crate::ids::RoomId;

/// Names an event on every node: events with the same key are the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventKey([u8; Self::LEN]);

impl EventKey {
    /// Bytes of a key.
    pub const LEN: usize = 16;

    /// The key of the message of this recipient, id and time of storing. An id may be used again once its message is
    /// deleted; the time tells the two apart.
    #[must_use]
    pub fn of_message(recipient: &str, message_id: &str, created_at: &str) -> Self {
        // Keys and times have no line breaks, and each has its length: the texts cannot run into each other.
        let text = [recipient, created_at, message_id].join("\n");
        let digest = sha256(text.as_bytes());
        let mut key = [0; Self::LEN];
        key.copy_from_slice(digest.split_at(Self::LEN).0);
        Self(key)
    }

    /// The key of this message in a room that is no identity's.
    #[must_use]
    pub(super) fn in_room(&self, room: &RoomId) -> Self {
        let digest = sha256(&[&self.0, room.as_str().as_bytes()].concat());
        let mut key = [0; Self::LEN];
        key.copy_from_slice(digest.split_at(Self::LEN).0);
        Self(key)
    }

    /// The key of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// Keys of delivered events: those of the last while by generation, and those that were read from the database, which
/// their node may still send after a long time, by number.
#[derive(Debug)]
pub(super) struct DedupWindow {
    known: HashSet<EventKey>,
    generations: VecDeque<Vec<EventKey>>,
    /// Keys in the generations.
    live: usize,
    caught_up: VecDeque<EventKey>,
    max: usize,
    has_forgotten: bool,
}

impl DedupWindow {
    /// Remembers `max` events of each kind.
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

    /// Notes an event; `false` when it was delivered before.
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

    /// The same for an event that was read from the database.
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

    /// Begins a generation. `keep`: how many before it are kept; `None`: all that there is room for. Says whether
    /// anything had to be forgotten for want of room since this was asked last.
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
        let mut seen = DedupWindow::new(99);
        assert!(seen.insert(key(1)) && !seen.insert(key(1)) && !seen.insert_caught_up(key(1)));
        assert!(!seen.rotate(Some(1)));
        assert!(!seen.insert(key(1)));
        seen.rotate(None);
        assert!(!seen.insert(key(1)));
        seen.rotate(Some(1));
        assert!(seen.insert(key(1)));
    }

    #[test]
    fn what_was_read_from_the_database_outlives_generations() {
        let mut seen = DedupWindow::new(2);
        assert!(seen.insert_caught_up(key(1)));
        for _ in 0..9 {
            seen.rotate(Some(0));
        }
        assert!(!seen.insert(key(1)));
        assert!(seen.insert_caught_up(key(2)) && seen.insert_caught_up(key(3)));
        assert!(seen.insert(key(1)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_said() {
        let mut seen = DedupWindow::new(2);
        assert!(seen.insert(key(1)));
        assert!(!seen.rotate(None));
        assert!(seen.insert(key(2)) && seen.insert(key(3)));
        assert!(seen.known.len() <= 2 && !seen.insert(key(3)) && !seen.insert(key(2)));
        assert!(seen.rotate(None));
        assert!(!seen.rotate(None));
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
