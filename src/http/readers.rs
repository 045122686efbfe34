//! The clients that are taking large answers, and how fast each of them reads.
//!
//! When there is no memory left for answers, the slowest reader is cut, so that a few clients that hardly read cannot hold
//! all of it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::socket::AbortHandle;

/// Answers up to this size are not watched: the connection takes them at once.
const SMALL: usize = 32 * 1024;

/// Pieces that a connection takes before the rest of its worker gets a turn: a quarter of a MiB.
const IN_A_ROW: usize = 8;

/// How long a reader is left alone before its rate counts.
const GRACE: Duration = Duration::from_secs(1);

/// How long a cut reader may take to let go of its answer.
const LETS_GO_IN: Duration = Duration::from_secs(1);

/// All clients that are taking large answers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Readers(Arc<Mutex<Reading>>);

#[derive(Debug, Default)]
struct Reading {
    last: u64,
    readers: HashMap<u64, Reader>,
}

#[derive(Debug)]
struct Reader {
    since: Instant,
    taken: Arc<AtomicUsize>,
    kill: AbortHandle,
    /// Closed when the answer is gone.
    gone: oneshot::Receiver<()>,
}

impl Reader {
    /// Bytes that it has taken in a second; none as long as that says little.
    fn rate(&self, now: Instant) -> Option<u128> {
        let time = now.saturating_duration_since(self.since);
        let taken = self.taken.load(Ordering::Relaxed) as u128;
        (time >= GRACE).then(|| taken * 1_000 / time.as_millis().max(1))
    }
}

impl Readers {
    /// The body of an answer on the connection that `kill` ends.
    pub(super) fn watch(&self, bytes: Bytes, kill: Option<AbortHandle>) -> ReadAnswer {
        self.watch_since(bytes, kill, Instant::now())
    }

    fn watch_since(&self, bytes: Bytes, kill: Option<AbortHandle>, since: Instant) -> ReadAnswer {
        let taken = Arc::<AtomicUsize>::default();
        let watched = kill.filter(|_| bytes.len() > SMALL).map(|kill| {
            let (held, gone) = oneshot::channel();
            let reader = Reader {
                since,
                taken: Arc::clone(&taken),
                kill,
                gone,
            };
            let mut reading = self.lock();
            reading.last += 1;
            let id = reading.last;
            reading.readers.insert(id, reader);
            Entry {
                readers: self.clone(),
                id,
                _held: held,
            }
        });
        ReadAnswer {
            size: bytes.len(),
            rest: bytes,
            in_a_row: 0,
            taken,
            _watched: watched,
        }
    }

    /// Ends the connection of the slowest reader, and waits until its answer is gone. `false` if there is none.
    pub(super) async fn cut_slowest(&self) -> bool {
        let Some(gone) = self.end_slowest() else {
            return false;
        };
        let _ = tokio::time::timeout(LETS_GO_IN, gone).await;
        true
    }

    /// The same without waiting: gives what is closed when the answer is gone.
    pub(super) fn end_slowest(&self) -> Option<oneshot::Receiver<()>> {
        let Reader { kill, gone, .. } = self.take_slowest(Instant::now())?;
        log::debug!("a client that reads its answer slowly is cut: others need the memory");
        kill.abort();
        Some(gone)
    }

    fn take_slowest(&self, now: Instant) -> Option<Reader> {
        let mut reading = self.lock();
        let rates = reading
            .readers
            .iter()
            .filter_map(|(id, reader)| Some((reader.rate(now)?, *id)));
        let (_, slowest) = rates.min()?;
        reading.readers.remove(&slowest)
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's place among all; given up when dropped.
#[derive(Debug)]
struct Entry {
    readers: Readers,
    id: u64,
    _held: oneshot::Sender<()>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.readers.lock().readers.remove(&self.id);
    }
}

/// The body of an answer, which counts what its client has taken.
#[derive(Debug)]
pub(super) struct ReadAnswer {
    size: usize,
    rest: Bytes,
    /// Pieces since others had their turn.
    in_a_row: usize,
    taken: Arc<AtomicUsize>,
    /// Dropped last: then the bytes are gone.
    _watched: Option<Entry>,
}

impl MessageBody for ReadAnswer {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if self.in_a_row == IN_A_ROW {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.in_a_row += 1;
        let piece = self.rest.len().min(SMALL);
        self.taken.fetch_add(piece, Ordering::Relaxed);
        Poll::Ready(Some(Ok(self.rest.split_to(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn take(answer: &mut ReadAnswer, pieces: usize) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let pieces = (0..pieces).map(|_| match Pin::new(&mut *answer).poll_next(&mut cx) {
            Poll::Ready(Some(Ok(bytes))) => bytes.len(),
            _ => 0,
        });
        pieces.sum()
    }

    fn is_ended(kill: &AbortHandle) -> bool {
        kill.poll_aborted(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_answer_is_given_whole_whatever_its_size() {
        let readers = Readers::default();
        for size in [0, 1, SMALL, SMALL + 1, 5 * SMALL - 1] {
            let mut answer = readers.watch(vec![7; size].into(), Some(AbortHandle::default()));
            assert_eq!(readers.lock().readers.len(), usize::from(size > SMALL));
            assert_eq!(take(&mut answer, 9), size);
        }
        let mut large = readers.watch(vec![7; 20 * SMALL].into(), None);
        // Others have their turn in between.
        let (first, turn) = (take(&mut large, IN_A_ROW), take(&mut large, 1));
        assert_eq!((first, turn), (IN_A_ROW * SMALL, 0));
        assert_eq!(take(&mut large, 99), 12 * SMALL);
        assert!(readers.lock().readers.is_empty());
    }

    #[actix_web::test]
    async fn the_slowest_reader_is_cut_and_waited_for() {
        let (readers, now) = (Readers::default(), Instant::now());
        assert!(!readers.cut_slowest().await);
        let begun = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let kills = [(); 3].map(|()| AbortHandle::default());
        let bytes = Bytes::from(vec![7; 9 * SMALL]);
        let watch = |index: usize, seconds| {
            readers.watch_since(bytes.clone(), Some(kills[index].clone()), begun(seconds))
        };
        // One has just begun, one has taken more in less time.
        let (_new, mut fast, mut slow) = (watch(0, 0), watch(1, 60), watch(2, 100));
        take(&mut fast, 2);
        take(&mut slow, 3);
        let cut = actix_web::rt::spawn({
            let readers = readers.clone();
            async move { readers.cut_slowest().await }
        });
        tokio::task::yield_now().await;
        assert_eq!(kills.each_ref().map(is_ended), [false, false, true]);
        assert!(!cut.is_finished());
        drop(slow);
        assert!(cut.await.unwrap());
        assert!(readers.take_slowest(now).is_some() && readers.take_slowest(now).is_none());
    }
}
