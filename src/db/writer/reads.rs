//! The queue of reads. It is bounded, and limits each identity and each address.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::engine::error::DbError;
use crate::db::store::requester::Requester;
use crate::limits::{KeyedBudget, Owner, Permit};

/// Limits the threads that one owner may keep busy.
type ReadTurns = OnceLock<Arc<Semaphore>>;

/// Permits for reads. Each identity, and each address, may hold a sixteenth of them, and half of the threads.
/// Otherwise long lists of one requester would delay all others. A requester without a permit can always take one.
#[derive(Debug)]
pub(crate) struct ReadQueue {
    places: KeyedBudget<Owner, ReadTurns>,
    at_once: usize,
}

impl ReadQueue {
    /// For `max` queued reads and this number of threads.
    pub(crate) fn new(max: usize, threads: NonZeroUsize) -> Self {
        Self {
            places: KeyedBudget::of_shared_places(max, 1).named("reads"),
            at_once: threads.get().div_ceil(2),
        }
    }

    /// Takes a permit for a read. Reads of the server itself need no turn.
    ///
    /// # Errors
    /// [`DbError::Overloaded`].
    pub(crate) fn take(&self, requester: &Requester) -> Result<ReadPermit, DbError> {
        let mut permit = requester.hold(&self.places);
        permit.grow(1).map_err(|_| DbError::Overloaded)?;
        let turns = |shared: Arc<ReadTurns>| {
            let turns = shared.get_or_init(|| Arc::new(Semaphore::new(self.at_once)));
            Arc::clone(turns)
        };
        let turns = if requester.owner == Owner::Server {
            Vec::new()
        } else {
            permit.shared().map(turns).collect()
        };
        Ok(ReadPermit {
            turns,
            _permit: permit,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.places.held()
    }
}

/// A permit for a read.
#[derive(Debug)]
pub(crate) struct ReadPermit {
    /// The turns of its identity and of its address.
    turns: Vec<Arc<Semaphore>>,
    _permit: Permit<Owner, ReadTurns>,
}

impl ReadPermit {
    /// Waits for a turn of each of its owners.
    pub(crate) async fn turn(&self) -> Vec<OwnedSemaphorePermit> {
        let mut held = Vec::with_capacity(self.turns.len());
        for turns in &self.turns {
            // The semaphore is never closed.
            held.extend(Arc::clone(turns).acquire_owned().await);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::limits::AddressKey;

    const SERVER: Option<crate::ids::IdentityKey> = None;

    fn queue(max: usize, threads: usize) -> ReadQueue {
        ReadQueue::new(max, NonZeroUsize::new(threads).unwrap())
    }

    fn requester(address: Option<u8>) -> Requester {
        let address = address.map(|last| AddressKey::of([192, 0, 2, last].into()));
        Requester::of(Some(Identity::random().identity_key()), address)
    }

    #[test]
    fn one_has_a_sixteenth_of_the_places_and_gives_them_back() {
        let (queue, server) = (queue(48, 2), Requester::of(SERVER, None));
        let flood = requester(None);
        let mut taken: Vec<ReadPermit> = (0..9).map_while(|_| queue.take(&flood).ok()).collect();
        assert_eq!(taken.len(), 3);
        taken.extend((0..45).map(|_| queue.take(&server).unwrap()));
        assert_eq!(queue.take(&flood).err(), Some(DbError::Overloaded));
        assert!(queue.take(&server).is_ok());
        // A newcomer still gets one.
        let mut late: Vec<ReadPermit> = (0..48)
            .map(|_| queue.take(&requester(None)).unwrap())
            .collect();
        assert_eq!(
            queue.take(&requester(None)).err(),
            Some(DbError::Overloaded)
        );
        late.clear();
        taken.truncate(2);
        assert!(queue.take(&flood).is_ok());
        taken.clear();
        assert_eq!((queue.len(), queue.places.owners()), (0, 0));
    }

    #[test]
    fn identities_of_one_address_have_the_share_of_one() {
        let queue = queue(160, 2);
        let [flood, second, other] = [requester(Some(1)), requester(Some(1)), requester(Some(2))];
        let taken = |requester: &Requester| -> Vec<ReadPermit> {
            (0..99).map_while(|_| queue.take(requester).ok()).collect()
        };
        let held = [&flood, &second, &other].map(taken);
        // The second one gets a permit because it held none.
        assert_eq!(held.each_ref().map(Vec::len), [10, 1, 10]);
    }

    #[tokio::test]
    async fn one_identity_and_one_address_have_half_of_the_threads() {
        for (threads, expected) in [(1, 1), (2, 1), (3, 2), (8, 4)] {
            let queue = queue(1_000, threads);
            let flood = requester(None);
            for lanes in [vec![flood; 9], (0..9).map(|_| requester(Some(1))).collect()] {
                let places: Vec<ReadPermit> = lanes
                    .iter()
                    .map(|requester| queue.take(requester).unwrap())
                    .collect();
                let mut turns = Vec::new();
                for place in &places {
                    turns.extend(futures_util::FutureExt::now_or_never(place.turn()));
                }
                assert_eq!(turns.len(), expected, "{threads}");
            }
        }
    }
}
