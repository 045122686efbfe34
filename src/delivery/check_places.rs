//! Places for checking payments: few run at a time, others wait, and each identity has one check at a time.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::IdentityKey;

/// Checks that run or wait.
const MAX_WAITING: usize = 512;
/// Those of one identity.
const MAX_OF_ONE: usize = 64;

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
    running: Arc<Semaphore>,
    waiting: Arc<Mutex<Waiting>>,
}

/// A check that may run; the place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct CheckPlace {
    _running: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
    _ticket: Ticket,
}

#[derive(Debug)]
struct Ticket {
    places: CheckPlaces,
    payer: IdentityKey,
    turn: Arc<Semaphore>,
}

impl CheckPlaces {
    /// As many at a time as there are cores.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            waiting: Arc::default(),
        }
    }

    /// Waits for a place; none where too many wait already.
    pub(super) async fn enter(&self, payer: IdentityKey) -> Option<CheckPlace> {
        let ticket = self.ticket(payer)?;
        let turn = Arc::clone(&ticket.turn).acquire_owned().await.ok()?;
        let running = Arc::clone(&self.running).acquire_owned().await.ok()?;
        Some(CheckPlace {
            _running: running,
            _turn: turn,
            _ticket: ticket,
        })
    }

    fn ticket(&self, payer: IdentityKey) -> Option<Ticket> {
        let mut waiting = self.lock();
        if waiting.all >= MAX_WAITING {
            return None;
        }
        let line = waiting.by_payer.entry(payer).or_insert_with(|| Line {
            turn: Arc::new(Semaphore::new(1)),
            length: 0,
        });
        if line.length >= MAX_OF_ONE {
            return None;
        }
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
        let others: Vec<Ticket> = (0..600).filter_map(|_| places.ticket(payer())).collect();
        assert_eq!(others.len(), MAX_WAITING - MAX_OF_ONE);
        drop((own, others));
        assert!(places.ticket(greedy).is_some());
        let waiting = places.lock();
        assert_eq!((waiting.all, waiting.by_payer.len()), (0, 0));
    }

    #[test]
    fn each_identity_has_one_check_at_a_time() {
        let places = CheckPlaces {
            running: Arc::new(Semaphore::new(2)),
            ..CheckPlaces::new()
        };
        let payer = || Identity::random().identity_key();
        let greedy = payer();
        let first = places.enter(greedy).now_or_never().unwrap();
        assert!(places.enter(greedy).now_or_never().is_none());
        let other = places.enter(payer()).now_or_never().unwrap();
        assert!(other.is_some() && places.enter(payer()).now_or_never().is_none());
        drop((first, other));
        assert!(places.enter(greedy).now_or_never().unwrap().is_some());
    }
}
