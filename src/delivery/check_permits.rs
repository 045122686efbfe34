//! Permits for checking payments: few checks run at a time, and one for each identity. Others wait. A costly check takes
//! turns with the others, slice by slice.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::IdentityKey;
use crate::limits::{AddressKey, KeyedBudget, Owner, Permit};

/// Largest number of checks that run or wait. One identity or address may have a sixteenth. As many permits again are
/// reserved for those that have none.
const MAX_WAITING: usize = 512;

/// The turn of one identity: its checks run one after the other.
#[derive(Debug)]
struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Bounds the checks of payments. Each keeps a thread busy for up to a second, and holds memory.
#[derive(Debug, Clone)]
pub(super) struct CheckQueue {
    /// Permits for one slice each: one fewer than cores, so that a core stays free for requests.
    running: Arc<Semaphore>,
    /// Permits for costly checks. Each keeps its parsed data while others have their turn.
    costly: Arc<Semaphore>,
    waiting: KeyedBudget<Owner, Turn>,
}

/// The permit of a running check. Dropping it ends the check.
#[derive(Debug)]
pub(super) struct CheckPermit {
    running: RefCell<Option<OwnedSemaphorePermit>>,
    costly: Option<OwnedSemaphorePermit>,
    queue: CheckQueue,
    _turn: OwnedSemaphorePermit,
    _permit: Permit<Owner, Turn>,
}

impl CheckPermit {
    /// Whether this check may have any cost.
    pub(super) const fn is_costly(&self) -> bool {
        self.costly.is_some()
    }

    /// Waits for one of the few permits of costly checks.
    pub(super) async fn for_costly(mut self) -> Option<Self> {
        let queue = self.queue.clone();
        // A waiting check must not occupy a permit to run.
        self.running.replace(None);
        self.costly = Some(queue.costly.acquire_owned().await.ok()?);
        self.running
            .replace(Some(queue.running.acquire_owned().await.ok()?));
        Some(self)
    }

    /// Lets all waiting checks have their turn. Blocks the thread.
    pub(super) fn pause(&self) {
        let running = Arc::clone(&self.queue.running);
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

    /// Waits for a permit; `None` if too many checks wait already.
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
            queue: self.clone(),
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
        let queue = CheckQueue::with_turns(1);
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let address = |last| Some(AddressKey::of([192, 0, 2, last].into()));
        // A waiting check counts from its first poll.
        let enter = |payer, address| {
            let mut entering = Box::pin(queue.enter(payer, address));
            let entered = entering.as_mut().now_or_never();
            (!matches!(entered, Some(None))).then_some((entering, entered))
        };
        let own: Vec<_> = (0..100).map_while(|_| enter(greedy, address(1))).collect();
        assert_eq!(own.len(), MAX_WAITING / 16);
        assert!(enter(greedy, address(2)).is_none());
        // Other identities at the same address have one check each. Those elsewhere have their own share.
        let neighbour = payer();
        let late = enter(neighbour, address(1));
        assert!(late.is_some() && enter(neighbour, address(1)).is_none());
        assert!(enter(payer(), address(2)).is_some());
        drop((own, late));
        assert_eq!((queue.waiting.held(), queue.waiting.owners()), (0, 0));
    }

    #[test]
    fn each_identity_has_one_check_at_a_time() {
        let queue = CheckQueue::with_turns(2);
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let first = queue.enter(greedy, None).now_or_never().unwrap();
        assert!(queue.enter(greedy, None).now_or_never().is_none());
        let other = queue.enter(payer(), None).now_or_never().unwrap();
        assert!(other.is_some() && queue.enter(payer(), None).now_or_never().is_none());
        drop((first, other));
        assert!(queue.enter(greedy, None).now_or_never().unwrap().is_some());
    }

    #[test]
    fn a_core_stays_free() {
        let cores = std::thread::available_parallelism().unwrap().get();
        let queue = CheckQueue::new();
        let turns = queue.running.available_permits();
        assert!(turns < cores.max(2), "{turns} of {cores}");
    }

    #[tokio::test]
    async fn what_costs_much_lets_others_have_their_turn() {
        let queue = CheckQueue::with_turns(1);
        let payer = || Identity::random().identity_key();
        let costly = queue.enter(payer(), None).await.unwrap();
        let costly = costly.for_costly().await.unwrap();
        assert!(costly.is_costly());
        let mut other = Box::pin(queue.enter(payer(), None));
        assert!(other.as_mut().now_or_never().is_none());
        let paused = tokio::task::spawn_blocking(move || {
            costly.pause();
            costly
        });
        let other = other.await.unwrap();
        assert!(!other.is_costly());
        drop(other);
        let costly = paused.await.unwrap();
        let second = queue.enter(payer(), None);
        assert!(second.now_or_never().is_none());
        drop(costly);
        let second = queue.enter(payer(), None).await.unwrap();
        assert!(second.for_costly().await.is_some());
    }
}
