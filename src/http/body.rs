//! Reading a request's body, within a bound, and within what all requests together may hold.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use thiserror::Error;

/// A body that was not read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    /// Larger than allowed; found out from its announced length where there is one.
    #[error("the request body is too large")]
    TooLarge,
    /// It ended before it was whole.
    #[error("the request body broke off")]
    Broken,
    /// The bodies of other requests take all the memory that there is for them.
    #[error("there are too many bodies")]
    Overloaded,
}

/// How many bytes of bodies are held at a time, by all requests together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BodyMemory {
    held: Arc<AtomicUsize>,
    max: usize,
}

impl BodyMemory {
    /// So many bytes at most.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            held: Arc::default(),
            max,
        }
    }

    fn hold(&self, bytes: usize) -> Result<(), BodyError> {
        let grow = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.max);
        let grown = self
            .held
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, grow);
        grown.map(drop).map_err(|_| BodyError::Overloaded)
    }
}

/// Gives back what was held.
#[derive(Debug)]
struct Held {
    memory: BodyMemory,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// A whole body; it counts until it is dropped.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Bytes,
    _held: Held,
}

impl Deref for Body {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

/// Reads up to `max` bytes.
pub(super) async fn read(
    request: &HttpRequest,
    mut body: web::Payload,
    max: usize,
    memory: &BodyMemory,
) -> Result<Body, BodyError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = BytesMut::new();
    let mut held = Held {
        memory: memory.clone(),
        bytes: 0,
    };
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if bytes.len() + chunk.len() > max {
            return Err(BodyError::TooLarge);
        }
        memory.hold(chunk.len())?;
        held.bytes += chunk.len();
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body {
        bytes: bytes.freeze(),
        _held: held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;

    async fn body(memory: &BodyMemory, bytes: usize) -> Result<Body, BodyError> {
        let (request, mut payload) = TestRequest::post()
            .set_payload(vec![7; bytes])
            .to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload)
            .await
            .unwrap();
        read(&request, payload, 100, memory).await
    }

    #[actix_web::test]
    async fn bodies_that_are_held_count_together() {
        let memory = BodyMemory::new(150);
        assert_eq!(body(&memory, 101).await.err(), Some(BodyError::TooLarge));
        let first = body(&memory, 100).await.unwrap();
        assert_eq!(first.len(), 100);
        assert_eq!(body(&memory, 51).await.err(), Some(BodyError::Overloaded));
        let second = body(&memory, 50).await.unwrap();
        drop((first, second));
        assert!(body(&memory, 100).await.is_ok());
        assert_eq!(memory.held.load(Ordering::Acquire), 0);
    }
}
