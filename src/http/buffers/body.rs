//! Reads request bodies: each up to a size and within a time, all of them within a budget of bytes.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use thiserror::Error;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant, timeout_at};

use crate::heavy::beside;
use crate::http::error::ApiError;
use crate::limits::{KeyedBudget, Owner, Permit, SMALL};

use super::held::held;

/// Bytes of all bodies in memory, by address, and by identity once that is authenticated. Cheap to clone.
pub type BodyMemory = KeyedBudget<Owner>;

/// A body that was not read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::http) enum BodyError {
    /// It is, or announces that it will be, larger than this maximum.
    #[error("the request body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request body comes too slowly")]
    TooSlow,
    #[error("the request body broke off")]
    Broken,
    /// The budget of its address, of its identity or of all bodies is used up.
    #[error("the memory for request bodies is used up")]
    Overloaded,
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(max) => Self::too_large(max),
            BodyError::Overloaded => Self::overloaded(),
            BodyError::Broken => {
                Self::bad_request("ERR_BODY_BROKEN", "The request body broke off.")
            }
            BodyError::TooSlow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "ERR_REQUEST_TIMEOUT",
                "The request body took too long.",
            ),
        }
    }
}

/// Bytes per second that a body must bring once it is not small.
const MIN_RATE: usize = 16 * 1024;

/// How many times within its timeout a body's rate is checked.
const CHECKS: u32 = 6;

/// A body that is to be read.
pub(in crate::http) struct BodyReader {
    pub(in crate::http) payload: web::Payload,
    pub(in crate::http) max: usize,
    pub(in crate::http) timeout: Duration,
    pub(in crate::http) permit: Permit<Owner>,
}

impl BodyReader {
    /// Reads the body. Its bytes count in the permit while they come, and for as long as anybody holds them.
    pub(in crate::http) async fn read(self, request: &HttpRequest) -> Result<Bytes, BodyError> {
        let Self {
            mut payload,
            max,
            timeout,
            mut permit,
        } = self;
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<usize>().ok());
        if announced.is_some_and(|length| length > max) {
            return Err(BodyError::TooLarge(max));
        }
        let mut parts = Parts::default();
        let interval = timeout / CHECKS;
        let least = usize::try_from(interval.as_millis()).unwrap_or(usize::MAX);
        let least = (least.saturating_mul(MIN_RATE) / 1_000).max(1);
        let end = Instant::now() + timeout;
        let (mut check_at, mut seen) = (Instant::now() + interval, 0);
        loop {
            let chunk = match timeout_at(check_at, payload.next()).await {
                Ok(Some(chunk)) => chunk.map_err(|_| BodyError::Broken)?,
                Ok(None) => break,
                Err(_) => {
                    // A small body holds little memory, so it may use the whole timeout.
                    let is_slow = parts.len > SMALL && parts.len - seen < least;
                    if is_slow || check_at >= end {
                        return Err(BodyError::TooSlow);
                    }
                    (check_at, seen) = ((check_at + interval).min(end), parts.len);
                    continue;
                }
            };
            if parts.len + chunk.len() > max {
                return Err(BodyError::TooLarge(max));
            }
            permit
                .grow(chunk.len())
                .map_err(|_| BodyError::Overloaded)?;
            if parts.add(&chunk) {
                // The client may have sent much more already: let the worker serve others.
                yield_now().await;
            }
        }
        Ok(held(parts.join().await?, permit))
    }
}

/// Bytes of a part. A larger one would be copied for long whenever it has to grow.
const PART: usize = 1024 * 1024;

/// The bytes that have come so far.
#[derive(Default)]
struct Parts {
    parts: Vec<BytesMut>,
    len: usize,
}

impl Parts {
    /// Appends a chunk; true: it began another part.
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

    /// Joins the parts: on another thread if there are several.
    async fn join(mut self) -> Result<Bytes, BodyError> {
        if self.parts.len() <= 1 {
            return Ok(self.parts.pop().unwrap_or_default().freeze());
        }
        let join = move || {
            let mut whole = BytesMut::with_capacity(self.len);
            // Frees each part as soon as it is copied.
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
        let reader = BodyReader {
            payload,
            max: 100,
            timeout: Duration::from_secs(30),
            permit: memory.hold(Some(owner)),
        };
        reader.read(&request).await
    }

    #[actix_web::test]
    async fn bodies_that_are_held_count_together() {
        let memory = BodyMemory::of_bytes(100, 150);
        assert_eq!(
            body(&memory, 1, 101).await.err(),
            Some(BodyError::TooLarge(100))
        );
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
        let reader = BodyReader {
            payload,
            max: 1 << 20,
            timeout,
            permit: memory.hold(None),
        };
        (reader.read(&request).await.err(), began.elapsed())
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
