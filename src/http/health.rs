//! `GET /healthz` and `GET /readyz`, for who watches over the server: no authentication, at the root of the origin and
//! behind the routing prefix.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::health::Health;

use super::authenticate::{NOT_STORED, respond, unsigned};
use super::error::{ApiError, Details};
use super::routes::bodies::Success;

pub(super) const HEALTHZ: &str = "/healthz";
pub(super) const READYZ: &str = "/readyz";

/// Everything that the server needs works.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ReadinessReport {
    /// Always `success`.
    status: &'static str,
    /// What was checked and works.
    ready: Vec<&'static str>,
    /// What does not work, and the server does without meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<&'static str>,
}

/// Adds both routes behind this prefix.
pub(super) fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    // Whatever else is asked of these paths is answered as everywhere.
    config
        .service(
            web::resource(format!("{prefix}{HEALTHZ}"))
                .route(web::get().to(healthz))
                .route(web::head().to(healthz))
                .default_service(web::route().to(respond)),
        )
        .service(
            web::resource(format!("{prefix}{READYZ}"))
                .route(web::get().to(readyz))
                .route(web::head().to(readyz))
                .default_service(web::route().to(respond)),
        );
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(NOT_STORED)
        .json(Success::new())
}

async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let readiness = health.readiness().await;
    if readiness.not_ready.is_empty() {
        return HttpResponse::Ok()
            .insert_header(NOT_STORED)
            .json(ReadinessReport {
                status: "success",
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
