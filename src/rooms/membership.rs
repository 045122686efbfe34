//! The index of members by room. Pure; removing a member leaves nothing of it behind.

use std::collections::{HashMap, HashSet};

use crate::ids::{IdentityKey, RoomId, Sid};

use super::topic::{Topic, TopicChange, TopicCounts};

/// The rooms that one member chose to join or to leave. Both sets are bounded by the same maximum.
#[derive(Debug, Default)]
pub(super) struct RoomChoices {
    joined: HashSet<RoomId>,
    /// Rooms of the member's own identity that it left.
    left: HashSet<RoomId>,
}

impl RoomChoices {
    /// Joins a room; `false` if the member has joined `max` others. A refused join changes nothing.
    pub(super) fn join(&mut self, room: &RoomId, max: usize) -> bool {
        if self.joined.contains(room) {
            return true;
        }
        if self.joined.len() >= max {
            return false;
        }
        self.left.remove(room);
        self.joined.insert(room.clone());
        true
    }

    /// Leaves a room. A room that the member owns must be remembered: `false` if `max` others are.
    pub(super) fn leave(&mut self, room: &RoomId, owns: bool, max: usize) -> bool {
        if owns && !self.left.contains(room) {
            if self.left.len() >= max {
                return false;
            }
            self.left.insert(room.clone());
        }
        self.joined.remove(room);
        true
    }
}

#[derive(Debug)]
struct IndexedMember {
    identity_hex: Box<str>,
    /// Whether the member belongs to every room of its own identity.
    automatic: bool,
    choices: RoomChoices,
}

/// The members of all rooms.
#[derive(Debug)]
pub struct Membership {
    members: HashMap<Sid, IndexedMember>,
    rooms: HashMap<RoomId, HashSet<Sid>>,
    /// Automatic members by their identity in hexadecimal.
    by_identity: HashMap<Box<str>, HashSet<Sid>>,
    max_rooms_per_member: usize,
    /// Kept only in a cluster.
    topics: Option<TopicCounts>,
}

impl Membership {
    /// Creates an empty index. A member may join, and leave, at most so many rooms.
    pub fn new(max_rooms_per_member: usize) -> Self {
        Self {
            members: HashMap::new(),
            rooms: HashMap::new(),
            by_identity: HashMap::new(),
            max_rooms_per_member,
            topics: None,
        }
    }

    /// Also counts the members of each topic.
    #[must_use]
    pub fn with_topics(mut self) -> Self {
        self.topics = Some(TopicCounts::default());
        self
    }

    /// Topics that got their first member or lost their last since the previous call.
    pub fn take_changes(&mut self) -> Vec<TopicChange> {
        let topics = self.topics.as_mut();
        topics.map(TopicCounts::take_changes).unwrap_or_default()
    }

    /// The members of all rooms of these topics.
    pub fn members_of<'a>(&'a self, topics: &'a HashSet<Topic>) -> impl Iterator<Item = Sid> + 'a {
        self.members.iter().filter_map(|(sid, member)| {
            let own = member.automatic && topics.contains(&Topic::of_owner(&member.identity_hex));
            let mut joined = member.choices.joined.iter();
            (own || joined.any(|room| topics.contains(&Topic::of(room)))).then_some(*sid)
        })
    }

    /// Adds a member. Adding it again changes nothing.
    pub fn admit(&mut self, sid: Sid, identity: &IdentityKey, automatic: bool) {
        if self.members.contains_key(&sid) {
            return;
        }
        let identity_hex: Box<str> = identity.to_hex().into();
        if automatic {
            self.by_identity
                .entry(identity_hex.clone())
                .or_default()
                .insert(sid);
            if let Some(topics) = &mut self.topics {
                topics.add(Topic::of_owner(&identity_hex));
            }
        }
        let member = IndexedMember {
            identity_hex,
            automatic,
            choices: RoomChoices::default(),
        };
        self.members.insert(sid, member);
    }

    /// Adds a member to a room; `false` if the member is unknown or in too many rooms.
    pub fn join(&mut self, sid: Sid, room: RoomId) -> bool {
        let Some(member) = self.members.get_mut(&sid) else {
            return false;
        };
        if member.choices.joined.contains(&room) {
            return true;
        }
        if !member.choices.join(&room, self.max_rooms_per_member) {
            return false;
        }
        if let Some(topics) = &mut self.topics {
            topics.add(Topic::of(&room));
        }
        self.rooms.entry(room).or_default().insert(sid);
        true
    }

    /// Removes a member from a room, also from one that it did not join by asking.
    pub fn leave(&mut self, sid: Sid, room: &RoomId) {
        let Some(member) = self.members.get_mut(&sid) else {
            return;
        };
        let owns = member.automatic && room.owner_hex() == Some(&*member.identity_hex);
        let had_joined = member.choices.joined.contains(room);
        if member.choices.leave(room, owns, self.max_rooms_per_member) && had_joined {
            self.remove_from(room, sid);
        }
    }

    /// Removes a member from all rooms.
    pub fn remove(&mut self, sid: Sid) {
        let Some(member) = self.members.remove(&sid) else {
            return;
        };
        for room in &member.choices.joined {
            self.remove_from(room, sid);
        }
        if let Some(topics) = self.topics.as_mut().filter(|_| member.automatic) {
            topics.remove(Topic::of_owner(&member.identity_hex));
        }
        if let Some(sids) = self.by_identity.get_mut(&member.identity_hex) {
            sids.remove(&sid);
            if sids.is_empty() {
                self.by_identity.remove(&member.identity_hex);
            }
        }
    }

    /// The members of a room, each once.
    pub fn members<'a>(&'a self, room: &'a RoomId) -> impl Iterator<Item = Sid> + 'a {
        let joined = self.rooms.get(room);
        let automatic = room
            .owner_hex()
            .and_then(|owner| self.by_identity.get(owner));
        let by_itself = automatic.into_iter().flatten().copied().filter(move |sid| {
            let has_left = self
                .members
                .get(sid)
                .is_some_and(|member| member.choices.left.contains(room));
            !has_left && !joined.is_some_and(|joined| joined.contains(sid))
        });
        joined.into_iter().flatten().copied().chain(by_itself)
    }

    /// Rooms that at least one member joined by asking.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Members of any room, and members without a room.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Rooms that members joined by asking, with the number of those members; in no order.
    pub fn joined_rooms(&self) -> impl Iterator<Item = (&RoomId, usize)> {
        self.rooms.iter().map(|(room, sids)| (room, sids.len()))
    }

    /// The rooms that a member joined by asking; `None` if the member is unknown.
    pub fn joined_by(&self, sid: Sid) -> Option<impl Iterator<Item = &RoomId>> {
        Some(self.members.get(&sid)?.choices.joined.iter())
    }

    fn remove_from(&mut self, room: &RoomId, sid: Sid) {
        if let Some(sids) = self.rooms.get_mut(room) {
            sids.remove(&sid);
            if sids.is_empty() {
                self.rooms.remove(room);
            }
        }
        if let Some(topics) = &mut self.topics {
            topics.remove(Topic::of(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&str; 2] = [
        "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4",
        "03774ae7f858a9411e5ef4246b70c65aac5649980be5c17891bbec17895da008cb",
    ];

    fn key(index: usize) -> IdentityKey {
        KEYS[index].parse().unwrap()
    }

    fn sid(index: u8) -> Sid {
        Sid::from_random([index; 15])
    }

    fn members(membership: &Membership, room: &RoomId) -> Vec<Sid> {
        membership.members(room).collect()
    }

    #[test]
    fn a_member_belongs_to_its_own_rooms_until_it_leaves_them() {
        let mut membership = Membership::new(9);
        membership.admit(sid(1), &key(0), true);
        let room = RoomId::of(&key(0), "any-box");
        assert_eq!(members(&membership, &room), [sid(1)]);
        assert_eq!(members(&membership, &RoomId::of(&key(1), "any-box")), []);
        membership.leave(sid(1), &room);
        assert_eq!(members(&membership, &room), []);
        assert_eq!(
            members(&membership, &RoomId::of(&key(0), "other")),
            [sid(1)]
        );
        assert!(membership.join(sid(1), room.clone()));
        assert_eq!(members(&membership, &room), [sid(1)]);
    }

    #[test]
    fn without_automatic_rooms_only_joining_counts() {
        let mut membership = Membership::new(9);
        membership.admit(sid(1), &key(0), false);
        let room = RoomId::of(&key(0), "box");
        assert_eq!(members(&membership, &room), []);
        membership.join(sid(1), room.clone());
        assert_eq!(members(&membership, &room), [sid(1)]);
        membership.leave(sid(1), &room);
        assert_eq!(members(&membership, &room), []);
        assert_eq!(membership.room_count(), 0);
    }

    #[test]
    fn rooms_are_bounded_and_strangers_join_nothing() {
        let mut membership = Membership::new(2);
        assert!(!membership.join(sid(1), RoomId::new("a")));
        membership.admit(sid(1), &key(0), true);
        let joined = ["a", "b", "c", "a"].map(|name| membership.join(sid(1), RoomId::new(name)));
        assert_eq!(joined, [true, true, false, true]);
    }

    #[test]
    fn a_join_that_is_refused_changes_nothing() {
        let mut membership = Membership::new(1);
        membership.admit(sid(1), &key(0), true);
        let own = RoomId::of(&key(0), "box");
        membership.leave(sid(1), &own);
        assert!(membership.join(sid(1), RoomId::new("lobby")));
        assert!(!membership.join(sid(1), own.clone()));
        assert_eq!(members(&membership, &own), []);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Admit(u8, usize),
        Join(u8, usize),
        LeaveRoom(u8, usize),
        Remove(u8),
    }

    fn rooms() -> Vec<RoomId> {
        vec![
            RoomId::of(&key(0), "a"),
            RoomId::of(&key(0), "b"),
            RoomId::of(&key(1), "a"),
            RoomId::new("lobby"),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u8, 0..2_usize).prop_map(|(sid, key)| Step::Admit(sid, key)),
            (0..4_u8, 0..4_usize).prop_map(|(sid, room)| Step::Join(sid, room)),
            (0..4_u8, 0..4_usize).prop_map(|(sid, room)| Step::LeaveRoom(sid, room)),
            (0..4_u8).prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// Compares with a model that keeps the last command for each member and room.
        #[test]
        fn it_agrees_with_a_simple_model_and_leaks_nothing(steps in proptest::collection::vec(step(), 0..60)) {
            let mut membership = Membership::new(99).with_topics();
            let mut wanted = HashSet::new();
            let mut model: HashMap<u8, (usize, HashMap<usize, bool>)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Admit(member, owner) => {
                        membership.admit(sid(member), &key(owner), true);
                        model.entry(member).or_insert((owner, HashMap::new()));
                    }
                    Step::Join(member, room) => {
                        membership.join(sid(member), rooms()[room].clone());
                        if let Some((_, chosen)) = model.get_mut(&member) { chosen.insert(room, true); }
                    }
                    Step::LeaveRoom(member, room) => {
                        membership.leave(sid(member), &rooms()[room]);
                        if let Some((_, chosen)) = model.get_mut(&member) { chosen.insert(room, false); }
                    }
                    Step::Remove(member) => {
                        membership.remove(sid(member));
                        model.remove(&member);
                    }
                }
                for change in membership.take_changes() {
                    match change {
                        TopicChange::Wanted(topic) => prop_assert!(wanted.insert(topic)),
                        TopicChange::Unwanted(topic) => prop_assert!(wanted.remove(&topic)),
                    }
                }
                let mut topics: Vec<_> = wanted.iter().collect();
                topics.sort();
                prop_assert_eq!(&topics, &membership.topics.as_ref().unwrap().wanted());
                for (index, room) in rooms().iter().enumerate() {
                    let is_wanted = wanted.contains(&Topic::of(room));
                    let of_topic: HashSet<Sid> = membership.members_of(&HashSet::from([Topic::of(room)])).collect();
                    prop_assert!(members(&membership, room).iter().all(|sid| is_wanted && of_topic.contains(sid)));
                    prop_assert!(!is_wanted || !of_topic.is_empty());
                    let mut actual = members(&membership, room);
                    let mut expected: Vec<Sid> = model.iter()
                        .filter(|(_, (owner, chosen))| {
                            let own = room.owner_hex() == Some(KEYS[*owner]);
                            chosen.get(&index).copied().unwrap_or(own)
                        })
                        .map(|(member, _)| sid(*member))
                        .collect();
                    actual.sort_by_key(ToString::to_string);
                    expected.sort_by_key(ToString::to_string);
                    prop_assert_eq!(actual, expected);
                }
            }
            for member in 0..4 {
                membership.remove(sid(member));
            }
            prop_assert!(membership.topics.as_ref().unwrap().wanted().is_empty());
            prop_assert!(membership.members.is_empty() && membership.rooms.is_empty() && membership.by_identity.is_empty());
        }
    }
}
