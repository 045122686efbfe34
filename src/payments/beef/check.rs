//! Limits for checking a payment: its cost, and earlier verdicts.

use thiserror::Error;

use super::verdict_cache::VerdictCache;
use crate::payments::error::PaymentError;

/// Why a payment failed its check.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    #[error(transparent)]
    Refused(#[from] PaymentError),
    /// The check would exceed its cost limit. Nothing slow was done.
    #[error("checking the payment exceeds its cost limit")]
    Costly,
}

/// The limits and the cache of a check.
#[derive(Clone, Copy)]
pub struct Checks<'a> {
    /// Verdicts on the same bytes.
    pub cache: &'a VerdictCache,
    /// Maximum cost of checking one payment.
    pub max_cost: u64,
    /// Called regularly during an expensive check, so that other work can run.
    pub pause: &'a dyn Fn(),
}

impl std::fmt::Debug for Checks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks")
            .field("max_cost", &self.max_cost)
            .finish_non_exhaustive()
    }
}

impl Checks<'_> {
    pub(in crate::payments) const fn affords(&self, cost: u64) -> Result<(), CheckError> {
        if cost <= self.max_cost {
            Ok(())
        } else {
            Err(CheckError::Costly)
        }
    }
}
