//! The topics of this node: which are subscribed to, which are caught up, and the events held until then. Pure.
//!
//! A node first subscribes to a topic and then reads missed events from the database. Events that arrive meanwhile are
//! held, so that none is lost and the order is kept.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::rooms::{ClusterEvent, Topic, TopicChange};

#[derive(Debug)]
enum Phase {
    /// Not subscribed to now.
    Away,
    /// Subscribed to, or about to be; not caught up. Holds arrived events.
    Behind(Vec<ClusterEvent>),
    /// Caught up: arriving events are delivered.
    Live,
}

#[derive(Debug)]
struct Subscription {
    /// Members may have missed messages above this id.
    since: i64,
    phase: Phase,
    /// Distinguishes this subscription from an earlier one to the same topic.
    epoch: u64,
}

/// What to do with an event that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Deliver(ClusterEvent),
    Held,
    /// Too many bytes are held: the topic goes live without catch-up.
    Overflow(Topic),
    /// The topic has no members here.
    Unwanted,
}

/// Topics whose missed events are to be read from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CatchUp {
    topics: HashMap<Topic, Part>,
}

/// One topic of a catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Messages above this id may have been missed.
    since: i64,
    epoch: u64,
}

impl CatchUp {
    /// The id after which to read.
    pub(super) fn after(&self) -> i64 {
        let begins = self.topics.values().map(|part| part.since);
        begins.min().unwrap_or(i64::MAX)
    }

    /// Whether a message of this topic and id may have been missed.
    pub(super) fn wants(&self, topic: &Topic, id: i64) -> bool {
        self.topics.get(topic).is_some_and(|part| id > part.since)
    }

    pub(super) fn topics(&self) -> HashSet<Topic> {
        self.topics.keys().cloned().collect()
    }
}

/// The topics that have members here.
#[derive(Debug)]
pub(super) struct Subscriptions {
    topics: HashMap<Topic, Subscription>,
    /// Topics that are not subscribed to.
    away: BTreeSet<Topic>,
    /// Topics that are subscribed to and not caught up.
    behind: HashSet<Topic>,
    epoch: u64,
    /// Bytes of all held events.
    held: usize,
    max_held: usize,
}

fn size(held: &[ClusterEvent]) -> usize {
    held.iter().map(ClusterEvent::size).sum()
}

impl Subscriptions {
    /// Creates an empty set that may hold so many bytes of events.
    pub(super) fn new(max_held: usize) -> Self {
        Self {
            topics: HashMap::new(),
            away: BTreeSet::new(),
            behind: HashSet::new(),
            epoch: 0,
            held: 0,
            max_held,
        }
    }

    /// Applies a change. New members need messages above the id `since`.
    pub(super) fn change(&mut self, change: TopicChange, since: i64) {
        match change {
            TopicChange::Wanted(topic) => {
                if !self.topics.contains_key(&topic) {
                    self.epoch += 1;
                    self.away.insert(topic.clone());
                    let subscription = Subscription {
                        since,
                        phase: Phase::Away,
                        epoch: self.epoch,
                    };
                    self.topics.insert(topic, subscription);
                }
            }
            TopicChange::Unwanted(topic) => {
                self.away.remove(&topic);
                self.behind.remove(&topic);
                if let Some(Subscription {
                    phase: Phase::Behind(held),
                    ..
                }) = self.topics.remove(&topic)
                {
                    self.held -= size(&held);
                }
            }
        }
    }

    /// Whether a topic has members here.
    pub(super) fn wants(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }

    /// Takes up to `max` topics to subscribe to. Their events are held from now on.
    pub(super) fn subscribe(&mut self, max: usize) -> Vec<Topic> {
        let mut topics = Vec::new();
        while topics.len() < max
            && let Some(topic) = self.away.pop_first()
        {
            if let Some(subscription) = self.topics.get_mut(&topic)
                && matches!(subscription.phase, Phase::Away)
            {
                subscription.phase = Phase::Behind(Vec::new());
                topics.push(topic);
            }
        }
        topics
    }

    /// Records that these topics are subscribed to.
    pub(super) fn subscribed(&mut self, topics: &[Topic]) {
        for topic in topics {
            let subscription = self.topics.get(topic);
            if subscription.is_some_and(|it| matches!(it.phase, Phase::Behind(_))) {
                self.behind.insert(topic.clone());
            }
        }
    }

    /// The topics to read from the database, if any.
    pub(super) fn catch_up(&self) -> Option<CatchUp> {
        let part = |topic: &Topic| {
            let subscription = self.topics.get(topic)?;
            let part = Part {
                since: subscription.since,
                epoch: subscription.epoch,
            };
            Some((topic.clone(), part))
        };
        let topics: HashMap<Topic, Part> = self.behind.iter().filter_map(part).collect();
        (!topics.is_empty()).then_some(CatchUp { topics })
    }

    /// Makes the topics of a completed catch-up live. Returns their held events in the order of arrival.
    pub(super) fn caught_up(&mut self, catch_up: &CatchUp) -> Vec<ClusterEvent> {
        let mut released = Vec::new();
        for (topic, part) in &catch_up.topics {
            let Some(subscription) = self.topics.get_mut(topic) else {
                continue;
            };
            // A topic that was subscribed to again meanwhile must be read again.
            if subscription.epoch == part.epoch
                && let Phase::Behind(held) = std::mem::replace(&mut subscription.phase, Phase::Live)
            {
                self.behind.remove(topic);
                self.held -= size(&held);
                released.extend(held);
            }
        }
        released
    }

    /// Decides what to do with an event that arrived.
    pub(super) fn arrived(&mut self, event: ClusterEvent) -> Arrived {
        let topic = Topic::of(&event.room);
        let Some(subscription) = self.topics.get_mut(&topic) else {
            return Arrived::Unwanted;
        };
        match &mut subscription.phase {
            Phase::Live => Arrived::Deliver(event),
            Phase::Away => Arrived::Unwanted,
            Phase::Behind(held) if self.held + event.size() <= self.max_held => {
                self.held += event.size();
                held.push(event);
                Arrived::Held
            }
            Phase::Behind(held) => {
                self.held -= size(held);
                subscription.phase = Phase::Live;
                self.behind.remove(&topic);
                Arrived::Overflow(topic)
            }
        }
    }

    /// The connection is lost. Live topics may have missed messages above `since`; the others keep their ids.
    pub(super) fn disconnected(&mut self, since: i64) {
        for subscription in self.topics.values_mut() {
            if matches!(subscription.phase, Phase::Live) {
                // The topic had no members before it was wanted.
                subscription.since = subscription.since.max(since);
            }
            subscription.phase = Phase::Away;
            self.epoch += 1;
            subscription.epoch = self.epoch;
        }
        self.away = self.topics.keys().cloned().collect();
        self.behind.clear();
        self.held = 0;
    }

    /// Makes all topics start again above `latest`, because their missed events cannot be determined. Returns the topics.
    pub(super) fn restart(&mut self, latest: i64) -> HashSet<Topic> {
        for subscription in self.topics.values_mut() {
            subscription.since = latest;
        }
        self.topics.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RoomId;
    use crate::rooms::EventKey;

    fn topic(name: &str) -> Topic {
        Topic::of(&RoomId::new(name))
    }

    fn event(room: &str, n: u8) -> ClusterEvent {
        ClusterEvent {
            room: RoomId::new(room),
            key: EventKey::from_bytes([n; EventKey::LEN]),
            id: None,
            trace: None,
            event: vec![n].into(),
        }
    }

    fn wanted(names: &[&str]) -> Subscriptions {
        let mut subscriptions = Subscriptions::new(3 * event("a", 0).size());
        for name in names {
            subscriptions.change(TopicChange::Wanted(topic(name)), 10);
        }
        subscriptions
    }

    #[test]
    fn what_comes_before_a_topic_was_read_is_held_and_comes_after() {
        let mut all = wanted(&["a"]);
        assert_eq!(all.arrived(event("a", 0)), Arrived::Unwanted);
        assert_eq!(all.subscribe(9), [topic("a")]);
        assert_eq!(all.subscribe(9), []);
        assert_eq!(all.arrived(event("a", 1)), Arrived::Held);
        assert_eq!(all.catch_up(), None);
        all.subscribed(&[topic("a")]);
        let catch_up = all.catch_up().unwrap();
        assert_eq!(catch_up.after(), 10);
        assert!(catch_up.wants(&topic("a"), 11) && !catch_up.wants(&topic("a"), 10));
        assert!(!catch_up.wants(&topic("b"), 11));
        assert_eq!(all.arrived(event("a", 2)), Arrived::Held);
        let released = all.caught_up(&catch_up);
        assert_eq!(released, [event("a", 1), event("a", 2)]);
        assert_eq!(all.arrived(event("a", 3)), Arrived::Deliver(event("a", 3)));
        assert_eq!((all.catch_up(), all.held), (None, 0));
    }

    #[test]
    fn a_lost_connection_is_caught_up_from_where_each_topic_was() {
        let mut all = wanted(&["live", "behind"]);
        all.subscribe(9);
        all.subscribed(&[topic("live")]);
        all.caught_up(&all.catch_up().unwrap());
        all.arrived(event("behind", 1));
        all.disconnected(50);
        all.change(TopicChange::Wanted(topic("new")), 70);
        let all_topics = all.subscribe(9);
        assert_eq!(all_topics.len(), 3);
        all.subscribed(&all_topics);
        let expected = [("live", 50), ("behind", 10), ("new", 70)];
        let catch_up = all.catch_up().unwrap();
        assert_eq!(catch_up.topics.len(), 3);
        for (name, since) in expected {
            assert!(
                catch_up.wants(&topic(name), since + 1) && !catch_up.wants(&topic(name), since)
            );
        }
        assert_eq!(all.held, 0);
    }

    #[test]
    fn members_that_came_later_are_not_told_of_what_was_before_them() {
        let mut all = wanted(&["a"]);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        all.caught_up(&all.catch_up().unwrap());
        all.disconnected(5);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        assert_eq!(all.catch_up().unwrap().after(), 10);
    }

    #[test]
    fn a_topic_that_comes_anew_while_it_is_read_is_read_anew() {
        let mut all = wanted(&["a"]);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        let catch_up = all.catch_up().unwrap();
        all.change(TopicChange::Unwanted(topic("a")), 20);
        all.change(TopicChange::Wanted(topic("a")), 30);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        all.arrived(event("a", 1));
        assert_eq!(all.caught_up(&catch_up), []);
        let catch_up = all.catch_up().unwrap();
        assert_eq!(catch_up.after(), 30);
        assert_eq!(all.caught_up(&catch_up), [event("a", 1)]);
    }

    #[test]
    fn nothing_is_left_of_topics_that_come_and_go_while_there_is_no_connection() {
        let mut all = wanted(&["stays"]);
        for n in 0..9 {
            all.change(TopicChange::Wanted(topic("comes")), n);
            all.change(TopicChange::Unwanted(topic("comes")), n);
        }
        assert_eq!(all.away.len(), 1);
        assert_eq!(all.subscribe(9), [topic("stays")]);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut all = wanted(&["a", "b"]);
        all.subscribe(9);
        for n in 0..3 {
            assert_eq!(all.arrived(event("a", n)), Arrived::Held);
        }
        assert_eq!(all.arrived(event("a", 3)), Arrived::Overflow(topic("a")));
        assert_eq!(all.held, 0);
        assert_eq!(all.arrived(event("b", 4)), Arrived::Held);
        all.change(TopicChange::Unwanted(topic("b")), 0);
        assert_eq!((all.held, all.wants(&topic("b"))), (0, false));
        all.change(TopicChange::Wanted(topic("c")), 0);
        all.subscribe(9);
        let large = ClusterEvent {
            event: vec![0; 3 * ClusterEvent::OVERHEAD].into(),
            ..event("c", 5)
        };
        assert_eq!(all.arrived(large), Arrived::Overflow(topic("c")));
    }

    #[test]
    fn what_is_given_up_begins_anew() {
        let mut all = wanted(&["a", "b"]);
        assert_eq!(all.restart(90), HashSet::from([topic("a"), topic("b")]));
        let topics = all.subscribe(9);
        all.subscribed(&topics);
        assert_eq!(all.catch_up().unwrap().after(), 90);
    }
}
