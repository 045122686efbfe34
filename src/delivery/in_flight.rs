//! Payments in use by requests of this process.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::Outpoint;

/// The outputs in use, one for each paid request; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlightPayments(Arc<Mutex<HashSet<Outpoint>>>);

/// The use of an output by one request. Dropping it ends the use.
#[derive(Debug)]
pub(super) struct InFlight {
    outpoint: Outpoint,
    payments: InFlightPayments,
}

impl InFlightPayments {
    /// Marks an output as in use; `None` if it already is.
    pub(super) fn enter(&self, outpoint: &Outpoint) -> Option<InFlight> {
        let mut outpoints = self.0.lock();
        outpoints.insert(outpoint.clone()).then(|| InFlight {
            outpoint: outpoint.clone(),
            payments: self.clone(),
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let outpoints = &self.payments.0;
        let mut outpoints = outpoints.lock();
        outpoints.remove(&self.outpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_has_one_user_at_a_time() {
        let payments = InFlightPayments::default();
        let outpoint = |index| Outpoint {
            txid: "aa".repeat(32),
            index,
        };
        let first = payments.enter(&outpoint(0));
        assert!(first.is_some());
        assert!(payments.enter(&outpoint(0)).is_none());
        assert!(payments.enter(&outpoint(1)).is_some());
        drop(first);
        assert!(payments.enter(&outpoint(0)).is_some());
    }
}
