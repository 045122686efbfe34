//! Hashing and parsing large bodies, beside the workers.
//!
//! A worker serves thousands of connections. What takes it more than a few milliseconds holds up all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use actix_web::web;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::limits::AddressKey;

use super::error::ApiError;

/// Bytes that a worker hashes and parses itself: that takes it about a millisecond.
pub(super) const LIGHT: usize = 128 * 1024;

/// Threads for large bodies: one core stays free for the workers. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct HeavyWork {
    threads: Arc<Semaphore>,
    /// Each address has one thread at a time, so that its next body waits behind those of others.
    turns: Arc<Mutex<HashMap<AddressKey, Turn>>>,
}

/// The turns of one address.
#[derive(Debug)]
struct Turn {
    permit: Arc<Semaphore>,
    /// Bodies that wait or are being worked on; never none.
    users: usize,
}

impl Default for HeavyWork {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_threads(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }
}

impl HeavyWork {
    /// On these threads, which sockets use too.
    pub(super) fn with_threads(threads: Arc<Semaphore>) -> Self {
        Self {
            threads,
            turns: Arc::default(),
        }
    }

    /// Works on a body of so many bytes: here if it is small, else on a thread when it is its turn.
    ///
    /// # Errors
    /// [`ApiError`] if the work panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        address: Option<AddressKey>,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        if bytes <= LIGHT {
            return Ok(work());
        }
        let user = address.map(|address| User::new(self, address));
        let turn = match &user {
            // No semaphore here is ever closed.
            Some(user) => Arc::clone(&user.permit).acquire_owned().await.ok(),
            None => None,
        };
        let thread = Arc::clone(&self.threads).acquire_owned().await.ok();
        let done = web::block(move || {
            // Also when nobody waits for it any more, its thread is in use until it is done.
            let _held = (thread, turn, user);
            work()
        });
        done.await
            .map_err(|_| ApiError::internal("ERR_INTERNAL", "An internal error has occurred."))
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<AddressKey, Turn>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of bytes: of many, on another thread, since giving their memory back takes milliseconds.
pub(super) fn let_go<T: AsRef<[u8]> + Send + 'static>(bytes: T) {
    if bytes.as_ref().len() > LIGHT
        && let Ok(runtime) = Handle::try_current()
    {
        drop(runtime.spawn_blocking(move || drop(bytes)));
    }
}

/// A body of an address; the turns of an address without any are forgotten.
struct User {
    work: HeavyWork,
    address: AddressKey,
    permit: Arc<Semaphore>,
}

impl User {
    fn new(work: &HeavyWork, address: AddressKey) -> Self {
        let mut turns = work.turns();
        let turn = turns.entry(address).or_insert_with(|| Turn {
            permit: Arc::new(Semaphore::new(1)),
            users: 0,
        });
        turn.users += 1;
        Self {
            work: work.clone(),
            address,
            permit: Arc::clone(&turn.permit),
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Entry::Occupied(mut turn) = self.work.turns().entry(self.address) {
            turn.get_mut().users -= 1;
            if turn.get().users == 0 {
                turn.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use tokio::sync::oneshot;

    fn address(last: u8) -> AddressKey {
        AddressKey::of([192, 0, 2, last].into())
    }

    #[actix_web::test]
    async fn small_bodies_stay_on_the_worker_and_large_ones_do_not() {
        let work = HeavyWork::default();
        let worker = thread::current().id();
        let at = |bytes| work.run(None, bytes, || thread::current().id());
        assert_eq!(at(LIGHT).await.unwrap(), worker);
        assert_ne!(at(LIGHT + 1).await.unwrap(), worker);
    }

    /// Work of an address that says when it has begun, and ends when it is told to.
    fn held(
        work: &HeavyWork,
        address: Option<AddressKey>,
    ) -> (oneshot::Receiver<()>, mpsc::Sender<()>) {
        let ((begun, begins), (end, ends)) = (oneshot::channel(), mpsc::channel());
        let work = work.clone();
        actix_web::rt::spawn(async move {
            let wait = move || {
                let _ = begun.send(());
                let _ = ends.recv();
            };
            work.run(address, LIGHT + 1, wait).await
        });
        (begins, end)
    }

    #[actix_web::test]
    async fn the_next_body_of_an_address_waits_behind_those_of_others() {
        let work = HeavyWork::with_threads(Arc::new(Semaphore::new(1)));
        let (begins, end) = held(&work, Some(address(1)));
        begins.await.unwrap();
        let ((mut second, _end_second), (third, end_third)) =
            (held(&work, Some(address(1))), held(&work, Some(address(2))));
        tokio::task::yield_now().await;
        drop(end);
        third.await.unwrap();
        assert!(second.try_recv().is_err());
        drop(end_third);
        second.await.unwrap();
    }

    #[actix_web::test]
    async fn nothing_is_kept_of_an_address_without_work() {
        let work = HeavyWork::default();
        work.run(Some(address(1)), LIGHT + 1, || ()).await.unwrap();
        assert!(work.turns().is_empty());
        let panicked = work
            .run(Some(address(1)), LIGHT + 1, || assert_eq!(1, 2))
            .await;
        assert_eq!(panicked.unwrap_err().code, "ERR_INTERNAL");
        assert!(work.turns().is_empty());
    }
}
