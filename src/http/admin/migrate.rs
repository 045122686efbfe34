//! `POST /admin/migrate`: brings the tables up to date for whoever has the operator's key. It is no BRC-104 route: it
//! is for a deployment script, and it is needed before anybody else can be served.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use crate::auth::sha256;
use crate::db::DbHandle;
use crate::http::client_address::{count_handshake, count_request};
use crate::http::error::{ApiError, store_error};
use crate::http::signed::authenticate::unsigned;
use crate::http::state::HttpState;
use crate::limits::AddressLimits;

/// Where it is, behind the routing prefix.
pub(in crate::http) const PATH: &str = "/admin/migrate";

/// What the route needs. Cheap to clone.
#[derive(Clone)]
pub struct MigrateState {
    db: DbHandle,
    /// SHA-256 of the key: of one length, whatever is compared with it.
    digest: [u8; 32],
}

impl std::fmt::Debug for MigrateState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MigrateState")
    }
}

impl MigrateState {
    /// For who brings this key.
    #[must_use]
    pub fn new(db: DbHandle, key: &str) -> Self {
        Self {
            db,
            digest: sha256(key.as_bytes()),
        }
    }

    fn admits(&self, request: &HttpRequest) -> bool {
        let value = request.headers().get(header::AUTHORIZATION);
        let key = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        key.is_some_and(|key| bool::from(sha256(key.trim().as_bytes()).ct_eq(&self.digest)))
    }
}

/// The tables are up to date.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Migrated {
    /// Always `success`.
    status: &'static str,
    /// Migrations that were applied now, in their order.
    applied: Vec<String>,
}

/// A guess counts as a handshake, of which an address has few.
fn admit(
    request: &HttpRequest,
    state: &MigrateState,
    addresses: &AddressLimits,
) -> Result<(), ApiError> {
    let counted_for = count_request(request, addresses)?;
    if state.admits(request) {
        return Ok(());
    }
    count_handshake(counted_for, addresses)?;
    Err(ApiError::new(
        StatusCode::UNAUTHORIZED,
        "ERR_INVALID_MIGRATE_KEY",
        "The migrate key is missing or wrong.",
    ))
}

/// Applies what was not applied yet, and says what it was.
pub(in crate::http) async fn respond(
    request: HttpRequest,
    state: web::Data<MigrateState>,
    shared: web::Data<HttpState>,
) -> HttpResponse {
    if let Err(error) = admit(&request, &state, &shared.addresses) {
        return unsigned(&error);
    }
    match state.db.migrate().await {
        Ok(applied) => HttpResponse::Ok().json(Migrated {
            status: "success",
            applied,
        }),
        Err(error) => {
            let description = "The migration failed; see the log.";
            unsigned(&store_error(&error, "ERR_MIGRATION_FAILED", description))
        }
    }
}
