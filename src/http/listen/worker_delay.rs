//! Measures how long each worker keeps others waiting.
//!
//! A worker does one thing at a time. Whatever takes it long, be it a request, an event or the machine, makes a task late
//! that wants a turn every few milliseconds.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

use crate::metrics::RequestCounts;

/// How often the worker is asked for a turn. It costs some 0.1 % of a core for each worker.
const INTERVAL: Duration = Duration::from_millis(5);

/// Asks the worker on whose thread it runs for turns, and records how late they come.
pub(super) async fn watch(counts: Arc<RequestCounts>) {
    let mut due = Instant::now() + INTERVAL;
    let mut used = processor_time();
    loop {
        sleep_until(due).await;
        let now_used = processor_time();
        let turn = turn(due, Instant::now(), now_used.saturating_sub(used));
        counts.worker_delay.record_time(turn.late);
        counts.worker_busy.record_time(turn.busy);
        (due, used) = (turn.next, now_used);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Turn {
    late: Duration,
    /// What the worker itself was busy meanwhile; for the rest the machine had others to run.
    busy: Duration,
    /// When the next is due.
    next: Instant,
}

/// The turn that was due then and came now. `used` is the processor's time that the worker used since the turn before.
fn turn(due: Instant, now: Instant, used: Duration) -> Turn {
    let late = now.saturating_duration_since(due);
    Turn {
        late,
        busy: late.min(used),
        // Turns that were missed meanwhile would be late for the same reason.
        next: now + INTERVAL,
    }
}

/// The processor's time that this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_late_by_what_kept_the_worker_busy_and_missed_ones_do_not_count() {
        let due = Instant::now();
        let millis = Duration::from_millis;
        let late = |busy| Turn {
            late: millis(40),
            busy: millis(busy),
            next: due + millis(40) + INTERVAL,
        };
        assert_eq!(turn(due, due + millis(40), millis(45)), late(40));
        assert_eq!(turn(due, due + millis(40), millis(3)), late(3));
        let early = turn(due, due - INTERVAL, millis(1));
        assert_eq!((early.late, early.busy), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn only_work_uses_the_processor() {
        let before = processor_time();
        while processor_time() == before {
            std::hint::black_box(before);
        }
        let elsewhere = std::thread::spawn(processor_time).join().unwrap();
        assert!(elsewhere < processor_time());
    }
}
