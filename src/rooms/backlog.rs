//! How many events a member has been sent and has not handled yet.
//!
//! A mailbox is no bound: `do_send` ignores its capacity. So every event carries a guard that counts it until
//! it is handled, or dropped with the mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The events that are on their way to one member.
#[derive(Debug)]
pub struct Backlog {
    pending: Arc<AtomicUsize>,
    max: usize,
}

/// One event on its way; dropping it means that it has arrived.
#[derive(Debug)]
pub struct BacklogGuard(Arc<AtomicUsize>);

impl Backlog {
    /// Allows for `max` events on their way.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            pending: Arc::default(),
            max,
        }
    }

    /// Counts one more event, unless the member lags.
    #[must_use]
    pub fn begin(&self) -> Option<BacklogGuard> {
        if self.pending.load(Ordering::Acquire) >= self.max {
            return None;
        }
        self.pending.fetch_add(1, Ordering::AcqRel);
        Some(BacklogGuard(Arc::clone(&self.pending)))
    }
}

impl Drop for BacklogGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_lags_until_events_arrive() {
        let backlog = Backlog::new(2);
        let (first, second) = (backlog.begin().unwrap(), backlog.begin().unwrap());
        assert!(backlog.begin().is_none());
        drop(first);
        assert!(backlog.begin().is_some());
        drop(second);
        assert_eq!(backlog.pending.load(Ordering::Acquire), 0);
    }
}
