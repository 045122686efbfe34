//! Whom a request counts for, and what is said to those who ask too often.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use crate::limits::{AddressKey, AddressLimits};

use super::error::ApiError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom the limits of addresses count a request for.
pub(super) fn counted_for(request: &HttpRequest, limits: &AddressLimits) -> Option<AddressKey> {
    // A line that is no text hides those before it, as one that names no address does.
    let lines: Vec<&str> = request
        .headers()
        .get_all(&FORWARDED_FOR)
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    limits.client(request.peer_addr(), lines.into_iter())
}

/// Counts a request.
pub(super) fn count_request(
    request: &HttpRequest,
    limits: &AddressLimits,
) -> Result<Option<AddressKey>, ApiError> {
    let counted_for = counted_for(request, limits);
    if let Some(key) = &counted_for {
        limits.requests.check(key).map_err(ApiError::rate_limited)?;
    }
    Ok(counted_for)
}

/// Counts a handshake, or a socket that is about to begin one.
pub(super) fn count_handshake(
    counted_for: Option<AddressKey>,
    limits: &AddressLimits,
) -> Result<(), ApiError> {
    match &counted_for {
        Some(key) => limits.handshakes.check(key).map_err(ApiError::rate_limited),
        None => Ok(()),
    }
}
