//! Attackers at work: futures on their own thread, so that their computing delays no light user.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A flag that tells attackers to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Waits until the flag is set, but at most for this time. Returns whether it is set.
    pub async fn within(&self, time: Duration) -> bool {
        let until = tokio::time::Instant::now() + time;
        while !self.is_set() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.is_set()
    }
}

/// One thread of attackers.
pub struct Crew<T> {
    pub stop: Stop,
    work: tokio::sync::oneshot::Receiver<T>,
}

impl<T: Send + 'static> Crew<T> {
    /// Starts this work. It ends by itself or when the crew is stopped.
    pub fn start<F, W>(work: F) -> Self
    where
        F: FnOnce(Stop) -> W + Send + 'static,
        W: Future<Output = T>,
    {
        let stop = Stop::default();
        let own = stop.clone();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let done = actix_web::rt::System::new().block_on(work(own));
            let _ = sender.send(done);
        });
        Self {
            stop,
            work: receiver,
        }
    }

    /// Waits for work that ends by itself.
    pub async fn done(self) -> T {
        self.work.await.expect("the attackers panicked")
    }

    /// Stops the work and waits for its end.
    pub async fn stopped(self) -> T {
        self.stop.set();
        self.work.await.expect("the attackers panicked")
    }
}
