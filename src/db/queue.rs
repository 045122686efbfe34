//! The writes that wait: bounded, in order, and drained into groups.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::IdentityKey;

use super::error::DbError;
use super::message::{NewMessage, StoreOutcome};

pub(super) type StoreReply = Box<dyn FnOnce(Result<StoreOutcome, DbError>) + Send>;
pub(super) type CountReply = Box<dyn FnOnce(Result<usize, DbError>) + Send>;

/// Something to write, and whom to tell.
pub(super) enum Write {
    Store(NewMessage, StoreReply),
    Acknowledge(IdentityKey, Vec<String>, CountReply),
    /// Makes the writer panic.
    #[cfg(test)]
    Panic(CountReply),
}

impl Write {
    /// Answers with a failure.
    pub(super) fn fail(self, error: DbError) {
        match self {
            Self::Store(_, reply) => reply(Err(error)),
            Self::Acknowledge(_, _, reply) => reply(Err(error)),
            #[cfg(test)]
            Self::Panic(reply) => reply(Err(error)),
        }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store(..) => "Store",
            Self::Acknowledge(..) => "Acknowledge",
            #[cfg(test)]
            Self::Panic(..) => "Panic",
        })
    }
}

#[derive(Debug, Default)]
struct Waiting {
    writes: VecDeque<Write>,
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

    /// Adds a write; one that may not wait is answered with the reason, and `false` is returned.
    pub(super) fn push(&self, write: Write) -> bool {
        let refusal = {
            let mut waiting = self.lock();
            if waiting.closed {
                DbError::Closed
            } else if waiting.writes.len() + self.announced.load(Ordering::Acquire) >= self.max {
                DbError::Overloaded
            } else {
                waiting.writes.push_back(write);
                return true;
            }
        };
        // Outside the lock: the answer is somebody else's code.
        write.fail(refusal);
        false
    }

    /// Takes what waits, up to `max`.
    pub(super) fn take(&self, max: usize) -> Vec<Write> {
        let mut waiting = self.lock();
        let count = waiting.writes.len().min(max);
        waiting.writes.drain(..count).collect()
    }

    /// Writes that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().writes.len()
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
