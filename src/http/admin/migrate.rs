//! `POST /admin/migrate`: applies missing migrations for a caller with the operator's key. The route is not part of BRC-104:
//! deployment scripts call it before the server can serve anybody else.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use crate::auth::sha256;
use crate::db::DbHandle;
use crate::http::client_address::{count_handshake, count_request};
use crate::http::error::{ApiError, store_error};
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;

/// Behind the routing prefix.
const PATH: &str = "/admin/migrate";

/// What the route uses. Cheap to clone.
#[derive(Clone)]
pub struct MigrateState {
    db: DbHandle,
    /// SHA-256 of the key, so that comparing takes the same time for keys of any length.
    digest: [u8; 32],
}

impl std::fmt::Debug for MigrateState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MigrateState")
    }
}

impl MigrateState {
    /// Admits callers with this key.
    #[must_use]
    pub fn new(db: DbHandle, key: &str) -> Self {
        Self {
            db,
            digest: sha256(key.as_bytes()),
        }
    }

    pub(in crate::http) fn configure(self, config: &mut web::ServiceConfig, routing_prefix: &str) {
        config
            .app_data(web::Data::new(self))
            .route(&format!("{routing_prefix}{PATH}"), web::post().to(respond));
    }

    fn admits(&self, request: &HttpRequest) -> bool {
        let value = request.headers().get(header::AUTHORIZATION);
        let key = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        key.is_some_and(|key| bool::from(sha256(key.trim().as_bytes()).ct_eq(&self.digest)))
    }
}

/// The schema is up to date.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Migrated {
    /// Migrations that this request applied, in order.
    applied: Vec<String>,
}

async fn respond(
    request: HttpRequest,
    state: web::Data<MigrateState>,
    shared: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let address = count_request(&request, &shared.addresses)?;
    if !state.admits(&request) {
        // A guess counts as a handshake: an address has few of those.
        count_handshake(address, &shared.addresses)?;
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "ERR_INVALID_MIGRATE_KEY",
            "The migrate key is missing or wrong.",
        ));
    }
    let applied = state.db.migrate().await.map_err(store_error(
        "ERR_MIGRATION_FAILED",
        "The migration failed; see the log.",
    ))?;
    Ok(RouteReply::success(&Migrated { applied }).unsigned())
}
