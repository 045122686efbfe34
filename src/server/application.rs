//! The HTTP application: its routes, its state, and the listener.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::App;
use actix_web::dev::Server as HttpService;

use crate::auth::Identity;
use crate::authsocket::{AuthSocketService, AuthSocketSession};
use crate::config::Settings;
use crate::db::DbHandle;
use crate::delivery::{Delivery, RequestPrices};
use crate::health::Health;
use crate::http::{
    self, Docs, Endpoint, Extras, HttpState, MigrateState, configure, cors, count_answers,
    engineio_off, engineio_scope, protect_pages, refuse_large_headers, watch_answers,
};
use crate::socket::{Opening, SocketTable};

use super::error::ServerError;
use super::info;
use super::layer_settings::{
    engineio_config, head_limits, http_limits, listen_address, listener_settings, session_limits,
};

/// The parts of the HTTP application of a worker.
#[derive(Debug, Clone)]
pub(super) struct ServerParts {
    pub(super) endpoint: Option<Endpoint<AuthSocketSession>>,
    pub(super) state: HttpState,
    pub(super) extras: Extras,
}

pub(super) fn listen(
    settings: &Settings,
    parts: ServerParts,
) -> Result<(HttpService, SocketAddr), ServerError> {
    let prefix = settings.routing_prefix();
    let heads = head_limits(settings);
    let listener = listener_settings(settings, &parts.state);
    let mut socket_paths = vec!["/socket.io".to_owned()];
    if !prefix.is_empty() {
        socket_paths.push(format!("{prefix}/socket.io"));
    }
    let counted_prefix = prefix;
    let app = move || {
        let ServerParts {
            endpoint,
            state,
            extras,
        } = &parts;
        // One per worker: all workers would contend for a shared counter.
        let counts = Rc::new((Arc::clone(&state.requests), counted_prefix.clone()));
        let routes = configure(state.clone(), extras.clone());
        let mut app = App::new()
            .wrap_fn(move |request, service| refuse_large_headers(heads, request, service))
            .wrap_fn(watch_answers)
            .wrap_fn(protect_pages)
            .wrap(cors())
            .wrap_fn(move |request, service| {
                let (counts, prefix) = &*counts;
                count_answers(Arc::clone(counts), prefix, request, service)
            })
            .configure(routes);
        for path in &socket_paths {
            app = app.service(match endpoint {
                Some(endpoint) => engineio_scope(path, endpoint.clone()),
                None => engineio_off(path),
            });
        }
        app
    };
    let target = (settings.server.host.as_str(), settings.port());
    http::listen(target, &listener, app).map_err(|cause| ServerError::Listen {
        address: listen_address(settings),
        cause,
    })
}

pub(super) fn endpoint(
    settings: &Settings,
    sockets: &Arc<SocketTable<AuthSocketSession>>,
    service: &Arc<AuthSocketService>,
    state: &HttpState,
) -> Option<Endpoint<AuthSocketSession>> {
    let service = Arc::clone(service);
    settings.socket.enabled.then(|| Endpoint {
        config: Arc::new(engineio_config(settings)),
        table: Arc::clone(sockets),
        bodies: state.bodies.clone(),
        addresses: Arc::clone(&state.addresses),
        open: Arc::new(move |opening: &Opening| {
            AuthSocketSession::new(Arc::clone(&service), opening)
        }),
    })
}

pub(super) fn http_state(
    settings: &Settings,
    identity: &Arc<Identity>,
    delivery: Delivery,
    db: &DbHandle,
    prices: RequestPrices,
) -> HttpState {
    let prefix = settings.routing_prefix();
    HttpState::new(
        Arc::clone(identity),
        delivery,
        db.clone(),
        &prefix,
        http_limits(settings),
        prices,
        session_limits(settings),
    )
}

pub(super) fn extras(
    settings: &Settings,
    migrate_key: Option<&str>,
    db: &DbHandle,
    health: &Health,
) -> Extras {
    let (server, prefix) = (&settings.server, settings.routing_prefix());
    let address = server.hosting_domain.as_deref();
    let docs = || Docs::new(&prefix, address, settings.port());
    Extras {
        migrate: migrate_key.map(|key| MigrateState::new(db.clone(), key)),
        docs: server.docs.then(docs),
        health: Some((health.clone(), info::serving(settings))),
        home: None,
        info: None,
    }
}
