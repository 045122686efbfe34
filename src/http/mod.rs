//! The actix-web shell: routes, middleware, polling and websocket transports.

mod admin;
mod authenticate;
mod body;
mod certificates;
mod client_address;
mod connection;
mod connection_watch;
mod counts;
mod docs;
mod engineio_endpoint;
mod error;
mod fragments;
mod frame_lengths;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod heads;
mod health;
mod listener;
mod migrate;
mod polling;
mod reply;
mod request_scope;
mod routes;
mod session_lookup;
mod shared_sessions;
mod state;
mod websocket;
mod websocket_body;
mod websocket_input;

pub use admin::AdminState;
pub use authenticate::respond;
pub use body::BodyMemory;
pub use connection::TcpSettings;
pub use connection_watch::{WatchSettings, Watched, watch_answers};
pub use counts::count_answers;
pub use docs::Docs;
pub use engineio_endpoint::{Endpoint, OpenApplication, engineio_scope};
pub use error::ApiError;
pub use heads::{HeadLimits, refuse_large_heads};
pub use listener::{ListenerSettings, listen};
pub use migrate::MigrateState;
pub use routes::is_route;
pub use shared_sessions::{Claimed, SharedSessions, VerifiedRequest};
pub use state::{HttpLimits, HttpState};

use actix_web::http::header::HeaderName;
use actix_web::middleware::DefaultHeaders;
use actix_web::web;

use crate::health::Health;

/// CORS as the servers in use have it, on every response: any origin, method and header.
#[must_use]
pub fn cors() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("access-control-allow-origin", "*"))
        .add(("access-control-allow-headers", "*"))
        .add(("access-control-allow-methods", "*"))
        .add(("access-control-expose-headers", "*"))
        .add((
            HeaderName::from_static("access-control-allow-private-network"),
            "true",
        ))
}

/// What is served beside sockets and authenticated requests, where the operator wants it.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// `POST /admin/migrate`; without it the route does not exist.
    pub migrate: Option<MigrateState>,
    /// `/docs`.
    pub docs: Option<Docs>,
    /// `/healthz` and `/readyz`.
    pub health: Option<Health>,
}

/// Everything that is not a socket: preflights, documents, handshakes and authenticated requests.
pub fn configure(state: HttpState, extras: Extras) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        if let Some(migrate) = extras.migrate {
            let path = format!("{}{}", state.routing_prefix, migrate::PATH);
            config
                .app_data(web::Data::new(migrate))
                .route(&path, web::post().to(migrate::respond));
        }
        if let Some(health) = extras.health {
            config.app_data(web::Data::new(health));
            health::configure(config, "");
            if !state.routing_prefix.is_empty() {
                health::configure(config, &state.routing_prefix);
            }
        }
        if let Some(docs) = extras.docs {
            docs.configure(config);
        }
        if state.admin.is_some() {
            admin::configure(config, "");
            if !state.routing_prefix.is_empty() {
                admin::configure(config, &state.routing_prefix);
            }
        }
        config
            .app_data(web::Data::new(state))
            .default_service(web::route().to(respond));
    }
}
