//! Aborts a TCP connection from outside the actor that serves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Aborts a connection. Clones share it with the connection itself.
///
/// A websocket actor whose client does not read handles no messages, not even one to stop. It ends only when its
/// connection fails.
#[derive(Debug, Clone, Default)]
pub struct AbortHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ended: AtomicBool,
    connection: AtomicWaker,
}

impl AbortHandle {
    /// Aborts the connection, if it still exists.
    pub fn abort(&self) {
        self.0.ended.store(true, Ordering::Release);
        self.0.connection.wake();
    }

    /// For the connection: whether it must end. If not, it is woken once it must.
    pub fn poll_aborted(&self, cx: &Context<'_>) -> bool {
        self.0.connection.register(cx.waker());
        self.0.ended.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_fn;
    use std::task::Poll;

    #[actix_web::test]
    async fn a_connection_that_waits_is_woken_to_end() {
        let handle = AbortHandle::default();
        let connection = handle.clone();
        let ended = actix_web::rt::spawn(poll_fn(move |cx| {
            if connection.poll_aborted(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        tokio::task::yield_now().await;
        assert!(!ended.is_finished());
        handle.abort();
        ended.await.unwrap();
    }
}
