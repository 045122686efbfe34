//! Ends connections that are between two requests for too long, and those that do not take an answer.
//!
//! actix-web's own clocks run for the first head of a connection and while nothing comes. After the first request a head
//! may come byte by byte, and an answer may be read so, for ever; nothing else ends that.

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

/// An answer is handed to the connection in pieces, so that its end tells when the client has nearly all of it.
const PIECE: usize = 32 * 1024;

/// How long a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSettings {
    /// From the end of an answer to the next request.
    pub idle_timeout: Duration,
    /// For reading an answer, whatever its length.
    pub answer_timeout: Duration,
    /// As many bytes more may take a second more.
    pub answer_rate: NonZeroU64,
}

impl Default for WatchSettings {
    /// 10 s, 30 s, and 64 KiB.
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            answer_rate: NonZeroU64::new(64 * 1024).unwrap_or(NonZeroU64::MIN),
        }
    }
}

/// One connection: whether it is being served, and since when it is not.
#[derive(Debug)]
pub(super) struct Watch {
    kill: AbortHandle,
    settings: WatchSettings,
    serving: Cell<usize>,
    idle_since: Cell<Instant>,
    /// When a large answer must have been taken.
    taken_by: Cell<Option<Instant>>,
    is_watched: Cell<bool>,
}

impl Watch {
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

    fn serve(self: &Rc<Self>) -> Serving {
        self.serving.set(self.serving.get() + 1);
        Serving(Rc::clone(self))
    }

    /// When the connection is to be ended, if nothing happens.
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

/// Looks at a connection until there is nothing to wait for; what is due may come earlier than it was, but not by much.
async fn watch(connection: Weak<Watch>, at_least_every: Duration) {
    loop {
        let Some(watch) = connection.upgrade() else {
            return;
        };
        let Some(due) = watch.due() else {
            return watch.is_watched.set(false);
        };
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            log::debug!("a connection is ended: it takes too long");
            return watch.kill.abort();
        }
        drop(watch);
        tokio::time::sleep(wait.min(at_least_every)).await;
    }
}

/// A request that is being answered.
#[derive(Debug)]
struct Serving(Rc<Watch>);

impl Serving {
    fn answer(&self, size: BodySize) {
        let length = match size {
            BodySize::Sized(length) => length,
            // A websocket has clocks of its own.
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

impl Drop for Serving {
    fn drop(&mut self) {
        let watch = &self.0;
        watch.serving.set(watch.serving.get() - 1);
        watch.taken_by.set(None);
        watch.idle_since.set(Instant::now());
        watch.watch();
    }
}

/// The body of an answer, in pieces.
#[derive(Debug)]
pub struct Watched<B> {
    body: B,
    rest: Bytes,
    _serving: Option<Serving>,
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

/// For `App::wrap_fn`: tells the connection's watch of each request and its answer.
///
/// # Errors
/// The service's own.
pub fn watch_answers<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<Watched<B>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let serving = request.conn_data::<Rc<Watch>>().map(Watch::serve);
    let answer = service.call(request);
    async move {
        Ok(answer.await?.map_body(|_, body| {
            if let Some(serving) = &serving {
                serving.answer(body.size());
            }
            Watched {
                body,
                rest: Bytes::new(),
                _serving: serving,
            }
        }))
    }
}
