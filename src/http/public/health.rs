//! `GET /healthz` and `GET /readyz`, with the aliases `/health` and `/ready`, for monitoring. No authentication; at the root
//! and behind the routing prefix.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::health::Health;
use crate::http::error::{ApiError, Details};
use crate::http::signed::authenticate::{NOT_STORED, respond, unsigned};

/// Names in this server and in others.
const HEALTH: [&str; 2] = ["/healthz", "/health"];
const READY: [&str; 2] = ["/readyz", "/ready"];

/// Facts that the health routes report.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The chain of its wallet, such as `mainnet`.
    pub network: String,
    /// Whether sockets are served.
    pub websockets: bool,
}

/// The process serves.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct HealthReport {
    /// Always true.
    ok: bool,
    /// Always `ok`.
    status: &'static str,
    /// Always `messagebox-server`.
    service: &'static str,
    /// The chain of the server's wallet, such as `mainnet`.
    network: String,
    /// Whether sockets are served.
    websockets: bool,
}

/// Everything that the server needs works.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ReadinessReport {
    /// Always `ready`.
    status: &'static str,
    /// What was checked and works.
    ready: Vec<&'static str>,
    /// What does not work, and the server does without meanwhile: `redis`, `wallet`, `headers`, `fcm`, `disk` (nearly full),
    /// `clock` (off by more than 10 s), `database_log` (missing).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<&'static str>,
}

/// Adds the routes behind this prefix.
pub(in crate::http) fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    // Whatever else is asked of these paths is answered as everywhere.
    for path in HEALTH {
        config.service(
            web::resource(format!("{prefix}{path}"))
                .route(web::get().to(health))
                .route(web::head().to(health))
                .default_service(web::route().to(respond)),
        );
    }
    for path in READY {
        config.service(
            web::resource(format!("{prefix}{path}"))
                .route(web::get().to(ready))
                .route(web::head().to(ready))
                .default_service(web::route().to(respond)),
        );
    }
}

async fn health(serving: web::Data<Serving>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(NOT_STORED)
        .json(HealthReport {
            ok: true,
            status: "ok",
            service: "messagebox-server",
            network: serving.network.clone(),
            websockets: serving.websockets,
        })
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let readiness = health.readiness().await;
    if readiness.not_ready.is_empty() {
        return HttpResponse::Ok()
            .insert_header(NOT_STORED)
            .json(ReadinessReport {
                status: "ready",
                ready: readiness.ready,
                degraded: readiness.degraded,
            });
    }
    let names = readiness.not_ready;
    unsigned(&ApiError {
        details: Box::new(Details {
            not_ready: Some(names.iter().map(ToString::to_string).collect()),
            ..Details::default()
        }),
        ..ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ERR_NOT_READY",
            format!("Not ready: {}.", names.join(", ")),
        )
    })
}
