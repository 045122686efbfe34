//! The way of a request, from top to bottom: preflight, rate limit, admins, handshake, verification, route, signature.

use actix_web::http::Method;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};

use crate::health::Health;
use crate::live::Live;

use super::admin::{self, MigrateState};
use super::client_address::{RequestOrigin, count_request};
use super::docs::Docs;
use super::error::ApiError;
use super::public::health::{self, Serving};
use super::public::home::Home;
use super::public::info::{self, Info};
use super::reply::RouteReply;
use super::routes;
use super::signed::exchange::{AdmittedRequest, Exchange};
use super::signed::handshake;
use super::signed::refusal::RequestRefusal;
use super::state::HttpState;

/// Optional routes beside sockets and signed requests.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// `POST /admin/migrate`, for deployment scripts.
    pub migrate: Option<MigrateState>,
    /// `/docs`: the documents and their page.
    pub docs: Option<Docs>,
    /// `/healthz` and `/readyz`: the checks, and what `/healthz` reports.
    pub health: Option<(Health, Serving)>,
    /// The page at the root, for browsers.
    pub home: Option<Home>,
    /// `/info`: limits, prices and features.
    pub info: Option<Live<Info>>,
}

/// Adds every route but the sockets. Requests that match none of the optional routes go to `respond`.
pub fn configure(state: HttpState, extras: Extras) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        let mut prefixes = vec![""];
        if !state.routing_prefix.is_empty() {
            prefixes.push(&state.routing_prefix);
        }
        if let Some(migrate) = extras.migrate {
            migrate.configure(config, &state.routing_prefix);
        }
        if let Some(info) = extras.info {
            info::configure(config, &prefixes, info);
        }
        if let Some(health) = extras.health {
            health::configure(config, &prefixes, health);
        }
        if let Some(home) = extras.home {
            home.configure(config);
        }
        if let Some(docs) = extras.docs {
            docs.configure(config);
        }
        config
            .app_data(web::Data::new(state))
            .default_service(web::route().to(respond));
    }
}

/// Answers a request. Without a valid signature every path gets the same answer, whether its route exists or not.
async fn respond(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::Ok().body("OK"));
    }
    let address = count_request(&request, &state.addresses)?;
    if let Some(response) = admin::respond_unsigned(&request, &state).await {
        return Ok(response);
    }
    if request.method() == Method::HEAD {
        // The signature would cover an empty body, which old and new clients encode differently.
        return Err(ApiError::method_not_allowed("GET, POST"));
    }
    if request.path() == handshake::PATH {
        return handshake::respond(&request, payload, address, &state).await;
    }
    let exchange = Exchange::begin(&request, address, &state).await?;
    let max_bytes = routes::max_body_bytes(request.path(), &state);
    let reply = match exchange.verify(payload, max_bytes).await {
        Ok(verified) => answer(&request, &exchange, verified, &state).await?,
        Err(RequestRefusal::Signed(error)) => error.into(),
        Err(RequestRefusal::Unsigned(error)) => return Err(error),
    };
    exchange.sign(reply).await
}

/// Answers a verified request. An `Err` is not signed: the request turned out to be a replay, or its session has ended.
async fn answer(
    request: &HttpRequest,
    exchange: &Exchange<'_>,
    AdmittedRequest { body, scope }: AdmittedRequest,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let caller = exchange.caller();
    request.extensions_mut().insert(RequestOrigin {
        address: scope.address(),
        identity: Some(caller),
    });
    let (state, scope) = state.scoped(scope);
    let reply = match admin::answer_signed(request, &caller, &state).await {
        Some(reply) => reply,
        // After the routes of admins: an admin whose own key is not served can still mend the lists.
        None => match state.db.identity_lists().check(&caller) {
            Ok(()) => routes::respond(request, caller, &body, &state).await.into(),
            Err(refused) => ApiError::from(refused).into(),
        },
    };
    match scope.refusal() {
        Some(error) => Err(exchange.withdraw(error)),
        None => Ok(reply),
    }
}
