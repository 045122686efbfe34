//! `GET /healthz` and `GET /readyz`, with the aliases `/health` and `/ready`, for monitoring.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::health::Health;
use crate::http::error::{ApiError, Details};
use crate::http::reply::RouteReply;

use super::open_route::open_route;

/// Facts that the health route reports.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The chain of the server's wallet, such as `mainnet`.
    pub network: String,
    /// Whether sockets are enabled.
    pub websockets: bool,
}

/// The process serves requests.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct HealthReport {
    /// True in every response.
    ok: bool,
    /// The word `ok` in every response.
    status: &'static str,
    /// The program: always `messagebox-server`.
    service: &'static str,
    /// The chain of the server's wallet, such as `mainnet`.
    network: String,
    /// Whether sockets are enabled.
    websockets: bool,
}

/// Everything that the server needs works.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ReadinessReport {
    /// The word `ready` in every success.
    status: &'static str,
    /// Names of the checks that passed.
    ready: Vec<&'static str>,
    /// Failed checks that do not stop the server: `redis`, `wallet`, `headers`, `fcm`, `disk`, `clock`, `database_log`. The
    /// disk is nearly full, the clock is off by more than 10 s, the log is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<&'static str>,
}

/// Adds the routes behind these prefixes.
pub(in crate::http) fn configure(
    config: &mut web::ServiceConfig,
    prefixes: &[&str],
    (checks, serving): (Health, Serving),
) {
    config
        .app_data(web::Data::new(checks))
        .app_data(web::Data::new(serving));
    for path in ["/healthz", "/health"] {
        open_route(config, prefixes, path, &health);
    }
    for path in ["/readyz", "/ready"] {
        open_route(config, prefixes, path, &ready);
    }
}

async fn health(serving: web::Data<Serving>) -> HttpResponse {
    let report = HealthReport {
        ok: true,
        status: "ok",
        service: "messagebox-server",
        network: serving.network.clone(),
        websockets: serving.websockets,
    };
    RouteReply::json(&report).unsigned()
}

async fn ready(checks: web::Data<Health>) -> Result<HttpResponse, ApiError> {
    let readiness = checks.readiness().await;
    let failed = readiness.not_ready;
    if failed.is_empty() {
        let report = ReadinessReport {
            status: "ready",
            ready: readiness.ready,
            degraded: readiness.degraded,
        };
        return Ok(RouteReply::json(&report).unsigned());
    }
    let description = format!("Not ready: {}.", failed.join(", "));
    Err(
        ApiError::unavailable("ERR_NOT_READY", description).with_details(Details {
            not_ready: Some(failed.iter().map(ToString::to_string).collect()),
            ..Details::default()
        }),
    )
}
