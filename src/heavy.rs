//! Large work on threads beside the workers: hashing and parsing bodies, and large events of sockets.
//!
//! A worker serves thousands of connections. Work of more than a few milliseconds delays all of them.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{Builder, available_parallelism};

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::limits::{AddressKey, KeyedBudget};

/// Largest body, in bytes, that a worker hashes and parses itself. That takes about a millisecond.
pub const LIGHT: usize = 128 * 1024;

/// The priority of such a thread. It gets a tenth of the CPU time of a worker that competes with it.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The work panicked, or no thread could be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the work was not done")]
pub struct NotDone;

/// Limits the threads for large work. One core stays free for the workers. Clones share the limit.
#[derive(Debug, Clone)]
pub struct HeavyWork {
    threads: Arc<Semaphore>,
    /// Each address has one thread at a time, so its next work queues behind that of others.
    turns: KeyedBudget<AddressKey, Turn>,
}

/// The permit of an address for its one thread.
#[derive(Debug)]
struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Default for HeavyWork {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_threads(cores.saturating_sub(1).max(1))
    }
}

impl HeavyWork {
    fn with_threads(threads: usize) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            turns: KeyedBudget::of_places(usize::MAX, usize::MAX),
        }
    }

    /// One permit for each thread, for work that must take a thread itself.
    #[must_use]
    pub const fn threads(&self) -> &Arc<Semaphore> {
        &self.threads
    }

    /// Runs work on a body of this size: here if it is small, otherwise on a thread. An address has one thread at a time.
    ///
    /// # Errors
    /// [`NotDone`] if the work on the thread did not finish.
    pub async fn run<T: Send + 'static>(
        &self,
        address: Option<AddressKey>,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        if bytes <= LIGHT {
            return Ok(work());
        }
        let permit = address.and_then(|address| self.turns.take(Some(address)).ok());
        let turn = match permit.as_ref().and_then(|permit| permit.shared().next()) {
            // These semaphores are never closed.
            Some(turn) => Arc::clone(&turn.0).acquire_owned().await.ok(),
            None => None,
        };
        let thread = Arc::clone(&self.threads).acquire_owned().await.ok();
        beside(move || {
            // The permits last until the work ends, even if the caller no longer waits.
            let _held = (thread, turn, permit);
            work()
        })
        .await
    }
}

/// Runs work on a new thread, whatever it costs. The thread yields to workers where the system supports it.
///
/// # Errors
/// [`NotDone`].
pub async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    let (sender, done) = oneshot::channel();
    let started = start(move || drop(sender.send(work())));
    if let Err(error) = started {
        log::error!("no thread for large work: {error}");
    }
    done.await.map_err(|_| NotDone)
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = Handle::try_current().ok();
    let thread = Builder::new().name("heavy".to_owned());
    thread
        .spawn(move || {
            // On other systems it would affect the whole process.
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::process::nice(NICE) {
                log::debug!("a thread for large work has the priority of a worker: {error}");
            }
            let _runtime = runtime.as_ref().map(Handle::enter);
            work();
        })
        .map(drop)
}

/// Drops bytes. Freeing a large buffer takes milliseconds, so that happens on another thread.
pub fn let_go<T: AsRef<[u8]> + Send + 'static>(bytes: T) {
    if bytes.as_ref().len() > LIGHT {
        // Without a thread they are dropped here.
        let _ = start(move || drop(bytes));
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

    /// Work of an address that signals its start and waits for a signal to end.
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
        let work = HeavyWork::with_threads(1);
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
        assert_eq!(work.turns.owners(), 0);
        let panicked = work
            .run(Some(address(1)), LIGHT + 1, || assert_eq!(1, 2))
            .await;
        assert_eq!(panicked, Err(NotDone));
        assert_eq!(work.turns.owners(), 0);
    }
}
