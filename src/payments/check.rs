//! How far a payment may be checked: what that may cost, and what is known from before.

use thiserror::Error;

use super::error::PaymentError;
use super::verdict_cache::VerdictCache;

/// Why a payment was not found to pay.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// It does not pay.
    #[error(transparent)]
    Refused(#[from] PaymentError),
    /// Checking it costs more than was allowed. Nothing slow was done.
    #[error("checking the payment costs more than is allowed")]
    Costly,
}

/// How payments are checked.
#[derive(Clone, Copy)]
pub struct Checks<'a> {
    /// What came of the same bytes before.
    pub cache: &'a VerdictCache,
    /// What checking one may cost.
    pub max_cost: u64,
    /// Called now and then while it costs much, so that others have their turn.
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
    pub(super) const fn affords(&self, cost: u64) -> Result<(), CheckError> {
        if cost <= self.max_cost {
            Ok(())
        } else {
            Err(CheckError::Costly)
        }
    }
}
