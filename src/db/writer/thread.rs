//! A writer's thread: its queue, its wake-up and its replacement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::*;
use parking_lot::{Mutex, MutexGuard};

use super::executor::{CommitQueued, DbExecutor};
use super::queue::WriteQueue;
use super::queued_write::QueuedWrite;

pub(crate) struct WriterThread {
    pub(crate) queue: Arc<WriteQueue>,
    /// Set while a wake-up is pending.
    woken: Arc<AtomicBool>,
    address: Mutex<Addr<DbExecutor>>,
    start: Box<dyn Fn() -> Addr<DbExecutor> + Send + Sync>,
}

impl WriterThread {
    /// Starts an executor with its own queue.
    pub(crate) fn start(executor: DbExecutor) -> Self {
        let queue = Arc::clone(&executor.queue);
        let start = move || {
            let executor = executor.clone();
            // One thread: its order is the order of all writes.
            SyncArbiter::start(1, move || executor.clone())
        };
        Self {
            queue,
            woken: Arc::default(),
            address: Mutex::new(start()),
            start: Box::new(start),
        }
    }

    /// Queues a write, or refuses it at once.
    pub(crate) fn write(&self, write: QueuedWrite) {
        if self.queue.push(write) {
            self.wake();
        }
    }

    pub(crate) fn address(&self) -> Addr<DbExecutor> {
        self.lock().clone()
    }

    /// Replaces a dead executor.
    pub(crate) fn restart(&self) {
        log::error!("the database writer has stopped; starting a new one");
        let mut address = self.lock();
        *address = (self.start)();
        // The old writer's wake-up was lost, so wake the new one.
        self.woken.store(false, Ordering::Release);
        address.do_send(CommitQueued);
    }

    /// Sends one wake-up while the writer is busy, not one per write.
    fn wake(&self) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let woken = Arc::clone(&self.woken);
        self.address().do_send(Wake(woken));
    }

    fn lock(&self) -> MutexGuard<'_, Addr<DbExecutor>> {
        self.address.lock()
    }
}

/// Command: writes are queued. Clears its flag before it reads the queue, so that no write is missed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Wake(Arc<AtomicBool>);

impl Handler<Wake> for DbExecutor {
    type Result = ();

    fn handle(&mut self, Wake(woken): Wake, ctx: &mut Self::Context) {
        woken.store(false, Ordering::Release);
        Handler::<CommitQueued>::handle(self, CommitQueued, ctx);
    }
}
