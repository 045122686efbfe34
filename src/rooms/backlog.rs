//! How many events a member has been sent and has not handled yet.
//!
//! A mailbox is no bound: `do_send` ignores its capacity. So the registry counts what it sends, and each event says when
//! it has arrived: handled, or dropped with the mailbox. Each side counts on its own, so that they hardly ever touch the
//! same memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The events that are on their way to one member.
#[derive(Debug)]
pub(super) struct Backlog {
    sent: usize,
    /// What had arrived when it was looked at last.
    arrived: usize,
    arrivals: Arrivals,
    max: usize,
}

/// Counts the events that have arrived at one member.
#[derive(Debug, Clone)]
pub(super) struct Arrivals(Arc<AtomicUsize>);

/// Events on their way; dropping it means that they have arrived.
#[derive(Debug)]
pub struct Arrival {
    arrivals: Arrivals,
    count: usize,
}

impl Backlog {
    /// Allows for `max` events on their way.
    #[must_use]
    pub(super) fn new(max: usize) -> Self {
        Self {
            sent: 0,
            arrived: 0,
            arrivals: Arrivals(Arc::default()),
            max,
        }
    }

    /// Counts one more event, unless the member lags.
    #[must_use]
    pub(super) fn begin(&mut self) -> bool {
        if self.under_way(self.arrived) >= self.max {
            self.arrived = self.arrivals.0.load(Ordering::Acquire);
        }
        let has_room = self.under_way(self.arrived) < self.max;
        self.sent = self.sent.wrapping_add(usize::from(has_room));
        has_room
    }

    /// Events on their way.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.under_way(self.arrivals.0.load(Ordering::Acquire))
    }

    /// What was sent to a socket before it came anew under its id may arrive here too: then there is less than nothing.
    fn under_way(&self, arrived: usize) -> usize {
        let difference = self.sent.wrapping_sub(arrived).cast_signed();
        usize::try_from(difference).unwrap_or(0)
    }

    /// What counts the arrivals.
    #[must_use]
    pub(super) fn arrivals(&self) -> Arrivals {
        self.arrivals.clone()
    }
}

impl Arrivals {
    /// So many events that were sent.
    #[must_use]
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
