//! The clock of a run: nanoseconds since the start, and the measured window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    /// When traffic began; `u64::MAX` before.
    began: AtomicU64,
    warm_up: u64,
    /// Shorter than configured if the run is cut.
    duration: AtomicU64,
}

impl Clock {
    /// Starts the clock; the traffic begins later.
    pub(crate) fn start(warm_up: Duration, duration: Duration) -> Self {
        Self {
            epoch: Instant::now(),
            began: AtomicU64::new(u64::MAX),
            warm_up: nanos(warm_up),
            duration: AtomicU64::new(nanos(duration)),
        }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    /// The instant at this time of the clock.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        self.epoch + Duration::from_nanos(at)
    }

    /// Begins the traffic, with the warm-up.
    pub(crate) fn begin(&self) {
        self.began.store(self.now(), Ordering::Release);
    }

    pub(crate) fn began(&self) -> u64 {
        self.began.load(Ordering::Acquire)
    }

    /// Start of the measured window.
    pub(crate) fn measured_from(&self) -> u64 {
        self.began().saturating_add(self.warm_up)
    }

    /// End of the measured window and of the traffic.
    pub(crate) fn measured_to(&self) -> u64 {
        let duration = self.duration.load(Ordering::Acquire);
        self.measured_from().saturating_add(duration)
    }

    /// Ends the measured window now.
    pub(crate) fn cut(&self) {
        let since = self.now().saturating_sub(self.measured_from());
        self.duration.fetch_min(since, Ordering::AcqRel);
    }

    /// Whether this time is in the measured window.
    pub(crate) fn measures(&self, at: u64) -> bool {
        (self.measured_from()..self.measured_to()).contains(&at)
    }

    /// Whether there should be traffic now.
    pub(crate) fn is_running(&self) -> bool {
        (self.began()..self.measured_to()).contains(&self.now())
    }

    /// The second of the traffic at this time; `None` before it.
    pub(crate) fn second(&self, at: u64) -> Option<usize> {
        let since = at.checked_sub(self.began())?;
        usize::try_from(since / 1_000_000_000).ok()
    }

    /// Length of the measured window in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.duration.load(Ordering::Acquire)).as_secs_f64()
    }

    /// Length of the warm-up in seconds.
    pub(crate) fn warm_up_seconds(&self) -> f64 {
        Duration::from_nanos(self.warm_up).as_secs_f64()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_is_not_measured() {
        let clock = Clock::start(Duration::from_secs(1), Duration::from_secs(2));
        assert!(!clock.is_running() && !clock.measures(clock.now()));
        clock.begin();
        let began = clock.began();
        assert!(clock.is_running() && !clock.measures(began));
        assert!(clock.measures(began + 1_000_000_000) && clock.measures(began + 2_999_999_999));
        assert!(!clock.measures(began + 3_000_000_000));
        assert_eq!(clock.second(began + 2_500_000_000), Some(2));
        assert_eq!(clock.second(began.wrapping_sub(1)), None);
    }

    #[test]
    fn a_cut_run_ends_at_once() {
        let clock = Clock::start(Duration::ZERO, Duration::from_secs(60));
        clock.begin();
        std::thread::sleep(Duration::from_millis(5));
        clock.cut();
        assert!(!clock.is_running() && (0.005..60.0).contains(&clock.seconds()));
    }
}
