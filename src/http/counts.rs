//! Counts and logs responses. Gives each request an id, which its log lines and its response have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage as _};

use crate::metrics::RequestCounts;
use crate::telemetry::{self, AccessLine, TraceId};

use super::client_address::RequestOrigin;
use super::reply::FailureNote;
use super::routes;
use super::signed::handshake;

/// The response header with the id of the request's log lines.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The path of the sockets.
const SOCKETS: &str = "/socket.io";

/// For `App::wrap_fn`: counts each response by its route. Unknown paths count as one route.
///
/// # Errors
/// Those of the service.
pub fn count_answers<S, B>(
    counts: Arc<RequestCounts>,
    prefix: &str,
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let (began, route) = (Instant::now(), label(request.path(), prefix));
    let id = TraceId::random();
    let answer = telemetry::under(Some(id), service.call(request));
    async move {
        let mut answer = answer.await?;
        counts.answered.add_one((route, class(answer.status())));
        if let Some(failed) = answer.response().extensions().get::<FailureNote>() {
            counts.failures.add_one(failed.code);
        }
        if let Ok(text) = HeaderValue::from_str(&id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, text);
        }
        telemetry::within(Some(id), || log_access(&answer, began.elapsed()));
        if route != SOCKETS {
            counts.time.record_time(began.elapsed());
        }
        Ok(answer)
    }
}

fn log_access<B: MessageBody>(answer: &ServiceResponse<B>, took: Duration) {
    let status = answer.status();
    telemetry::access(status.is_client_error() || status.is_server_error(), || {
        let request = answer.request();
        let origin = request.extensions().get::<RequestOrigin>().copied();
        let origin = origin.unwrap_or_default();
        let peer = || request.peer_addr().map(|peer| peer.ip().to_string());
        let left = answer.response().extensions();
        let refusal = left.get::<FailureNote>();
        let refusal = refusal.map(|failed| (failed.code, &*failed.reason));
        let access = AccessLine {
            method: request.method().as_str(),
            what: request.path(),
            status: Some(status.as_u16()),
            refusal,
            address: origin.address.map(|key| key.to_string()).or_else(peer),
            identity: origin.identity.map(|key| key.shortened()),
            took: Some(took),
            bytes: match answer.response().body().size() {
                BodySize::Sized(bytes) => Some(bytes),
                BodySize::None | BodySize::Stream => None,
            },
        };
        access.to_string()
    });
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

fn label(path: &str, prefix: &str) -> &'static str {
    let path = path.strip_prefix(prefix).unwrap_or(path);
    if let Some(route) = routes::name(path) {
        return route;
    }
    let is_under = |folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let known = [
        handshake::PATH,
        SOCKETS,
        "/admin",
        "/metrics",
        "/healthz",
        "/health",
        "/readyz",
        "/ready",
        "/info",
        "/docs",
    ];
    known
        .into_iter()
        .find(|folder| is_under(folder))
        .unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_of_a_fixed_list() {
        for (path, expected) in [
            ("/sendMessage", "/sendMessage"),
            ("/api/sendMessage", "/sendMessage"),
            ("/socket.io/", "/socket.io"),
            ("/admin/rooms/x", "/admin"),
            ("/metrics", "/metrics"),
            ("/metricsx", "other"),
            ("/sendMessage/x", "other"),
            ("/", "other"),
        ] {
            assert_eq!(label(path, "/api"), expected, "{path}");
        }
    }
}
