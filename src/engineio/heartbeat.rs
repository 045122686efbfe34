//! The heartbeat: a ping every `ping_interval`, a pong within `ping_timeout`.
//!
//! It compares deadlines and counts no ticks. So a machine that stalled sends one ping, not a burst and not none.

use std::time::{Duration, Instant};

/// What [`Heartbeat::handle_timeout`] asks the session to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    /// The client sent no pong in time.
    TimedOut,
}

/// The state of one session's heartbeat.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    awaiting_pong: bool,
    deadline: Instant,
}

impl Heartbeat {
    /// The first ping is due one interval after the handshake.
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            awaiting_pong: false,
            deadline: now + interval,
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The client sent a pong, so the next ping is due after one interval.
    pub(super) fn handle_pong(&mut self, now: Instant) {
        self.awaiting_pong = false;
        self.deadline = now + self.interval;
    }

    /// The server will not read from the client for `pause`. A pending pong gets that much more time.
    pub(super) fn handle_unread(&mut self, pause: Duration) {
        if self.awaiting_pong {
            self.deadline += pause;
        }
    }

    /// Returns what is due at `now`. Call it once for each wake-up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Beat> {
        if now < self.deadline {
            return None;
        }
        if self.awaiting_pong {
            return Some(Beat::TimedOut);
        }
        self.awaiting_pong = true;
        // A timer that fires slightly late must not extend the announced timeout. After a stall the client gets the
        // whole timeout.
        let late = now.saturating_duration_since(self.deadline);
        let sent = if late <= self.timeout / 8 {
            self.deadline
        } else {
            now
        };
        self.deadline = sent + self.timeout;
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(300);
    const TIMEOUT: Duration = Duration::from_millis(200);

    #[test]
    fn a_ping_comes_after_the_interval_and_again_after_each_pong() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.handle_timeout(start), None);
        let mut now = start;
        for _ in 0..3 {
            now += INTERVAL;
            assert_eq!(heartbeat.handle_timeout(now), Some(Beat::Ping));
            now += TIMEOUT / 2;
            assert_eq!(heartbeat.handle_timeout(now), None);
            heartbeat.handle_pong(now);
            assert_eq!(heartbeat.deadline(), now + INTERVAL);
        }
    }

    #[test]
    fn a_missing_pong_times_out() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, TIMEOUT, start);
        assert_eq!(heartbeat.handle_timeout(start + INTERVAL), Some(Beat::Ping));
        let end = start + INTERVAL + TIMEOUT;
        assert_eq!(heartbeat.handle_timeout(end), Some(Beat::TimedOut));
    }

    #[test]
    fn a_client_that_is_left_unread_has_as_much_more_time_for_its_pong() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, TIMEOUT, start);
        heartbeat.handle_unread(TIMEOUT);
        assert_eq!(heartbeat.handle_timeout(start + INTERVAL), Some(Beat::Ping));
        heartbeat.handle_unread(TIMEOUT);
        let end = start + INTERVAL + TIMEOUT + TIMEOUT;
        assert_eq!(heartbeat.deadline(), end);
        assert_eq!(heartbeat.handle_timeout(end), Some(Beat::TimedOut));
    }

    #[test]
    fn a_late_timer_does_not_prolong_the_timeout() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, TIMEOUT, start);
        let late = start + INTERVAL + Duration::from_millis(5);
        assert_eq!(heartbeat.handle_timeout(late), Some(Beat::Ping));
        assert_eq!(heartbeat.deadline(), start + INTERVAL + TIMEOUT);
    }

    #[test]
    fn a_stall_gives_one_ping_and_a_whole_timeout_for_its_pong() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, TIMEOUT, start);
        let late = start + INTERVAL * 20;
        assert_eq!(heartbeat.handle_timeout(late), Some(Beat::Ping));
        assert_eq!(heartbeat.handle_timeout(late), None);
        assert_eq!(heartbeat.deadline(), late + TIMEOUT);
    }
}
