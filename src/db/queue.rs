//! The writes that wait: bounded, in order, and drained into groups.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::command::Write;
use super::error::DbError;

#[derive(Debug, Default)]
struct Waiting {
    writes: VecDeque<Box<dyn Write>>,
    /// Places that they take.
    places: usize,
    closed: bool,
}

/// The writes that wait for the writer.
#[derive(Debug)]
pub(super) struct WriteQueue {
    waiting: Mutex<Waiting>,
    /// Messages that are stored and not yet delivered.
    announced: Arc<AtomicUsize>,
    max: usize,
}

impl WriteQueue {
    pub(super) fn new(max: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting::default()),
            announced: Arc::default(),
            max,
        }
    }

    /// Adds a write; one that may not wait is answered with the reason, and `false` is returned. One that is larger than
    /// what is left is taken all the same, or it might never be: the bound may be passed by one write.
    pub(super) fn push(&self, write: Box<dyn Write>) -> bool {
        let refusal = {
            let mut waiting = self.lock();
            let taken = waiting.places + self.announced.load(Ordering::Acquire);
            if waiting.closed {
                DbError::Closed
            } else if taken >= self.max {
                DbError::Overloaded
            } else {
                waiting.places += write.places();
                waiting.writes.push_back(write);
                return true;
            }
        };
        // Outside the lock: the answer is somebody else's code.
        write.fail(refusal);
        false
    }

    /// Takes what waits, up to `max` places but at least one write.
    pub(super) fn take(&self, max: usize) -> Vec<Box<dyn Write>> {
        let mut waiting = self.lock();
        let mut places = 0;
        let mut taken = Vec::new();
        while let Some(next) = waiting.writes.front() {
            let more = next.places();
            if !taken.is_empty() && places + more > max {
                break;
            }
            places += more;
            taken.extend(waiting.writes.pop_front());
        }
        waiting.places -= places;
        taken
    }

    /// Places that are taken by writes that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().places
    }

    /// What counts the messages that are stored and not yet delivered.
    pub(super) const fn announced(&self) -> &Arc<AtomicUsize> {
        &self.announced
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
