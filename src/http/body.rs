//! Reading a request's body, within a bound, and within what its address, and all together, may hold.

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use thiserror::Error;

use crate::limits::{AddressKey, Holding, Memory};

/// How many bytes of bodies are held at a time, by whom. Cheap to clone.
pub type BodyMemory = Memory<AddressKey>;

/// A body that was not read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    /// Larger than allowed; found out from its announced length where there is one.
    #[error("the request body is too large")]
    TooLarge,
    /// It ended before it was whole.
    #[error("the request body broke off")]
    Broken,
    /// Other bodies, of this address or of all, take all the memory that there is for them.
    #[error("there are too many bodies")]
    Overloaded,
}

/// Bytes that count until nobody has them any more.
struct Held<K: Eq + std::hash::Hash + Clone>(Bytes, Holding<K>);

impl<K: Eq + std::hash::Hash + Clone> AsRef<[u8]> for Held<K> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes of which every copy counts in `holding`.
pub(super) fn held<K>(bytes: Bytes, holding: Holding<K>) -> Bytes
where
    K: Eq + std::hash::Hash + Clone + Send + 'static,
{
    Bytes::from_owner(Held(bytes, holding))
}

/// Reads up to `max` bytes. They count in `holding` while they come, and for as long as anybody has them.
pub(super) async fn read(
    request: &HttpRequest,
    mut body: web::Payload,
    max: usize,
    mut holding: Holding<AddressKey>,
) -> Result<Bytes, BodyError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if bytes.len() + chunk.len() > max {
            return Err(BodyError::TooLarge);
        }
        holding
            .grow(chunk.len())
            .map_err(|_| BodyError::Overloaded)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(held(bytes.freeze(), holding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;

    async fn body(memory: &BodyMemory, address: u8, bytes: usize) -> Result<Bytes, BodyError> {
        let (request, mut payload) = TestRequest::post()
            .set_payload(vec![7; bytes])
            .to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload)
            .await
            .unwrap();
        let owner = AddressKey::of([192, 0, 2, address].into());
        read(&request, payload, 100, memory.hold(Some(owner))).await
    }

    #[actix_web::test]
    async fn bodies_that_are_held_count_together() {
        let memory = BodyMemory::new(100, 150);
        assert_eq!(body(&memory, 1, 101).await.err(), Some(BodyError::TooLarge));
        let first = body(&memory, 1, 60).await.unwrap();
        assert_eq!(first.len(), 60);
        assert_eq!(
            body(&memory, 1, 41).await.err(),
            Some(BodyError::Overloaded)
        );
        assert_eq!(
            body(&memory, 2, 91).await.err(),
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
}
