//! Places for checking payments: few run at a time, others wait, and each identity has one check at a time. A check that costs
//! much takes turns with the others, slice by slice.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::IdentityKey;

/// Checks that run or wait.
const MAX_WAITING: usize = 512;
/// Those of one identity.
const MAX_OF_ONE: usize = MAX_WAITING / 16;

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by_payer: HashMap<IdentityKey, Line>,
}

/// The checks of one identity, one behind the other.
#[derive(Debug)]
struct Line {
    turn: Arc<Semaphore>,
    length: usize,
}

/// Bounds what checking payments takes: each keeps a thread busy for up to a second, and some memory.
#[derive(Debug, Clone)]
pub(super) struct CheckPlaces {
    /// Turns, for one slice each: one fewer than there are cores, so that a core stays free for requests.
    running: Arc<Semaphore>,
    /// Checks that cost much, each of which keeps what it has read while others have their turn.
    costly: Arc<Semaphore>,
    waiting: Arc<Mutex<Waiting>>,
}

/// A check that may run; the place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct CheckPlace {
    running: RefCell<Option<OwnedSemaphorePermit>>,
    costly: Option<OwnedSemaphorePermit>,
    _turn: OwnedSemaphorePermit,
    ticket: Ticket,
}

#[derive(Debug)]
struct Ticket {
    places: CheckPlaces,
    payer: IdentityKey,
    turn: Arc<Semaphore>,
}

impl CheckPlace {
    /// Whether this check may cost as much as it likes.
    pub(super) const fn is_costly(&self) -> bool {
        self.costly.is_some()
    }

    /// Waits for one of the few places of checks that cost much.
    pub(super) async fn for_costly(mut self) -> Option<Self> {
        let places = self.ticket.places.clone();
        // Who waits there keeps nobody from running here.
        self.running.replace(None);
        self.costly = Some(places.costly.acquire_owned().await.ok()?);
        self.running
            .replace(Some(places.running.acquire_owned().await.ok()?));
        Some(self)
    }

    /// Lets every check that waits have its turn. For threads that may be kept waiting.
    pub(super) fn pause(&self) {
        let running = Arc::clone(&self.ticket.places.running);
        self.running.replace(None);
        let again = Handle::current().block_on(running.acquire_owned());
        self.running.replace(again.ok());
    }
}

impl CheckPlaces {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_turns(cores.saturating_sub(1).max(1))
    }

    fn with_turns(turns: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(turns)),
            costly: Arc::new(Semaphore::new(turns)),
            waiting: Arc::default(),
        }
    }

    /// Waits for a place; none where too many wait already.
    pub(super) async fn enter(&self, payer: IdentityKey) -> Option<CheckPlace> {
        let ticket = self.ticket(payer)?;
        let turn = Arc::clone(&ticket.turn).acquire_owned().await.ok()?;
        let running = Arc::clone(&self.running).acquire_owned().await.ok()?;
        Some(CheckPlace {
            running: RefCell::new(Some(running)),
            costly: None,
            _turn: turn,
            ticket,
        })
    }

    fn ticket(&self, payer: IdentityKey) -> Option<Ticket> {
        let mut waiting = self.lock();
        let own = waiting.by_payer.get(&payer).map_or(0, |line| line.length);
        // Whoever has none can have one, also where many wait.
        let max = if own == 0 {
            2 * MAX_WAITING
        } else {
            MAX_WAITING
        };
        if waiting.all >= max || own >= MAX_OF_ONE {
            return None;
        }
        let line = waiting.by_payer.entry(payer).or_insert_with(|| Line {
            turn: Arc::new(Semaphore::new(1)),
            length: 0,
        });
        line.length += 1;
        let turn = Arc::clone(&line.turn);
        waiting.all += 1;
        Some(Ticket {
            places: self.clone(),
            payer,
            turn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.places.lock();
        waiting.all -= 1;
        if let Some(line) = waiting.by_payer.get_mut(&self.payer) {
            line.length -= 1;
            if line.length == 0 {
                waiting.by_payer.remove(&self.payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use futures_util::FutureExt as _;

    #[test]
    fn no_identity_takes_more_than_its_share_and_places_come_back() {
        let places = CheckPlaces::new();
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let own: Vec<Ticket> = (0..100).filter_map(|_| places.ticket(greedy)).collect();
        assert_eq!(own.len(), MAX_OF_ONE);
        let keys: Vec<IdentityKey> = (0..15).map(|_| payer()).collect();
        let tickets = keys.iter().flat_map(|key| (0..100).map(move |_| *key));
        let crowd: Vec<Ticket> = tickets.filter_map(|key| places.ticket(key)).collect();
        assert_eq!(crowd.len(), MAX_WAITING - MAX_OF_ONE);
        // Nobody who waits gets more, and whoever comes gets one.
        let late = payer();
        let first = places.ticket(late);
        assert!(first.is_some() && places.ticket(late).is_none());
        assert!(places.ticket(keys[0]).is_none());
        let others: Vec<Ticket> = (0..600).filter_map(|_| places.ticket(payer())).collect();
        assert_eq!(others.len(), MAX_WAITING - 1);
        drop((own, crowd, first, others));
        assert!(places.ticket(greedy).is_some());
        let waiting = places.lock();
        assert_eq!((waiting.all, waiting.by_payer.len()), (0, 0));
    }

    #[test]
    fn each_identity_has_one_check_at_a_time() {
        let places = CheckPlaces::with_turns(2);
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let first = places.enter(greedy).now_or_never().unwrap();
        assert!(places.enter(greedy).now_or_never().is_none());
        let other = places.enter(payer()).now_or_never().unwrap();
        assert!(other.is_some() && places.enter(payer()).now_or_never().is_none());
        drop((first, other));
        assert!(places.enter(greedy).now_or_never().unwrap().is_some());
    }

    #[test]
    fn a_core_stays_free() {
        let cores = std::thread::available_parallelism().unwrap().get();
        let places = CheckPlaces::new();
        let turns = places.running.available_permits();
        assert!(turns < cores.max(2), "{turns} of {cores}");
    }

    #[tokio::test]
    async fn what_costs_much_lets_others_have_their_turn() {
        let places = CheckPlaces::with_turns(1);
        let payer = || Identity::random().identity_key();
        let costly = places.enter(payer()).await.unwrap();
        let costly = costly.for_costly().await.unwrap();
        assert!(costly.is_costly());
        let mut other = Box::pin(places.enter(payer()));
        assert!(other.as_mut().now_or_never().is_none());
        let paused = tokio::task::spawn_blocking(move || {
            costly.pause();
            costly
        });
        let other = other.await.unwrap();
        assert!(!other.is_costly());
        drop(other);
        let costly = paused.await.unwrap();
        let second = places.enter(payer());
        assert!(second.now_or_never().is_none());
        drop(costly);
        let second = places.enter(payer()).await.unwrap();
        assert!(second.for_costly().await.is_some());
    }
}
