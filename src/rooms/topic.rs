//! Topics: the channels on which nodes exchange events, and which of them have members here. Pure.

use std::collections::HashMap;

use crate::ids::{IDENTITY_KEY_HEX_LEN, RoomId};

/// The name of a channel between nodes: one for all rooms of an identity, one for each other room.
///
/// A member belongs to all rooms of its identity at once, so those share one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Box<str>);

impl Topic {
    /// The topic of a room.
    pub fn of(room: &RoomId) -> Self {
        match room.owner_hex() {
            Some(owner) => Self::of_owner(owner),
            None => Self(room.as_str().into()),
        }
    }

    /// The topic of all rooms of an identity, by its key in hexadecimal.
    pub fn of_owner(key: &str) -> Self {
        Self(key.to_ascii_lowercase().into())
    }

    /// The identity's key in hexadecimal, or the room's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the topic looks like an identity's.
    pub fn is_owner(&self) -> bool {
        self.0.len() == IDENTITY_KEY_HEX_LEN && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// A topic got its first member on this node, or lost its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    /// The node needs the topic's events from now on.
    Wanted(Topic),
    /// No member needs them any more.
    Unwanted(Topic),
}

/// Counts the memberships of each topic on this node.
#[derive(Debug, Default)]
pub(super) struct TopicCounts {
    counts: HashMap<Topic, usize>,
    changes: Vec<TopicChange>,
}

impl TopicCounts {
    pub(super) fn add(&mut self, topic: Topic) {
        let count = self.counts.entry(topic.clone()).or_default();
        *count += 1;
        if *count == 1 {
            self.changes.push(TopicChange::Wanted(topic));
        }
    }

    pub(super) fn remove(&mut self, topic: Topic) {
        let Some(count) = self.counts.get_mut(&topic) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&topic);
            self.changes.push(TopicChange::Unwanted(topic));
        }
    }

    /// The changes since the last call, in order.
    pub(super) fn take_changes(&mut self) -> Vec<TopicChange> {
        std::mem::take(&mut self.changes)
    }

    #[cfg(test)]
    pub(super) fn wanted(&self) -> Vec<&Topic> {
        let mut topics: Vec<_> = self.counts.keys().collect();
        topics.sort();
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_an_identity_share_a_topic_and_others_have_their_own() {
        let key = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
        let own = Topic::of_owner(key);
        assert_eq!(Topic::of(&RoomId::new(format!("{key}-a"))), own);
        let upper = key.to_ascii_uppercase();
        assert_eq!(Topic::of(&RoomId::new(format!("{upper}-b"))), own);
        let lobby = Topic::of(&RoomId::new("lobby"));
        assert!(own.is_owner() && !lobby.is_owner());
        assert_eq!(lobby.as_str(), "lobby");
    }
}
