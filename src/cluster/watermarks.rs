//! How far the database had come at which time. Pure: the clock is an argument.
//!
//! Ids of messages ascend, but a message may become visible, or be published, after one with a higher id: another node's
//! transaction takes its time. So whoever has missed something begins to read where the database was a while
//! before, and leaves out what was delivered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The ids that were highest, each with a time by which all up to it was stored.
#[derive(Debug)]
pub(super) struct Watermarks {
    ring: VecDeque<(Instant, i64)>,
    /// How far back they go.
    keep: Duration,
}

impl Watermarks {
    /// The first one; later, those of the time `keep` are there.
    pub(super) fn new(at: Instant, id: i64, keep: Duration) -> Self {
        Self {
            ring: VecDeque::from([(at, id)]),
            keep,
        }
    }

    /// Notes that `id` was the highest when it was asked for, before `at`. It never falls: the highest may be deleted.
    pub(super) fn record(&mut self, at: Instant, id: i64) {
        let id = id.max(self.latest());
        self.ring.push_back((at, id));
        // One that is older than all that are asked for stays.
        while let Some((second, _)) = self.ring.get(1)
            && at.saturating_duration_since(*second) > self.keep
        {
            self.ring.pop_front();
        }
    }

    /// The latest.
    pub(super) fn latest(&self) -> i64 {
        self.ring.back().map_or(0, |(_, id)| *id)
    }

    /// The latest of those from before `overlap` ago; the oldest, if all are later.
    pub(super) fn before(&self, at: Instant, overlap: Duration) -> i64 {
        let mut found = self.ring.front().map_or(0, |(_, id)| *id);
        for (then, id) in &self.ring {
            if at.saturating_duration_since(*then) < overlap {
                break;
            }
            found = *id;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_by_its_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let overlap = Duration::from_secs(10);
        let mut marks = Watermarks::new(at(0), 5, Duration::from_secs(60));
        assert_eq!(marks.before(at(3), overlap), 5);
        for second in 1..=100 {
            marks.record(at(second), i64::try_from(second).unwrap() * 10);
        }
        assert_eq!(marks.before(at(100), overlap), 900);
        assert_eq!(marks.before(at(95), overlap), 850);
        assert_eq!(marks.latest(), 1_000);
        // What is no longer known is read once more, not left out.
        assert!(marks.before(at(20), overlap) <= 400 && marks.ring.len() <= 62);
    }

    #[test]
    fn a_mark_does_not_fall_when_messages_are_deleted() {
        let start = Instant::now();
        let mut marks = Watermarks::new(start, 9, Duration::from_secs(60));
        marks.record(start, 3);
        assert_eq!(marks.latest(), 9);
    }
}
