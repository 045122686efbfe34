//! Clients that are reading large answers, and how fast each of them reads.
//!
//! When the memory for answers is used up, the server disconnects the slowest reader. So a few slow clients cannot hold all
//! of it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::socket::AbortHandle;

/// Answers up to this size are not tracked: the connection takes them at once.
const SMALL: usize = 32 * 1024;

/// Pieces that a connection takes before its worker serves other connections: 256 KiB.
const IN_A_ROW: usize = 8;

/// Time before a reader's rate counts.
const GRACE: Duration = Duration::from_secs(1);

/// How long a disconnected reader may take to release its answer.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// All clients that are reading large answers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct AnswerReaders(Arc<Mutex<ReaderTable>>);

#[derive(Debug, Default)]
struct ReaderTable {
    last_id: u64,
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
    /// Bytes per second; none before [`GRACE`] is over.
    fn rate(&self, now: Instant) -> Option<u128> {
        let time = now.saturating_duration_since(self.since);
        let taken = self.taken.load(Ordering::Relaxed) as u128;
        (time >= GRACE).then(|| taken * 1_000 / time.as_millis().max(1))
    }
}

impl AnswerReaders {
    /// Makes the body of an answer on the connection that `kill` ends.
    pub(in crate::http) fn track(&self, bytes: Bytes, kill: Option<AbortHandle>) -> TrackedAnswer {
        self.track_since(bytes, kill, Instant::now())
    }

    fn track_since(
        &self,
        bytes: Bytes,
        kill: Option<AbortHandle>,
        since: Instant,
    ) -> TrackedAnswer {
        let taken = Arc::<AtomicUsize>::default();
        let entry = kill.filter(|_| bytes.len() > SMALL).map(|kill| {
            let (held, gone) = oneshot::channel();
            let reader = Reader {
                since,
                taken: Arc::clone(&taken),
                kill,
                gone,
            };
            let mut table = self.lock();
            table.last_id += 1;
            let id = table.last_id;
            table.readers.insert(id, reader);
            Entry {
                readers: self.clone(),
                id,
                _held: held,
            }
        });
        TrackedAnswer {
            size: bytes.len(),
            rest: bytes,
            in_a_row: 0,
            taken,
            _entry: entry,
        }
    }

    /// Ends the connection of the slowest reader and waits until its answer is released. False: there is no reader.
    pub(in crate::http) async fn disconnect_slowest(&self) -> bool {
        let Some(gone) = self.end_slowest() else {
            return false;
        };
        let _ = tokio::time::timeout(RELEASE_TIMEOUT, gone).await;
        true
    }

    /// Ends the connection of the slowest reader. The channel closes when its answer is released.
    pub(in crate::http) fn end_slowest(&self) -> Option<oneshot::Receiver<()>> {
        let Reader { kill, gone, .. } = self.take_slowest(Instant::now())?;
        log::debug!(
            "disconnected the slowest reader of an answer: the memory for answers is used up"
        );
        kill.abort();
        Some(gone)
    }

    fn take_slowest(&self, now: Instant) -> Option<Reader> {
        let mut table = self.lock();
        let rates = table
            .readers
            .iter()
            .filter_map(|(id, reader)| Some((reader.rate(now)?, *id)));
        let (_, slowest) = rates.min()?;
        table.readers.remove(&slowest)
    }

    fn lock(&self) -> MutexGuard<'_, ReaderTable> {
        self.0.lock()
    }
}

/// A reader's entry in the table; removed when dropped.
#[derive(Debug)]
struct Entry {
    readers: AnswerReaders,
    id: u64,
    _held: oneshot::Sender<()>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.readers.lock().readers.remove(&self.id);
    }
}

/// The body of an answer. It counts what its client has taken.
#[derive(Debug)]
pub(in crate::http) struct TrackedAnswer {
    size: usize,
    rest: Bytes,
    /// Pieces since the worker served others.
    in_a_row: usize,
    taken: Arc<AtomicUsize>,
    /// Dropped last, after the bytes.
    _entry: Option<Entry>,
}

impl MessageBody for TrackedAnswer {
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

    fn take(answer: &mut TrackedAnswer, pieces: usize) -> usize {
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
        let readers = AnswerReaders::default();
        for size in [0, 1, SMALL, SMALL + 1, 5 * SMALL - 1] {
            let mut answer = readers.track(vec![7; size].into(), Some(AbortHandle::default()));
            assert_eq!(readers.lock().readers.len(), usize::from(size > SMALL));
            assert_eq!(take(&mut answer, 9), size);
        }
        let mut large = readers.track(vec![7; 20 * SMALL].into(), None);
        // Others have their turn in between.
        let (first, turn) = (take(&mut large, IN_A_ROW), take(&mut large, 1));
        assert_eq!((first, turn), (IN_A_ROW * SMALL, 0));
        assert_eq!(take(&mut large, 99), 12 * SMALL);
        assert!(readers.lock().readers.is_empty());
    }

    #[actix_web::test]
    async fn the_slowest_reader_is_cut_and_waited_for() {
        let (readers, now) = (AnswerReaders::default(), Instant::now());
        assert!(!readers.disconnect_slowest().await);
        let begun = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let kills = [(); 3].map(|()| AbortHandle::default());
        let bytes = Bytes::from(vec![7; 9 * SMALL]);
        let watch = |index: usize, seconds| {
            readers.track_since(bytes.clone(), Some(kills[index].clone()), begun(seconds))
        };
        // One has just begun, one has taken more in less time.
        let (_new, mut fast, mut slow) = (watch(0, 0), watch(1, 60), watch(2, 100));
        take(&mut fast, 2);
        take(&mut slow, 3);
        let cut = actix_web::rt::spawn({
            let readers = readers.clone();
            async move { readers.disconnect_slowest().await }
        });
        tokio::task::yield_now().await;
        assert_eq!(kills.each_ref().map(is_ended), [false, false, true]);
        assert!(!cut.is_finished());
        drop(slow);
        assert!(cut.await.unwrap());
        assert!(readers.take_slowest(now).is_some() && readers.take_slowest(now).is_none());
    }
}
