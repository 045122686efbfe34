//! Which topics have members here, and what has changed. Pure.

use std::collections::HashMap;

use super::topic::Topic;

/// A topic has got its first member here, or lost its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    /// Its events are wanted from now on.
    Wanted(Topic),
    /// Nobody wants them any more.
    Unwanted(Topic),
}

/// Counts what members belong to, by topic.
#[derive(Debug, Default)]
pub(super) struct Interest {
    counts: HashMap<Topic, usize>,
    changes: Vec<TopicChange>,
}

impl Interest {
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

    /// What has changed since this was asked last, in order.
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
