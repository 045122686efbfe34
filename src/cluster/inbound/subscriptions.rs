//! What this node listens to, how far it has caught up with each, and what it holds back until it has. Pure.
//!
//! A topic is subscribed to first and read from the database then. What comes live meanwhile is held, so that nothing falls
//! between the two and the order is kept.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::rooms::{ClusterEvent, Topic, TopicChange};

#[derive(Debug)]
enum Phase {
    /// Not subscribed to.
    Away,
    /// Subscribed to, or about to be; not read yet. Holds what came.
    Behind {
        subscribed: bool,
        held: Vec<ClusterEvent>,
    },
    /// All that comes is delivered.
    Live,
}

#[derive(Debug)]
struct Subscription {
    /// What its members may have missed is behind this id.
    since: i64,
    phase: Phase,
    /// Tells it from an earlier subscription to the same topic.
    epoch: u64,
}

/// What becomes of an event that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Deliver(ClusterEvent),
    Held,
    /// Too much is held; the topic is given up.
    Overflow(Topic),
    /// Nobody here wants it any more.
    Unwanted,
}

/// Topics to read from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CatchUp {
    topics: HashMap<Topic, Part>,
}

/// A topic of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// The id that what it has missed is behind.
    since: i64,
    epoch: u64,
}

impl CatchUp {
    /// Where to begin.
    pub(super) fn after(&self) -> i64 {
        let begins = self.topics.values().map(|part| part.since);
        begins.min().unwrap_or(i64::MAX)
    }

    /// Whether a message of this topic and id may have been missed.
    pub(super) fn wants(&self, topic: &Topic, id: i64) -> bool {
        self.topics.get(topic).is_some_and(|part| id > part.since)
    }

    /// Its topics.
    pub(super) fn topics(&self) -> HashSet<Topic> {
        self.topics.keys().cloned().collect()
    }
}

/// All topics that have members here.
#[derive(Debug)]
pub(super) struct Subscriptions {
    topics: HashMap<Topic, Subscription>,
    /// Those that are not subscribed to.
    away: BTreeSet<Topic>,
    /// Those that are subscribed to and not read yet.
    behind: HashSet<Topic>,
    epoch: u64,
    /// Bytes of events that are held.
    held: usize,
    max_held: usize,
}

fn size(held: &[ClusterEvent]) -> usize {
    held.iter().map(ClusterEvent::size).sum()
}

impl Subscriptions {
    /// Nothing yet. Events of so many bytes may be held.
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

    /// Takes a change in. `since`: what its members want was stored behind this id.
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
                    phase: Phase::Behind { held, .. },
                    ..
                }) = self.topics.remove(&topic)
                {
                    self.held -= size(&held);
                }
            }
        }
    }

    /// Whether it has members here.
    pub(super) fn wants(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }

    /// Up to `max` topics that are to be subscribed to now. What comes of them is held from now on.
    pub(super) fn subscribe(&mut self, max: usize) -> Vec<Topic> {
        let mut topics = Vec::new();
        while topics.len() < max
            && let Some(topic) = self.away.pop_first()
        {
            if let Some(subscription) = self.topics.get_mut(&topic)
                && matches!(subscription.phase, Phase::Away)
            {
                subscription.phase = Phase::Behind {
                    subscribed: false,
                    held: Vec::new(),
                };
                topics.push(topic);
            }
        }
        topics
    }

    /// These are subscribed to.
    pub(super) fn subscribed(&mut self, topics: &[Topic]) {
        for topic in topics {
            if let Some(Subscription {
                phase: Phase::Behind { subscribed, .. },
                ..
            }) = self.topics.get_mut(topic)
            {
                *subscribed = true;
                self.behind.insert(topic.clone());
            }
        }
    }

    /// The topics that are subscribed to and not read yet, if any.
    pub(super) fn reading(&self) -> Option<CatchUp> {
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

    /// This was read: gives what was held of its topics, in the order in which it came.
    pub(super) fn caught_up(&mut self, reading: &CatchUp) -> Vec<ClusterEvent> {
        let mut released = Vec::new();
        for (topic, part) in &reading.topics {
            let Some(subscription) = self.topics.get_mut(topic) else {
                continue;
            };
            // One that has come anew meanwhile is read anew.
            if subscription.epoch == part.epoch
                && let Phase::Behind { held, .. } =
                    std::mem::replace(&mut subscription.phase, Phase::Live)
            {
                self.behind.remove(topic);
                self.held -= size(&held);
                released.extend(held);
            }
        }
        released
    }

    /// An event came.
    pub(super) fn arrived(&mut self, event: ClusterEvent) -> Arrived {
        let topic = Topic::of(&event.room);
        let Some(subscription) = self.topics.get_mut(&topic) else {
            return Arrived::Unwanted;
        };
        match &mut subscription.phase {
            Phase::Live => Arrived::Deliver(event),
            Phase::Away => Arrived::Unwanted,
            Phase::Behind { held, .. } if self.held + event.size() <= self.max_held => {
                self.held += event.size();
                held.push(event);
                Arrived::Held
            }
            Phase::Behind { held, .. } => {
                self.held -= size(held);
                subscription.phase = Phase::Live;
                self.behind.remove(&topic);
                Arrived::Overflow(topic)
            }
        }
    }

    /// The connection is gone: what was live has missed what is behind `since`, the others what they had missed before.
    pub(super) fn disconnected(&mut self, since: i64) {
        for subscription in self.topics.values_mut() {
            if matches!(subscription.phase, Phase::Live) {
                // Nobody was a member before the topic was wanted.
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

    /// All topics have missed what cannot be told: they begin anew behind `latest`. Gives them.
    pub(super) fn give_up(&mut self, latest: i64) -> HashSet<Topic> {
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
        assert_eq!(all.reading(), None);
        all.subscribed(&[topic("a")]);
        let reading = all.reading().unwrap();
        assert_eq!(reading.after(), 10);
        assert!(reading.wants(&topic("a"), 11) && !reading.wants(&topic("a"), 10));
        assert!(!reading.wants(&topic("b"), 11));
        assert_eq!(all.arrived(event("a", 2)), Arrived::Held);
        let released = all.caught_up(&reading);
        assert_eq!(released, [event("a", 1), event("a", 2)]);
        assert_eq!(all.arrived(event("a", 3)), Arrived::Deliver(event("a", 3)));
        assert_eq!((all.reading(), all.held), (None, 0));
    }

    #[test]
    fn a_lost_connection_is_caught_up_from_where_each_topic_was() {
        let mut all = wanted(&["live", "behind"]);
        all.subscribe(9);
        all.subscribed(&[topic("live")]);
        all.caught_up(&all.reading().unwrap());
        all.arrived(event("behind", 1));
        all.disconnected(50);
        all.change(TopicChange::Wanted(topic("new")), 70);
        let all_topics = all.subscribe(9);
        assert_eq!(all_topics.len(), 3);
        all.subscribed(&all_topics);
        let expected = [("live", 50), ("behind", 10), ("new", 70)];
        let reading = all.reading().unwrap();
        assert_eq!(reading.topics.len(), 3);
        for (name, since) in expected {
            assert!(reading.wants(&topic(name), since + 1) && !reading.wants(&topic(name), since));
        }
        assert_eq!(all.held, 0);
    }

    #[test]
    fn members_that_came_later_are_not_told_of_what_was_before_them() {
        let mut all = wanted(&["a"]);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        all.caught_up(&all.reading().unwrap());
        all.disconnected(5);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        assert_eq!(all.reading().unwrap().after(), 10);
    }

    #[test]
    fn a_topic_that_comes_anew_while_it_is_read_is_read_anew() {
        let mut all = wanted(&["a"]);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        let reading = all.reading().unwrap();
        all.change(TopicChange::Unwanted(topic("a")), 20);
        all.change(TopicChange::Wanted(topic("a")), 30);
        all.subscribe(9);
        all.subscribed(&[topic("a")]);
        all.arrived(event("a", 1));
        assert_eq!(all.caught_up(&reading), []);
        let reading = all.reading().unwrap();
        assert_eq!(reading.after(), 30);
        assert_eq!(all.caught_up(&reading), [event("a", 1)]);
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
        assert_eq!(all.give_up(90), HashSet::from([topic("a"), topic("b")]));
        let topics = all.subscribe(9);
        all.subscribed(&topics);
        assert_eq!(all.reading().unwrap().after(), 90);
    }
}
