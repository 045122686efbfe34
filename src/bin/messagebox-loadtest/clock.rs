//! The run's clock: nanoseconds since the start, and the window in which things are measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shared by all tasks.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    /// When traffic began; the maximum while it has not.
    began: AtomicU64,
    warm_up: u64,
    /// Shorter than asked for when the run is cut.
    duration: AtomicU64,
}

impl Clock {
    /// Starts now; the traffic begins later.
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

    /// The moment that is so many nanoseconds after the start.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        self.epoch + Duration::from_nanos(at)
    }

    /// The traffic begins: with the warm-up.
    pub(crate) fn begin(&self) {
        self.began.store(self.now(), Ordering::Release);
    }

    /// When the traffic began.
    pub(crate) fn began(&self) -> u64 {
        self.began.load(Ordering::Acquire)
    }

    /// When measuring begins.
    pub(crate) fn measured_from(&self) -> u64 {
        self.began().saturating_add(self.warm_up)
    }

    /// When it ends, and the traffic with it.
    pub(crate) fn measured_to(&self) -> u64 {
        let duration = self.duration.load(Ordering::Acquire);
        self.measured_from().saturating_add(duration)
    }

    /// The measuring ends now.
    pub(crate) fn cut(&self) {
        let since = self.now().saturating_sub(self.measured_from());
        self.duration.fetch_min(since, Ordering::AcqRel);
    }

    /// Whether something that happens at this time counts.
    pub(crate) fn measures(&self, at: u64) -> bool {
        (self.measured_from()..self.measured_to()).contains(&at)
    }

    /// Whether there is to be traffic.
    pub(crate) fn is_running(&self) -> bool {
        (self.began()..self.measured_to()).contains(&self.now())
    }

    /// Which second of the traffic this time is in; none before it.
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
    fn nothing_counts_before_the_warm_up_is_over() {
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
    fn a_run_that_is_cut_ends_there_and_then() {
        let clock = Clock::start(Duration::ZERO, Duration::from_secs(60));
        clock.begin();
        std::thread::sleep(Duration::from_millis(5));
        clock.cut();
        assert!(!clock.is_running() && (0.005..60.0).contains(&clock.seconds()));
    }
}
