//! The reads that wait: bounded, and for each identity so that it keeps nobody else from reading.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::engine::error::DbError;
use crate::db::store::lane::Lane;

use super::queue::share;

/// What one lane has under way.
#[derive(Debug)]
struct Readers {
    places: usize,
    turns: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Waiting {
    lanes: HashMap<Lane, Readers>,
    places: usize,
}

/// Places for reads. One identity may have a sixteenth of them, and half of the threads: a list may be long, and those of one
/// would otherwise be before everybody else's. Whoever has none can take one, also where all are taken: as many as all are
/// kept for that.
#[derive(Debug)]
pub(in crate::db) struct ReadQueue {
    waiting: Mutex<Waiting>,
    max: usize,
    at_once: usize,
}

impl ReadQueue {
    /// For so many reads, done by so many threads.
    pub(in crate::db) fn new(max: usize, threads: NonZeroUsize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            max,
            at_once: threads.get().div_ceil(2),
        })
    }

    /// Takes a place for a read in a lane, until it is dropped. One of the server itself counts among all only.
    ///
    /// # Errors
    /// [`DbError::Overloaded`].
    pub(in crate::db) fn take(self: &Arc<Self>, lane: Lane) -> Result<ReadPlace, DbError> {
        let mut waiting = self.lock();
        let own = waiting.lanes.get(&lane).map_or(0, |lane| lane.places);
        let max = if own == 0 && lane != Lane::Server {
            self.max.saturating_mul(2)
        } else {
            self.max
        };
        if waiting.places >= max {
            return Err(DbError::Overloaded);
        }
        let turns = match lane {
            Lane::Server => None,
            Lane::Strangers | Lane::Of(_) => {
                if own >= share(lane, self.max) {
                    return Err(DbError::Overloaded);
                }
                let readers = waiting.lanes.entry(lane).or_insert_with(|| Readers {
                    places: 0,
                    turns: Arc::new(Semaphore::new(self.at_once)),
                });
                readers.places += 1;
                Some(Arc::clone(&readers.turns))
            }
        };
        waiting.places += 1;
        Ok(ReadPlace {
            queue: Arc::clone(self),
            lane,
            turns,
        })
    }

    /// Places that are taken.
    pub(in crate::db) fn len(&self) -> usize {
        self.lock().places
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken; given back when dropped.
#[derive(Debug)]
pub(in crate::db) struct ReadPlace {
    queue: Arc<ReadQueue>,
    lane: Lane,
    turns: Option<Arc<Semaphore>>,
}

impl ReadPlace {
    /// Waits until fewer reads of this identity are being done than may be at once.
    pub(in crate::db) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(self.turns.as_ref()?).acquire_owned().await.ok()
    }
}

impl Drop for ReadPlace {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.places -= 1;
        if let Some(readers) = waiting.lanes.get_mut(&self.lane) {
            readers.places -= 1;
            if readers.places == 0 {
                waiting.lanes.remove(&self.lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    fn queue(max: usize, threads: usize) -> Arc<ReadQueue> {
        ReadQueue::new(max, NonZeroUsize::new(threads).unwrap())
    }

    fn lane() -> Lane {
        Lane::Of(Identity::random().identity_key())
    }

    #[test]
    fn one_has_a_sixteenth_of_the_places_and_gives_them_back() {
        let queue = queue(48, 2);
        let flood = lane();
        let mut taken: Vec<ReadPlace> = (0..9).map_while(|_| queue.take(flood).ok()).collect();
        assert_eq!(taken.len(), 3);
        taken.extend((0..45).map(|_| queue.take(Lane::Server).unwrap()));
        for lane in [flood, Lane::Server] {
            assert_eq!(queue.take(lane).err(), Some(DbError::Overloaded));
        }
        // Whoever has none gets one.
        let mut late: Vec<ReadPlace> = (0..48).map(|_| queue.take(lane()).unwrap()).collect();
        assert_eq!(queue.take(lane()).err(), Some(DbError::Overloaded));
        late.clear();
        taken.truncate(2);
        assert!(queue.take(flood).is_ok());
        taken.clear();
        assert!(queue.lock().lanes.is_empty() && queue.lock().places == 0);
    }

    #[test]
    fn one_has_half_of_the_threads() {
        for (threads, expected) in [(1, 1), (2, 1), (3, 2), (8, 4)] {
            let queue = queue(100, threads);
            let place = queue.take(lane()).unwrap();
            assert_eq!(place.turns.as_ref().unwrap().available_permits(), expected);
        }
    }
}
