//! Measures how late each worker runs its tasks.
//!
//! A worker runs one task at a time. A task that is due every 5 ms is late whenever a request, an event or the machine keeps
//! the worker busy.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

use crate::metrics::RequestCounts;

/// Time between two turns. They cost some 0.1 % of a core for each worker.
const INTERVAL: Duration = Duration::from_millis(5);

/// Records how late the turns of this task are. Runs once on each worker.
pub(super) async fn measure(counts: Arc<RequestCounts>) {
    let mut due = Instant::now() + INTERVAL;
    let mut used = cpu_time();
    loop {
        sleep_until(due).await;
        let now_used = cpu_time();
        let turn = turn(due, Instant::now(), now_used.saturating_sub(used));
        counts.worker_delay.record_time(turn.late);
        counts.worker_busy.record_time(turn.busy);
        (due, used) = (turn.next, now_used);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Turn {
    late: Duration,
    /// CPU time of the worker meanwhile. For the rest, the machine ran other threads.
    busy: Duration,
    /// When the next turn is due.
    next: Instant,
}

/// The turn that was due at `due` and came at `now`. `used` is the worker's CPU time since the turn before.
fn turn(due: Instant, now: Instant, used: Duration) -> Turn {
    let late = now.saturating_duration_since(due);
    Turn {
        late,
        busy: late.min(used),
        // Missed turns are skipped: they would be late for the same reason.
        next: now + INTERVAL,
    }
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
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
        let before = cpu_time();
        while cpu_time() == before {
            std::hint::black_box(before);
        }
        let elsewhere = std::thread::spawn(cpu_time).join().unwrap();
        assert!(elsewhere < cpu_time());
    }
}
