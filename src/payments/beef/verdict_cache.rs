//! Caches verdicts on transactions by the hash of their bytes, so that the same bytes are checked only once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::auth::sha256;

use crate::payments::error::PaymentError;

/// Maximum cached verdicts; the oldest is evicted first.
const MAX_VERDICTS: usize = 4_096;

/// The hash of a BEEF's bytes, with its ancestors and proofs.
pub(in crate::payments) type BeefHash = [u8; 32];

/// A cache of verdicts. A verdict depends on the bytes alone.
#[derive(Debug, Default)]
pub struct VerdictCache(Mutex<Verdicts>);

#[derive(Debug, Default)]
struct Verdicts {
    by_hash: HashMap<BeefHash, Result<(), PaymentError>>,
    order: VecDeque<BeefHash>,
}

pub(in crate::payments) fn hash(beef: &[u8]) -> BeefHash {
    sha256(beef)
}

impl VerdictCache {
    /// The cached verdict on these bytes.
    pub(in crate::payments) fn get(&self, hash: &BeefHash) -> Option<Result<(), PaymentError>> {
        self.lock().by_hash.get(hash).cloned()
    }

    /// Caches a verdict and returns it.
    pub(in crate::payments) fn note<T>(
        &self,
        hash: BeefHash,
        verdict: Result<T, PaymentError>,
    ) -> Result<T, PaymentError> {
        let known = match &verdict {
            Ok(_) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        let mut verdicts = self.lock();
        if verdicts.by_hash.insert(hash, known).is_none() {
            verdicts.order.push_back(hash);
        }
        if verdicts.order.len() > MAX_VERDICTS
            && let Some(oldest) = verdicts.order.pop_front()
        {
            verdicts.by_hash.remove(&oldest);
        }
        drop(verdicts);
        verdict
    }

    fn lock(&self) -> MutexGuard<'_, Verdicts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_remembered_and_the_oldest_goes() {
        let cache = VerdictCache::default();
        let key = |number: usize| hash(&number.to_le_bytes());
        let refused = || Err::<(), _>(PaymentError::Invalid("x".to_owned()));
        for number in 0..=MAX_VERDICTS {
            assert_eq!(cache.note(key(number), refused()), refused());
        }
        assert_eq!(cache.get(&key(0)), None);
        assert_eq!(cache.get(&key(1)), Some(refused()));
        assert_eq!(cache.note(key(1), Ok(7)), Ok(7));
        assert_eq!(cache.get(&key(1)), Some(Ok(())));
        let verdicts = cache.lock();
        assert_eq!(
            (verdicts.by_hash.len(), verdicts.order.len()),
            (MAX_VERDICTS, MAX_VERDICTS)
        );
    }
}
