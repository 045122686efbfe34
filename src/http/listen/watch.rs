//! Ends connections that are idle for too long, and those whose client reads a response too slowly.
//!
//! actix-web limits the time of a connection's first headers and of silence. After the first request, a client could send
//! headers or read a response byte by byte without end.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use bytes::Bytes;

use crate::socket::AbortHandle;

/// A response is written in pieces, so that its end shows when the client has nearly all of it.
const PIECE: usize = 32 * 1024;

/// Timeouts of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSettings {
    /// From the end of a response to the next request.
    pub idle_timeout: Duration,
    /// For reading a response of any length.
    pub answer_timeout: Duration,
    /// Bytes per second: a response may take one more second for each of these.
    pub answer_rate: NonZeroU64,
}

impl Default for WatchSettings {
    /// 10 s, 30 s, and 64 KiB/s.
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            answer_rate: NonZeroU64::new(64 * 1024).unwrap_or(NonZeroU64::MIN),
        }
    }
}

/// A connection: the requests that are in progress, or since when it is idle.
#[derive(Debug)]
pub(super) struct ConnectionWatch {
    kill: AbortHandle,
    settings: WatchSettings,
    serving: Cell<usize>,
    idle_since: Cell<Instant>,
    /// When the client must have read a large response.
    taken_by: Cell<Option<Instant>>,
    is_watched: Cell<bool>,
}

impl ConnectionWatch {
    pub(super) fn new(kill: AbortHandle, settings: WatchSettings) -> Rc<Self> {
        Rc::new(Self {
            kill,
            settings,
            serving: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            taken_by: Cell::new(None),
            is_watched: Cell::new(false),
        })
    }

    fn serve(self: &Rc<Self>) -> InProgress {
        self.serving.set(self.serving.get() + 1);
        InProgress(Rc::clone(self))
    }

    /// When the connection must end, unless something happens before.
    fn due(&self) -> Option<Instant> {
        if self.serving.get() > 0 {
            self.taken_by.get()
        } else {
            Some(self.idle_since.get() + self.settings.idle_timeout)
        }
    }

    fn watch(self: &Rc<Self>) {
        if !self.is_watched.replace(true) {
            actix_web::rt::spawn(watch(Rc::downgrade(self), self.settings.idle_timeout));
        }
    }
}

/// Checks a connection until nothing is due. The due time may move to an earlier one, so it checks at intervals.
async fn watch(connection: Weak<ConnectionWatch>, at_least_every: Duration) {
    loop {
        let Some(watch) = connection.upgrade() else {
            return;
        };
        let Some(due) = watch.due() else {
            return watch.is_watched.set(false);
        };
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            log::debug!("ended a connection that was idle or read too slowly");
            return watch.kill.abort();
        }
        drop(watch);
        tokio::time::sleep(wait.min(at_least_every)).await;
    }
}

/// A request in progress.
#[derive(Debug)]
struct InProgress(Rc<ConnectionWatch>);

impl InProgress {
    fn answer(&self, size: BodySize) {
        let length = match size {
            BodySize::Sized(length) => length,
            // Websockets have their own timeouts.
            BodySize::None | BodySize::Stream => 0,
        };
        if length > PIECE as u64 {
            let settings = &self.0.settings;
            let more = Duration::from_secs(length / settings.answer_rate);
            let time = settings.answer_timeout + more;
            self.0.taken_by.set(Some(Instant::now() + time));
            self.0.watch();
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let watch = &self.0;
        watch.serving.set(watch.serving.get() - 1);
        watch.taken_by.set(None);
        watch.idle_since.set(Instant::now());
        watch.watch();
    }
}

/// The body of a response, in pieces.
#[derive(Debug)]
pub struct Watched<B> {
    body: B,
    rest: Bytes,
    _in_progress: Option<InProgress>,
}

impl<B: MessageBody + Unpin> MessageBody for Watched<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) if bytes.len() > PIECE => self.rest = bytes,
                other => return other,
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(piece))))
    }
}

/// For `App::wrap_fn`: reports each request and its response to the connection's watch.
///
/// # Errors
/// Those of the service.
pub fn watch_answers<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<Watched<B>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let serving = request
        .conn_data::<Rc<ConnectionWatch>>()
        .map(ConnectionWatch::serve);
    let answer = service.call(request);
    async move {
        Ok(answer.await?.map_body(|_, body| {
            if let Some(serving) = &serving {
                serving.answer(body.size());
            }
            Watched {
                body,
                rest: Bytes::new(),
                _in_progress: serving,
            }
        }))
    }
}
