//! A limit of log lines per second, with a count of the lines left out.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Limits lines that clients cause.
#[derive(Debug)]
pub struct LineLimit {
    max: u32,
    window: Mutex<Option<Window>>,
}

/// Lines of the current second.
#[derive(Debug)]
struct Window {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl LineLimit {
    /// `max`: lines per second.
    #[must_use]
    pub const fn new(max: u32) -> Self {
        Self {
            max,
            window: Mutex::new(None),
        }
    }

    /// Whether a line may be logged now. Gives the number of lines left out before it.
    #[must_use]
    pub fn enter(&self) -> Option<u64> {
        self.enter_at(Instant::now())
    }

    fn enter_at(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        let window = window.get_or_insert(Window {
            since: now,
            lines: 0,
            left_out: 0,
        });
        if now.saturating_duration_since(window.since) >= Duration::from_secs(1) {
            (window.since, window.lines) = (now, 0);
        }
        if window.lines >= self.max {
            window.left_out += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_the_limit_are_counted() {
        let (limit, begin) = (LineLimit::new(2), Instant::now());
        let at = |millis| limit.enter_at(begin + Duration::from_millis(millis));
        let entered: Vec<_> = [0, 1, 2, 999].map(at).to_vec();
        assert_eq!(entered, [Some(0), Some(0), None, None]);
        assert_eq!([at(1_000), at(1_001)], [Some(2), Some(0)]);
    }
}
