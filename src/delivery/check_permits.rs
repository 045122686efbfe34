//! Places for checking payments: few run at a time, others wait, and each identity has one check at a time. A check that costs
//! much takes turns with the others, slice by slice.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::IdentityKey;
use crate::limits::{AddressKey, KeyedBudget, Owner, Permit};

/// Checks that run or wait, a sixteenth of them of one identity or one address. As many more are kept for whoever has none.
const MAX_WAITING: usize = 512;

/// The turn of one identity: its checks run one behind the other.
#[derive(Debug)]
struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Bounds what checking payments takes: each keeps a thread busy for up to a second, and some memory.
#[derive(Debug, Clone)]
pub(super) struct CheckQueue {
    /// Turns, for one slice each: one fewer than there are cores, so that a core stays free for requests.
    running: Arc<Semaphore>,
    /// Checks that cost much, each of which keeps what it has read while others have their turn.
    costly: Arc<Semaphore>,
    waiting: KeyedBudget<Owner, Turn>,
}

/// A check that may run; the place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct CheckPermit {
    running: RefCell<Option<OwnedSemaphorePermit>>,
    costly: Option<OwnedSemaphorePermit>,
    places: CheckQueue,
    _turn: OwnedSemaphorePermit,
    _permit: Permit<Owner, Turn>,
}

impl CheckPermit {
    /// Whether this check may cost as much as it likes.
    pub(super) const fn is_costly(&self) -> bool {
        self.costly.is_some()
    }

    /// Waits for one of the few places of checks that cost much.
    pub(super) async fn for_costly(mut self) -> Option<Self> {
        let places = self.places.clone();
        // Who waits there keeps nobody from running here.
        self.running.replace(None);
        self.costly = Some(places.costly.acquire_owned().await.ok()?);
        self.running
            .replace(Some(places.running.acquire_owned().await.ok()?));
        Some(self)
    }

    /// Lets every check that waits have its turn. For threads that may be kept waiting.
    pub(super) fn pause(&self) {
        let running = Arc::clone(&self.places.running);
        self.running.replace(None);
        let again = Handle::current().block_on(running.acquire_owned());
        self.running.replace(again.ok());
    }
}

impl CheckQueue {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_turns(cores.saturating_sub(1).max(1))
    }

    fn with_turns(turns: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(turns)),
            costly: Arc::new(Semaphore::new(turns)),
            waiting: KeyedBudget::of_shared_places(MAX_WAITING, 1).named("payment_checks"),
        }
    }

    /// Waits for a place; none where too many wait already.
    pub(super) async fn enter(
        &self,
        payer: IdentityKey,
        address: Option<AddressKey>,
    ) -> Option<CheckPermit> {
        let mut permit = self.waiting.hold_for(Owner::both(payer, address));
        permit.grow(1).ok()?;
        let turn = Arc::clone(&permit.shared().next()?.0);
        let turn = turn.acquire_owned().await.ok()?;
        let running = Arc::clone(&self.running).acquire_owned().await.ok()?;
        Some(CheckPermit {
            running: RefCell::new(Some(running)),
            costly: None,
            places: self.clone(),
            _turn: turn,
            _permit: permit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use futures_util::FutureExt as _;

    #[test]
    fn no_identity_and_no_address_takes_more_than_its_share() {
        let places = CheckQueue::with_turns(1);
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let address = |last| Some(AddressKey::of([192, 0, 2, last].into()));
        // Whoever waits holds a place from its first poll on.
        let enter = |payer, address| {
            let mut entering = Box::pin(places.enter(payer, address));
            let entered = entering.as_mut().now_or_never();
            (!matches!(entered, Some(None))).then_some((entering, entered))
        };
        let own: Vec<_> = (0..100).map_while(|_| enter(greedy, address(1))).collect();
        assert_eq!(own.len(), MAX_WAITING / 16);
        assert!(enter(greedy, address(2)).is_none());
        // Others at the same address have one each, and those elsewhere have their own share.
        let neighbour = payer();
        let late = enter(neighbour, address(1));
        assert!(late.is_some() && enter(neighbour, address(1)).is_none());
        assert!(enter(payer(), address(2)).is_some());
        drop((own, late));
        assert_eq!((places.waiting.held(), places.waiting.owners()), (0, 0));
    }

    #[test]
    fn each_identity_has_one_check_at_a_time() {
        let places = CheckQueue::with_turns(2);
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let first = places.enter(greedy, None).now_or_never().unwrap();
        assert!(places.enter(greedy, None).now_or_never().is_none());
        let other = places.enter(payer(), None).now_or_never().unwrap();
        assert!(other.is_some() && places.enter(payer(), None).now_or_never().is_none());
        drop((first, other));
        assert!(places.enter(greedy, None).now_or_never().unwrap().is_some());
    }

    #[test]
    fn a_core_stays_free() {
        let cores = std::thread::available_parallelism().unwrap().get();
        let places = CheckQueue::new();
        let turns = places.running.available_permits();
        assert!(turns < cores.max(2), "{turns} of {cores}");
    }

    #[tokio::test]
    async fn what_costs_much_lets_others_have_their_turn() {
        let places = CheckQueue::with_turns(1);
        let payer = || Identity::random().identity_key();
        let costly = places.enter(payer(), None).await.unwrap();
        let costly = costly.for_costly().await.unwrap();
        assert!(costly.is_costly());
        let mut other = Box::pin(places.enter(payer(), None));
        assert!(other.as_mut().now_or_never().is_none());
        let paused = tokio::task::spawn_blocking(move || {
            costly.pause();
            costly
        });
        let other = other.await.unwrap();
        assert!(!other.is_costly());
        drop(other);
        let costly = paused.await.unwrap();
        let second = places.enter(payer(), None);
        assert!(second.now_or_never().is_none());
        drop(costly);
        let second = places.enter(payer(), None).await.unwrap();
        assert!(second.for_costly().await.is_some());
    }
}
