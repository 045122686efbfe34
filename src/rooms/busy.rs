//! Which rooms have had the most events lately: a bounded list (the space-saving algorithm of Metwally, Agrawal and El
//! Abbadi), where a room that is not in it takes the place and the count of the one that has the fewest.

use std::collections::HashMap;

use crate::ids::RoomId;

/// Rooms that are remembered. A room with more than this part of all events is among them.
const KEPT: usize = 64;

/// Events after which all counts are halved, so that what was long ago counts little.
const HALVED_AFTER: u32 = 16_384;

/// Counts of the busiest rooms; estimates that are never too low by more than what was halved.
#[derive(Debug, Default)]
pub(super) struct BusyRooms {
    events: HashMap<RoomId, u64>,
    since_halved: u32,
}

impl BusyRooms {
    /// A room had an event.
    pub(super) fn count(&mut self, room: &RoomId) {
        if let Some(events) = self.events.get_mut(room) {
            *events += 1;
        } else {
            let mut before = 0;
            if self.events.len() >= KEPT
                && let Some((least, events)) = self.least()
            {
                self.events.remove(&least);
                before = events;
            }
            self.events.insert(room.clone(), before + 1);
        }
        self.since_halved += 1;
        if self.since_halved >= HALVED_AFTER {
            self.since_halved = 0;
            self.events.retain(|_, events| {
                *events /= 2;
                *events > 0
            });
        }
    }

    fn least(&self) -> Option<(RoomId, u64)> {
        let least = self.events.iter().min_by_key(|(_, events)| **events);
        least.map(|(room, events)| (room.clone(), *events))
    }

    /// The busiest, the first of them first.
    pub(super) fn top(&self, max: usize) -> Vec<(RoomId, u64)> {
        let all = self.events.iter();
        let mut all: Vec<_> = all.map(|(room, events)| (room.clone(), *events)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(max);
        all
    }

    /// Events of a room lately, if it is among the busiest.
    pub(super) fn of(&self, room: &RoomId) -> Option<u64> {
        self.events.get(room).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_are_found_among_many_and_the_list_stays_short() {
        let mut busy = BusyRooms::default();
        let loud = [RoomId::new("loud"), RoomId::new("louder")];
        for n in 0..8_000 {
            busy.count(&RoomId::new(format!("room {n}")));
            busy.count(&loud[1]);
            if n % 2 == 0 {
                busy.count(&loud[0]);
            }
        }
        let top: Vec<RoomId> = busy.top(2).into_iter().map(|(room, _)| room).collect();
        assert_eq!(top, [loud[1].clone(), loud[0].clone()]);
        assert!(busy.events.len() <= KEPT && busy.of(&loud[0]).is_some());
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut busy = BusyRooms::default();
        let (before, now) = (RoomId::new("before"), RoomId::new("now"));
        for _ in 0..100 {
            busy.count(&before);
        }
        for _ in 0..HALVED_AFTER * 8 {
            busy.count(&now);
        }
        assert_eq!(busy.of(&before), None);
        assert!(busy.of(&now).is_some());
    }
}
