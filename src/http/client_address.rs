//! Whom a request counts for, and what is said to those who ask too often.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest};

use crate::limits::{
    AddressKey, AddressLimits, KeyedRates, LimitExceeded, is_loopback_host, refusals,
};

use super::counts::Asker;
use super::error::ApiError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers by which proxies say that they are there.
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

/// Whether a header says that a proxy passed the request on.
pub(super) fn is_forwarded(request: &HttpRequest) -> bool {
    let is_there = |name| request.headers().contains_key(name);
    FORWARDING.iter().any(is_there)
}

/// The same, or the client asked for a name that is not this machine's: then a proxy here has sent it.
fn is_relayed(request: &HttpRequest) -> bool {
    let host = request.headers().get(header::HOST);
    let is_local = |host: &HeaderValue| host.to_str().is_ok_and(is_loopback_host);
    is_forwarded(request) || !host.is_none_or(is_local)
}

/// Whom the limits of addresses count a request for.
pub(super) fn counted_for(request: &HttpRequest, limits: &AddressLimits) -> Option<AddressKey> {
    // A line that is no text hides those before it, as one that names no address does.
    let lines: Vec<&str> = request
        .headers()
        .get_all(&FORWARDED_FOR)
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    limits.client(request.peer_addr(), lines.into_iter(), is_relayed(request))
}

/// Counts a request.
pub(super) fn count_request(
    request: &HttpRequest,
    limits: &AddressLimits,
) -> Result<Option<AddressKey>, ApiError> {
    let counted_for = counted_for(request, limits);
    request.extensions_mut().insert(Asker {
        address: counted_for,
        identity: None,
    });
    check("request_rate", counted_for, &limits.requests)?;
    Ok(counted_for)
}

/// Counts a handshake, or a socket that is about to begin one.
pub(super) fn count_handshake(
    counted_for: Option<AddressKey>,
    limits: &AddressLimits,
) -> Result<(), ApiError> {
    check("handshake_rate", counted_for, &limits.handshakes)
}

fn check(
    rate: &'static str,
    counted_for: Option<AddressKey>,
    rates: &KeyedRates<AddressKey>,
) -> Result<(), ApiError> {
    let Some(address) = counted_for else {
        return Ok(());
    };
    rates.check(&address).map_err(|wait| {
        refusals().count(rate, LimitExceeded::PerKey, Some(&address));
        ApiError::rate_limited(wait)
    })
}
