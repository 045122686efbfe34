//! Watermarks: the highest message id of the database at recent times. Pure: the clock is an argument.
//!
//! Ids ascend, but the transaction of another node takes time. A message may become visible after one with a higher id. So catch-up starts at a watermark from some time earlier, and skips events that were
//! delivered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Recent watermarks. All messages up to each id were stored by its time.
#[derive(Debug)]
pub(super) struct Watermarks {
    ring: VecDeque<(Instant, i64)>,
    /// How far back the watermarks go.
    keep: Duration,
}

impl Watermarks {
    /// Starts with one watermark; later ones are kept for the time `keep`.
    pub(super) fn new(at: Instant, id: i64, keep: Duration) -> Self {
        Self {
            ring: VecDeque::from([(at, id)]),
            keep,
        }
    }

    /// Records the highest id, which was read before `at`. The watermark never falls, though messages may be deleted.
    pub(super) fn record(&mut self, at: Instant, id: i64) {
        let id = id.max(self.latest());
        self.ring.push_back((at, id));
        // Keeps one that is older than all times that callers ask for.
        while let Some((second, _)) = self.ring.get(1)
            && at.saturating_duration_since(*second) > self.keep
        {
            self.ring.pop_front();
        }
    }

    /// Drops all watermarks before the newest one.
    pub(super) fn forget_earlier(&mut self) {
        self.ring.drain(..self.ring.len() - 1);
    }

    /// The newest watermark, as an id.
    pub(super) fn latest(&self) -> i64 {
        self.ring.back().map_or(0, |(_, id)| *id)
    }

    /// The newest watermark that is at least `overlap` old; the oldest, if all are younger.
    pub(super) fn before(&self, at: Instant, overlap: Duration) -> i64 {
        let is_old = |then: &Instant| at.saturating_duration_since(*then) >= overlap;
        let old = self.ring.iter().take_while(|(then, _)| is_old(then));
        old.last().or(self.ring.front()).map_or(0, |(_, id)| *id)
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
        let mut watermarks = Watermarks::new(at(0), 5, Duration::from_secs(60));
        assert_eq!(watermarks.before(at(3), overlap), 5);
        for second in 1..=100 {
            watermarks.record(at(second), i64::try_from(second).unwrap() * 10);
        }
        assert_eq!(watermarks.before(at(100), overlap), 900);
        assert_eq!(watermarks.before(at(95), overlap), 850);
        assert_eq!(watermarks.latest(), 1_000);
        // Ids beyond the oldest watermark are read again, never left out.
        assert!(watermarks.before(at(20), overlap) <= 400 && watermarks.ring.len() <= 62);
    }

    #[test]
    fn a_mark_does_not_fall_when_messages_are_deleted() {
        let start = Instant::now();
        let mut watermarks = Watermarks::new(start, 9, Duration::from_secs(60));
        watermarks.record(start, 3);
        assert_eq!(watermarks.latest(), 9);
    }
}
