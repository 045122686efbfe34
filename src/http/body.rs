//! Reading a request's body, within a bound.

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
}

/// Reads up to `max` bytes.
pub(super) async fn read(
    request: &HttpRequest,
    mut body: web::Payload,
    max: usize,
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
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}
