//! The pause before the next attempt. Pure: chance is an argument.

use std::time::Duration;

/// A pause that doubles with each failure, up to a maximum.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts with a pause of about `first`.
    #[must_use]
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            failures: 0,
        }
    }

    /// The next pause. `chance`, from 0 to 1, spreads the attempts of nodes that failed together over half of the
    /// pause.
    pub fn next(&mut self, chance: f64) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(10));
        let whole = whole.min(self.max);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + (whole / 2).mul_f64(chance.clamp(0.0, 1.0))
    }

    /// Starts again after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let (first, max) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, max);
        assert_eq!(backoff.next(0.0), first / 2);
        assert_eq!(backoff.next(1.0), first * 2);
        for _ in 0..100 {
            assert!(backoff.next(0.5) <= max);
        }
        assert_eq!(backoff.next(0.0), max / 2);
        backoff.reset();
        assert!(backoff.next(1.0) <= first);
    }
}
