//! Counts what is answered, and gives each request an id that its log lines bear.

use std::sync::Arc;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;

use crate::metrics::RequestCounts;
use crate::telemetry;

use super::{handshake, routes};

/// The code of a failure, left with the response for who counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed(pub(super) &'static str);

/// Where sockets are.
const SOCKETS: &str = "/socket.io";

/// For `App::wrap_fn`: counts each answer by its route, which is one of a fixed list whatever is asked for.
///
/// # Errors
/// The service's own.
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
    let answer = telemetry::traced(service.call(request));
    async move {
        let answer = answer.await?;
        counts.answered.add_one((route, class(answer.status())));
        if let Some(Failed(code)) = answer.response().extensions().get() {
            counts.failures.add_one(code);
        }
        if route != SOCKETS {
            counts.time.record_time(began.elapsed());
        }
        Ok(answer)
    }
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
