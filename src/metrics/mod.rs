//! Counting: what each layer counts of itself, with relaxed atomics that nobody waits for.
//!
//! Nothing here is counted for a delivery: what many cores would add to together is summed up from what each socket says
//! of itself ([`crate::socket::SocketRecord`]), or counted once an event by the actor that has it anyway.

mod codes;
mod histogram;

pub use codes::{CodeCounts, KeyedCounts};
pub use histogram::{Distribution, Histogram};

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// HTTP requests.
#[derive(Debug, Default)]
pub struct RequestCounts {
    /// Requests that were answered, by route and class of status, such as `2xx`.
    pub answered: KeyedCounts<(&'static str, &'static str)>,
    /// Failures by code.
    pub failures: CodeCounts,
    /// Connections that ended by an error of their client, by kind.
    pub connection_errors: CodeCounts,
    /// From a request to its answer in microseconds, those of sockets left out.
    pub time: Histogram,
    /// Requests whose nonce had been used before.
    pub replayed: Counter,
    /// How late a worker comes to what waits for it, in microseconds.
    pub worker_delay: Histogram,
    /// How much of that the worker itself was busy, in microseconds.
    pub worker_busy: Histogram,
    /// Messages that a list named instead of showing, because they are larger than a page. Each list counts them anew.
    pub oversized: Counter,
}
