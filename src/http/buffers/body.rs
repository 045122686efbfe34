//! Reading a request's body, within a bound, and within what its owners, and all together, may hold.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use thiserror::Error;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant, timeout_at};

use crate::heavy::{beside, let_go};
use crate::http::error::ApiError;
use crate::http::state::HttpLimits;
use crate::limits::{Holder, KeyedBudget, Owner, Permit, SMALL};

/// How many bytes of bodies are held at a time, by address, and by identity once that is proven. Cheap to clone.
pub type BodyMemory = KeyedBudget<Owner>;

/// A body that was not read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::http) enum BodyError {
    /// Larger than allowed; found out from its announced length where there is one.
    #[error("the request body is too large")]
    TooLarge,
    /// It comes too slowly.
    #[error("the request body comes too slowly")]
    TooSlow,
    /// It ended before it was whole.
    #[error("the request body broke off")]
    Broken,
    /// Other bodies, of this address, this identity or of all, take all the memory that there is for them.
    #[error("there are too many bodies")]
    Overloaded,
}

/// Bytes that count until nobody has them any more.
struct Held<K: Holder> {
    bytes: Bytes,
    _holding: Permit<K>,
}

impl<K: Holder> Drop for Held<K> {
    fn drop(&mut self) {
        let_go(std::mem::take(&mut self.bytes));
    }
}

impl<K: Holder> AsRef<[u8]> for Held<K> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes of which every copy counts in `holding`.
fn held<K>(bytes: Bytes, holding: Permit<K>) -> Bytes
where
    K: Holder + Send + 'static,
{
    Bytes::from_owner(Held {
        bytes,
        _holding: holding,
    })
}

/// The part of all bodies that the first one of a session may have: enough for the largest message with a payment.
const STRANGERS_PART: usize = 32;

/// A body that is to be read.
pub(in crate::http) struct Payload {
    pub(in crate::http) body: web::Payload,
    pub(in crate::http) max: usize,
    pub(in crate::http) holding: Permit<Owner>,
}

impl Payload {
    /// Of a session in which nothing has verified: anybody can begin as many of those as they like.
    pub(in crate::http) fn of_a_stranger(self, limits: &HttpLimits) -> Self {
        Self {
            max: self.max.min(limits.max_buffered_bytes / STRANGERS_PART),
            ..self
        }
    }

    pub(in crate::http) async fn read(
        self,
        request: &HttpRequest,
        limits: &HttpLimits,
    ) -> Result<Bytes, ApiError> {
        let Self { body, max, holding } = self;
        let read = read(request, body, max, limits.request_timeout, holding);
        read.await.map_err(|error| match error {
            BodyError::TooLarge => ApiError::too_large(max),
            BodyError::Overloaded => ApiError::overloaded(),
            BodyError::Broken => {
                ApiError::bad_request("ERR_BODY_BROKEN", "The request body broke off.")
            }
            BodyError::TooSlow => ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "ERR_REQUEST_TIMEOUT",
                "The request body took too long.",
            ),
        })
    }
}

/// Bytes that must come in a second of a body that is not small.
const MIN_RATE: usize = 16 * 1024;

/// How often in the time of a whole body it is looked at whether enough of it came.
const LOOKS: u32 = 6;

/// Reads up to `max` bytes within `timeout`. They count in `holding` while they come, and for as long as anybody has them.
pub(in crate::http) async fn read(
    request: &HttpRequest,
    mut body: web::Payload,
    max: usize,
    timeout: Duration,
    mut holding: Permit<Owner>,
) -> Result<Bytes, BodyError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = Parts::default();
    let look = timeout / LOOKS;
    let least = usize::try_from(look.as_millis()).unwrap_or(usize::MAX);
    let least = (least.saturating_mul(MIN_RATE) / 1_000).max(1);
    let end = Instant::now() + timeout;
    let (mut due, mut seen) = (Instant::now() + look, 0);
    loop {
        let chunk = match timeout_at(due, body.next()).await {
            Ok(Some(chunk)) => chunk.map_err(|_| BodyError::Broken)?,
            Ok(None) => break,
            Err(_) => {
                // A small body takes little, and all of its time.
                let is_slow = bytes.len > SMALL && bytes.len - seen < least;
                if is_slow || due >= end {
                    return Err(BodyError::TooSlow);
                }
                (due, seen) = ((due + look).min(end), bytes.len);
                continue;
            }
        };
        if bytes.len + chunk.len() > max {
            return Err(BodyError::TooLarge);
        }
        holding
            .grow(chunk.len())
            .map_err(|_| BodyError::Overloaded)?;
        if bytes.add(&chunk) {
            // The client may have sent much more already.
            yield_now().await;
        }
    }
    Ok(held(bytes.join().await?, holding))
}

/// Bytes of a part: a larger one would be copied for long each time that it has to grow.
const PART: usize = 1024 * 1024;

/// What has come of a body.
#[derive(Default)]
struct Parts {
    parts: Vec<BytesMut>,
    len: usize,
}

impl Parts {
    /// Says whether that began another part.
    fn add(&mut self, chunk: &[u8]) -> bool {
        self.len += chunk.len();
        match self.parts.last_mut() {
            Some(last) if last.len() + chunk.len() <= PART => {
                last.extend_from_slice(chunk);
                false
            }
            last => {
                let is_next = last.is_some();
                self.parts.push(chunk.into());
                is_next
            }
        }
    }

    /// All of it in one piece: of a large body, put together on another thread.
    async fn join(mut self) -> Result<Bytes, BodyError> {
        if self.parts.len() <= 1 {
            return Ok(self.parts.pop().unwrap_or_default().freeze());
        }
        let join = move || {
            let mut whole = BytesMut::with_capacity(self.len);
            // Each is given up as soon as it is copied.
            self.parts
                .drain(..)
                .for_each(|part| whole.extend_from_slice(&part));
            whole.freeze()
        };
        beside(join).await.map_err(|_| BodyError::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::AddressKey;
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;

    async fn body(memory: &BodyMemory, address: u8, bytes: usize) -> Result<Bytes, BodyError> {
        let (request, mut payload) = TestRequest::post()
            .set_payload(vec![7; bytes])
            .to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload)
            .await
            .unwrap();
        let owner = Owner::Address(AddressKey::of([192, 0, 2, address].into()));
        let timeout = Duration::from_secs(30);
        read(&request, payload, 100, timeout, memory.hold(Some(owner))).await
    }

    #[actix_web::test]
    async fn bodies_that_are_held_count_together() {
        let memory = BodyMemory::of_bytes(100, 150);
        assert_eq!(body(&memory, 1, 101).await.err(), Some(BodyError::TooLarge));
        let first = body(&memory, 1, 60).await.unwrap();
        assert_eq!(first.len(), 60);
        assert_eq!(
            body(&memory, 1, 41).await.err(),
            Some(BodyError::Overloaded)
        );
        assert_eq!(
            body(&memory, 2, 100).await.err(),
            Some(BodyError::Overloaded)
        );
        let second = body(&memory, 2, 90).await.unwrap();
        // A part of it is all of it to the memory.
        let part = first.slice(..1);
        drop((first, second));
        assert_eq!(memory.held(), 60);
        drop(part);
        assert_eq!(memory.held(), 0);
    }

    /// A body of which so many bytes come at once, and the rest byte by byte. How long it was read.
    async fn stalled(at_once: usize, timeout: Duration) -> (Option<BodyError>, Duration) {
        let began = Instant::now();
        let first = futures_util::stream::iter([Ok(Bytes::from(vec![7; at_once]))]);
        let drip = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((
                Ok::<_, actix_web::error::PayloadError>(Bytes::from_static(b"x")),
                (),
            ))
        });
        let stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = _>>> =
            Box::pin(first.chain(drip));
        let (request, _) = TestRequest::post().to_http_parts();
        let payload = web::Payload::from_request(&request, &mut stream.into())
            .await
            .unwrap();
        let memory = BodyMemory::of_bytes(1 << 30, 1 << 30);
        let read = read(&request, payload, 1 << 20, timeout, memory.hold(None)).await;
        (read.err(), began.elapsed())
    }

    #[actix_web::test]
    async fn a_large_body_that_stalls_has_a_part_of_the_time_that_a_small_one_has() {
        let timeout = Duration::from_millis(1_200);
        let (small, large) = tokio::join!(stalled(SMALL / 2, timeout), stalled(2 * SMALL, timeout));
        let slow = Some(BodyError::TooSlow);
        assert_eq!((small.0, large.0), (slow, slow));
        assert!(
            small.1 >= timeout && large.1 < timeout,
            "{small:?} {large:?}"
        );
    }
}
