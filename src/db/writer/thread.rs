//! One thread that writes: its queue, and how it is woken and replaced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::prelude::*;

use super::executor::{CommitWaiting, DbExecutor};
use super::queue::WriteQueue;
use super::write::Write;

pub(in crate::db) struct Writer {
    pub(in crate::db) queue: Arc<WriteQueue>,
    /// Set while it has been told that something waits and has not yet answered.
    told: Arc<AtomicBool>,
    address: Mutex<Addr<DbExecutor>>,
    start: Box<dyn Fn() -> Addr<DbExecutor> + Send + Sync>,
}

impl Writer {
    /// Starts an executor for this queue.
    pub(in crate::db) fn start(
        queue: WriteQueue,
        executor: impl Fn(Arc<WriteQueue>) -> DbExecutor + Clone + Send + Sync + 'static,
    ) -> Self {
        let queue = Arc::new(queue);
        let start = {
            let queue = Arc::clone(&queue);
            move || {
                let (queue, executor) = (Arc::clone(&queue), executor.clone());
                // One thread: its order is the order of everything.
                SyncArbiter::start(1, move || executor(Arc::clone(&queue)))
            }
        };
        Self {
            queue,
            told: Arc::default(),
            address: Mutex::new(start()),
            start: Box::new(start),
        }
    }

    /// Has a write done, or refused at once.
    pub(in crate::db) fn write(&self, write: Box<dyn Write>) {
        if self.queue.push(write) {
            self.wake();
        }
    }

    pub(in crate::db) fn address(&self) -> Addr<DbExecutor> {
        self.lock().clone()
    }

    /// Starts another executor in the place of one that is gone.
    pub(in crate::db) fn restart(&self) {
        log::error!("the database writer is gone; starting another");
        let mut address = self.lock();
        *address = (self.start)();
        // The old writer's wake-up was lost, so wake the new one.
        self.told.store(false, Ordering::Release);
        address.do_send(CommitWaiting);
    }

    /// While it is busy, one more command waits for it and not one for each write.
    fn wake(&self) {
        if self.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let told = Arc::clone(&self.told);
        self.address().do_send(Wake(told));
    }

    fn lock(&self) -> MutexGuard<'_, Addr<DbExecutor>> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Command: something waits. Clears its flag before it looks, so that nothing is overlooked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Wake(Arc<AtomicBool>);

impl Handler<Wake> for DbExecutor {
    type Result = ();

    fn handle(&mut self, Wake(told): Wake, ctx: &mut Self::Context) {
        told.store(false, Ordering::Release);
        Handler::<CommitWaiting>::handle(self, CommitWaiting, ctx);
    }
}
