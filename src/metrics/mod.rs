//! Counters and histograms that each layer keeps of itself, with relaxed atomics that nobody waits for.
//!
//! A clone of a counter is its value at that moment, and it is serialised as that value. So the struct in which a layer
//! counts is also what the status shows and what the metrics are read from.
//!
//! No counter is touched for a delivery: many cores would contend for it. Such figures are sums over the sockets'
//! own records ([`crate::socket::SocketRecord`]), or counts of the actor that handles the event anyway.
#![expect(missing_docs, reason = "names that say it all have no comment")]

mod codes;
mod histogram;
mod requests;

pub use codes::{CodeCounts, KeyedCounts, nested};
pub use histogram::{Distribution, Histogram};
pub use requests::RequestCounts;

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// A count, or a gauge that goes up and down.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add_one(&self) {
        self.add(1);
    }

    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Deref for Counter {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        &self.0
    }
}

impl Clone for Counter {
    fn clone(&self) -> Self {
        Self(self.get().into())
    }
}

impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl PartialSchema for Counter {
    fn schema() -> RefOr<Schema> {
        u64::schema()
    }
}

impl ToSchema for Counter {}
