//! The rooms with the most events in the last five minutes.
//!
//! The window consists of slices. Each is a bounded list, kept by the space-saving algorithm of Metwally, Agrawal and
//! El Abbadi. A new room replaces the one with the fewest events and inherits its count. Time is an argument.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::ids::RoomId;

const WINDOW: Duration = Duration::from_secs(300);

const SLICE: Duration = Duration::from_secs(30);

/// Rooms in a slice. A room with more than 1/64 of the slice's events is always among them.
const KEPT: usize = 64;

/// Estimated event counts of the busiest rooms. An estimate is never too low.
#[derive(Debug, Default)]
pub(super) struct HotRooms {
    /// From the oldest to the newest.
    slices: VecDeque<Slice>,
}

#[derive(Debug)]
struct Slice {
    began: Instant,
    events: HashMap<RoomId, u64>,
}

impl Slice {
    fn new(began: Instant) -> Self {
        Self {
            began,
            events: HashMap::new(),
        }
    }

    fn count(&mut self, room: &RoomId) {
        if let Some(events) = self.events.get_mut(room) {
            *events += 1;
            return;
        }
        let mut before = 0;
        if self.events.len() >= KEPT
            && let Some((fewest, events)) = self.fewest()
        {
            self.events.remove(&fewest);
            before = events;
        }
        self.events.insert(room.clone(), before + 1);
    }

    fn fewest(&self) -> Option<(RoomId, u64)> {
        let fewest = self.events.iter().min_by_key(|(_, events)| **events);
        fewest.map(|(room, events)| (room.clone(), *events))
    }
}

impl HotRooms {
    /// Counts an event of a room.
    pub(super) fn count(&mut self, room: &RoomId, now: Instant) {
        let is_over = |slice: &Slice| now.saturating_duration_since(slice.began) >= SLICE;
        if self.slices.back().is_none_or(is_over) {
            let is_old = |slice: &Slice| now.saturating_duration_since(slice.began) >= WINDOW;
            while self.slices.front().is_some_and(is_old) {
                self.slices.pop_front();
            }
            self.slices.push_back(Slice::new(now));
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.count(room);
        }
    }

    fn recent(&self, now: Instant) -> impl Iterator<Item = &Slice> {
        let is_recent = move |slice: &&Slice| now.saturating_duration_since(slice.began) < WINDOW;
        self.slices.iter().filter(is_recent)
    }

    /// The busiest rooms, the busiest first.
    pub(super) fn top(&self, max: usize, now: Instant) -> Vec<(RoomId, u64)> {
        let mut all: HashMap<&RoomId, u64> = HashMap::new();
        for slice in self.recent(now) {
            for (room, events) in &slice.events {
                *all.entry(room).or_default() += events;
            }
        }
        let all = all.into_iter().map(|(room, events)| (room.clone(), events));
        let mut all: Vec<_> = all.collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(max);
        all
    }

    /// The events of a room, if a slice remembers it.
    pub(super) fn of(&self, room: &RoomId, now: Instant) -> Option<u64> {
        let counts = self.recent(now).filter_map(|slice| slice.events.get(room));
        counts.copied().reduce(|all, events| all + events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_are_found_among_many_and_the_lists_stay_short() {
        let (mut hot, now) = (HotRooms::default(), Instant::now());
        let loud = [RoomId::new("loud"), RoomId::new("louder")];
        for n in 0..8_000 {
            let now = now + Duration::from_millis(n * 100);
            hot.count(&RoomId::new(format!("room {n}")), now);
            hot.count(&loud[1], now);
            if n % 2 == 0 {
                hot.count(&loud[0], now);
            }
        }
        let now = now + Duration::from_secs(800);
        let top = hot.top(2, now).into_iter().map(|(room, _)| room);
        assert_eq!(top.collect::<Vec<_>>(), [loud[1].clone(), loud[0].clone()]);
        assert!(hot.of(&loud[0], now).is_some());
        assert!(hot.slices.len() <= 11);
        assert!(hot.slices.iter().all(|slice| slice.events.len() <= KEPT));
    }

    #[test]
    fn what_was_long_ago_is_forgotten_also_while_nothing_happens() {
        let (mut hot, began) = (HotRooms::default(), Instant::now());
        let (gone, live) = (RoomId::new("gone"), RoomId::new("live"));
        let at = |seconds| began + Duration::from_secs(seconds);
        for _ in 0..1_000 {
            hot.count(&gone, at(0));
        }
        hot.count(&live, at(200));
        assert_eq!(
            hot.top(9, at(299)),
            [(gone.clone(), 1_000), (live.clone(), 1)]
        );
        assert_eq!(hot.top(9, at(300)), [(live.clone(), 1)]);
        assert_eq!(
            (hot.of(&gone, at(300)), hot.of(&live, at(300))),
            (None, Some(1))
        );
        hot.count(&live, at(499));
        assert_eq!(hot.of(&live, at(499)), Some(2));
        // Slices outside the window are dropped.
        hot.count(&live, at(700));
        assert_eq!(
            (hot.top(9, at(700)), hot.slices.len()),
            (vec![(live, 2)], 2)
        );
    }
}
