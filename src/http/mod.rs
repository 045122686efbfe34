//! The actix-web shell: routes, middleware, polling and websocket transports.

mod authenticate;
mod body;
mod certificates;
mod engineio_endpoint;
mod error;
mod fragments;
mod handshake;
mod polling;
mod reply;
mod routes;
mod state;
mod tcp;
mod websocket;

pub use authenticate::respond;
pub use engineio_endpoint::{Endpoint, engineio_scope};
pub use error::ApiError;
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

/// Everything that is not a socket: preflights, handshakes and authenticated requests.
pub fn configure(state: HttpState) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(state))
            .default_service(web::route().to(respond));
    }
}
