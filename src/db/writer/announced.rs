//! The messages that are stored and not yet delivered, counted by who sent them: a mailbox is no bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::IdentityKey;

use super::committed::Committed;

#[derive(Debug, Default)]
struct Counts {
    by_sender: HashMap<IdentityKey, usize>,
    all: usize,
}

/// The counts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::db) struct Announced(Arc<Mutex<Counts>>);

impl Announced {
    /// Counts these messages until what is returned is dropped.
    pub(in crate::db) fn add(&self, messages: &[Committed]) -> Undelivered {
        let senders: Vec<IdentityKey> = messages
            .iter()
            .map(|stored| stored.message.sender)
            .collect();
        let mut counts = self.lock();
        counts.all += senders.len();
        for sender in &senders {
            *counts.by_sender.entry(*sender).or_default() += 1;
        }
        drop(counts);
        Undelivered {
            announced: self.clone(),
            senders,
        }
    }

    /// How many there are, and how many of these are of `sender`.
    pub(in crate::db) fn counts(&self, sender: Option<&IdentityKey>) -> (usize, usize) {
        let counts = self.lock();
        let own = sender.and_then(|sender| counts.by_sender.get(sender));
        (counts.all, own.copied().unwrap_or(0))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages on their way to whoever listens.
#[derive(Debug)]
pub(in crate::db) struct Undelivered {
    announced: Announced,
    senders: Vec<IdentityKey>,
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        let mut counts = self.announced.lock();
        counts.all -= self.senders.len();
        for sender in &self.senders {
            if let Some(count) = counts.by_sender.get_mut(sender) {
                *count -= 1;
                if *count == 0 {
                    counts.by_sender.remove(sender);
                }
            }
        }
    }
}
