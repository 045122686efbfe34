//! Measures how long each worker keeps others waiting.
//!
//! A worker does one thing at a time. Whatever takes it long, be it a request, an event or the machine, makes a task late
//! that wants a turn every few milliseconds.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::metrics::RequestCounts;

/// How often the worker is asked for a turn. It costs some 0.1 % of a core for each worker.
const INTERVAL: Duration = Duration::from_millis(5);

/// Asks the worker on whose thread it runs for turns, and records how late they come.
pub(super) async fn watch(counts: Arc<RequestCounts>) {
    let mut due = Instant::now() + INTERVAL;
    loop {
        sleep_until(due).await;
        let (late, next) = turn(due, Instant::now());
        counts.worker_delay.record_time(late);
        due = next;
    }
}

/// How late a turn came, and when the next is due.
fn turn(due: Instant, now: Instant) -> (Duration, Instant) {
    // Turns that were missed meanwhile would be late for the same reason.
    (now.saturating_duration_since(due), now + INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_late_by_what_kept_the_worker_busy_and_missed_ones_do_not_count() {
        let due = Instant::now();
        let busy = Duration::from_millis(40);
        assert_eq!(turn(due, due + busy), (busy, due + busy + INTERVAL));
        let early = turn(due, due - INTERVAL);
        assert_eq!(early, (Duration::ZERO, due));
    }
}
