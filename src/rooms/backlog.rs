//! Counts the events of a member that are in flight: sent and not handled yet.
//!
//! A mailbox is no bound, because `do_send` ignores its capacity. So the registry counts what it sends, and each event
//! counts as arrived when it is dropped. Each side has its own counter, so they rarely touch the same memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The events in flight to one member.
#[derive(Debug)]
pub(super) struct Backlog {
    sent: usize,
    /// The arrivals at the last look.
    arrived: usize,
    arrivals: Arrivals,
    max: usize,
}

/// The number of events that one member has handled.
#[derive(Debug, Clone)]
pub(super) struct Arrivals(Arc<AtomicUsize>);

/// Events in flight. Dropping this value counts them as arrived.
#[derive(Debug)]
pub struct Arrival {
    arrivals: Arrivals,
    count: usize,
}

impl Backlog {
    /// Creates a backlog for at most `max` events in flight.
    pub(super) fn new(max: usize) -> Self {
        Self {
            sent: 0,
            arrived: 0,
            arrivals: Arrivals(Arc::default()),
            max,
        }
    }

    /// Counts one more event; `false` if the member has too many.
    pub(super) fn begin(&mut self) -> bool {
        if self.in_flight(self.arrived) >= self.max {
            self.arrived = self.arrivals.0.load(Ordering::Acquire);
        }
        let has_room = self.in_flight(self.arrived) < self.max;
        self.sent = self.sent.wrapping_add(usize::from(has_room));
        has_room
    }

    /// The number of events in flight.
    pub(super) fn len(&self) -> usize {
        self.in_flight(self.arrivals.0.load(Ordering::Acquire))
    }

    /// Events sent before a socket was added again under its id arrive here too, so the difference may be negative.
    fn in_flight(&self, arrived: usize) -> usize {
        let difference = self.sent.wrapping_sub(arrived).cast_signed();
        usize::try_from(difference).unwrap_or(0)
    }

    /// The counter of arrivals.
    pub(super) fn arrivals(&self) -> Arrivals {
        self.arrivals.clone()
    }
}

impl Arrivals {
    /// Wraps `count` sent events.
    pub(super) fn next(&self, count: usize) -> Arrival {
        Arrival {
            arrivals: self.clone(),
            count,
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.arrivals.0.fetch_add(self.count, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_lags_until_events_arrive() {
        let mut backlog = Backlog::new(2);
        let arrivals = backlog.arrivals();
        assert!(backlog.begin() && backlog.begin());
        let (first, second) = (arrivals.next(1), arrivals.next(1));
        assert!(!backlog.begin());
        drop(first);
        assert!(backlog.begin());
        let third = arrivals.next(1);
        assert!(!backlog.begin() && !backlog.begin());
        drop((second, third));
        assert!(backlog.begin() && backlog.begin() && !backlog.begin());
        drop(arrivals.next(2));
        assert!(backlog.begin() && backlog.begin() && !backlog.begin());
    }

    #[test]
    fn what_was_sent_before_it_counted_makes_nobody_lag() {
        let mut backlog = Backlog::new(2);
        drop(backlog.arrivals().next(1));
        assert_eq!(backlog.len(), 0);
        assert!(backlog.begin() && backlog.begin());
        assert!(backlog.len() <= 2 && backlog.begin());
    }
}
