//! The memory of all outbound buffers together. Bytes that several sockets share count once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

/// Counts the bytes in outbound buffers against a limit. Clones share the count.
///
/// It refuses nothing, because the server has promised every queued frame to its client. Above the limit, the server
/// disconnects the socket with the largest buffer, and holds back new deliveries.
#[derive(Debug, Clone)]
pub struct OutboundMemory(Arc<State>);

#[derive(Debug)]
struct State {
    held: AtomicUsize,
    max: usize,
    /// Woken when the count exceeds the limit.
    relief: AtomicWaker,
}

impl OutboundMemory {
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self(Arc::new(State {
            held: AtomicUsize::new(0),
            max,
            relief: AtomicWaker::new(),
        }))
    }

    /// Bytes in all outbound buffers.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Whether the count exceeds the limit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held() > self.0.max
    }

    /// Ready when the count exceeds the limit. Only one task can wait.
    pub fn poll_full(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.relief.register(cx.waker());
        if self.is_full() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Returns the same bytes, counted until the last clone is dropped.
    #[must_use]
    pub fn count(&self, bytes: Bytes) -> Bytes {
        self.replace(0, bytes.len());
        Bytes::from_owner(Counted {
            bytes,
            memory: self.clone(),
        })
    }

    /// Replaces `before` counted bytes by `now`.
    pub fn replace(&self, before: usize, now: usize) {
        let state = &self.0;
        if now <= before {
            state.held.fetch_sub(before - now, Ordering::Relaxed);
            return;
        }
        let held = state.held.fetch_add(now - before, Ordering::Relaxed);
        if held <= state.max && self.is_full() {
            state.relief.wake();
        }
    }
}

impl Default for OutboundMemory {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

struct Counted {
    bytes: Bytes,
    memory: OutboundMemory,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.memory.replace(self.bytes.len(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn bytes_count_once_until_the_last_copy_is_gone() {
        let memory = OutboundMemory::new(10);
        let bytes = memory.count(Bytes::from_static(b"0123456789"));
        let copies = [(); 9].map(|()| bytes.clone());
        let part = bytes.slice(3..4);
        assert_eq!((memory.held(), memory.is_full()), (10, false));
        drop((bytes, copies));
        assert_eq!((&*part, memory.held()), (&b"3"[..], 10));
        drop(part);
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn whoever_relieves_it_is_woken_once_it_is_full() {
        let (memory, woken) = (OutboundMemory::new(10), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        assert!(memory.poll_full(&cx).is_pending());
        memory.replace(0, 10);
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        memory.replace(3, 4);
        assert!(woken.0.load(Ordering::Relaxed) == 1 && memory.poll_full(&cx).is_ready());
        memory.replace(1, 0);
        assert!(memory.poll_full(&cx).is_pending());
    }
}
