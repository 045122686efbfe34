//! The actix-web shell: routes, middleware, polling and websocket transports.

mod authenticate;
mod body;
mod certificates;
mod docs;
mod engineio_endpoint;
mod error;
mod fragments;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod migrate;
mod polling;
mod reply;
mod routes;
mod state;
mod tcp;
mod websocket;
mod websocket_body;

pub use authenticate::respond;
pub use body::BodyMemory;
pub use docs::Docs;
pub use engineio_endpoint::{Endpoint, engineio_scope};
pub use error::ApiError;
pub use migrate::MigrateState;
pub use routes::is_route;
pub use state::{HttpLimits, HttpState};
pub use tcp::{TcpSettings, on_connect};

use actix_web::http::header::HeaderName;
use actix_web::middleware::DefaultHeaders;
use actix_web::web;

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
        if let Some(docs) = extras.docs {
            docs.configure(config);
        }
        config
            .app_data(web::Data::new(state))
            .default_service(web::route().to(respond));
    }
}
