//! Whom a request counts for: its client's address, and the rate limits of addresses.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest};

use crate::ids::IdentityKey;
use crate::limits::{
    AddressKey, AddressLimits, KeyedRates, LimitExceeded, is_loopback_host, refusals,
};

use super::error::ApiError;

/// Who sent a request, as far as the server knows. Left in the request for the access log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestOrigin {
    pub(super) address: Option<AddressKey>,
    /// Set once the request is verified.
    pub(super) identity: Option<IdentityKey>,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers that proxies add.
const FORWARDING: [HeaderName; 8] = [
    header::FORWARDED,
    header::VIA,
    FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("true-client-ip"),
];

/// Whether a header shows that a proxy forwarded the request.
pub(super) fn is_forwarded(request: &HttpRequest) -> bool {
    let is_there = |name| request.headers().contains_key(name);
    FORWARDING.iter().any(is_there)
}

/// Like [`is_forwarded`]; also true for a `Host` that is not this machine's: then a proxy here has sent the request.
fn is_relayed(request: &HttpRequest) -> bool {
    let host = request.headers().get(header::HOST);
    let is_local = |host: &HeaderValue| host.to_str().is_ok_and(is_loopback_host);
    is_forwarded(request) || !host.is_none_or(is_local)
}

/// The address that a request counts for; none where it has no limits.
fn counted_for(request: &HttpRequest, limits: &AddressLimits) -> Option<AddressKey> {
    // A line that is not text hides those before it, as one that names no address does.
    let lines: Vec<&str> = request
        .headers()
        .get_all(&FORWARDED_FOR)
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    limits.client(request.peer_addr(), lines.into_iter(), is_relayed(request))
}

/// Counts a request for its address.
pub(super) fn count_request(
    request: &HttpRequest,
    limits: &AddressLimits,
) -> Result<Option<AddressKey>, ApiError> {
    let address = counted_for(request, limits);
    request.extensions_mut().insert(RequestOrigin {
        address,
        identity: None,
    });
    check("request_rate", address, &limits.requests)?;
    Ok(address)
}

/// Counts a handshake, or a socket that is about to begin one.
pub(super) fn count_handshake(
    address: Option<AddressKey>,
    limits: &AddressLimits,
) -> Result<(), ApiError> {
    check("handshake_rate", address, &limits.handshakes)
}

fn check(
    rate: &'static str,
    address: Option<AddressKey>,
    rates: &KeyedRates<AddressKey>,
) -> Result<(), ApiError> {
    let Some(address) = address else {
        return Ok(());
    };
    rates.check(&address).map_err(|wait| {
        refusals().count(rate, LimitExceeded::PerKey, Some(&address));
        ApiError::rate_limited(wait)
    })
}
