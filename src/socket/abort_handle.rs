//! Ends a TCP connection from outside the actor that serves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// What ends a connection, shared with the connection itself.
///
/// A websocket actor whose client does not read handles no message at all, not even one to stop: the only
/// way to free it is that its connection fails.
#[derive(Debug, Clone, Default)]
pub struct AbortHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ended: AtomicBool,
    connection: AtomicWaker,
}

impl AbortHandle {
    /// Ends the connection. One that is gone already is no error.
    pub fn shut_down(&self) {
        self.0.ended.store(true, Ordering::Release);
        self.0.connection.wake();
    }

    /// For the connection: whether it is to end; if not, it is woken when it is.
    pub fn poll_ended(&self, cx: &Context<'_>) -> bool {
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
        let kill = AbortHandle::default();
        let connection = kill.clone();
        let ended = actix_web::rt::spawn(poll_fn(move |cx| {
            if connection.poll_ended(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        tokio::task::yield_now().await;
        assert!(!ended.is_finished());
        kill.shut_down();
        ended.await.unwrap();
    }
}
