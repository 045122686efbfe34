//! Caches verdicts on transactions by the hash of their bytes, so that the same bytes are checked only once.

use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};

use crate::auth::sha256;
use crate::payments::error::PaymentError;

/// Maximum cached verdicts; the oldest is evicted first.
const MAX_VERDICTS: usize = 4_096;

/// The hash of a BEEF's bytes, with its ancestors and proofs.
pub(in crate::payments) type BeefHash = [u8; 32];

type Verdict = Result<(), PaymentError>;

/// A cache of verdicts. A verdict depends on the bytes alone.
#[derive(Debug)]
pub struct VerdictCache(Mutex<LruCache<BeefHash, Verdict>>);

impl Default for VerdictCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

pub(in crate::payments) fn hash(beef: &[u8]) -> BeefHash {
    sha256(beef)
}

impl VerdictCache {
    /// The cached verdict on these bytes.
    pub(in crate::payments) fn get(&self, hash: &BeefHash) -> Option<Verdict> {
        self.lock().peek(hash).cloned()
    }

    /// Caches a verdict and returns it.
    pub(in crate::payments) fn note<T>(
        &self,
        hash: BeefHash,
        verdict: Result<T, PaymentError>,
    ) -> Result<T, PaymentError> {
        let known = verdict.as_ref().map(drop).map_err(Clone::clone);
        let mut verdicts = self.lock();
        verdicts.put(hash, known);
        if verdicts.len() > MAX_VERDICTS {
            verdicts.pop_lru();
        }
        drop(verdicts);
        verdict
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<BeefHash, Verdict>> {
        self.0.lock()
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
        assert_eq!(cache.lock().len(), MAX_VERDICTS);
    }
}
