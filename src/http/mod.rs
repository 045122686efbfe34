//! The actix-web shell: routes, middleware, polling and websocket transports.

mod admin;
mod buffers;
mod client_address;
mod counts;
mod docs;
mod error;
mod listen;
mod public;
mod reply;
mod routes;
mod signed;
mod state;
mod transport;

pub use admin::{AdminState, MigrateState, end_refused};
pub use buffers::body::BodyMemory;
pub use counts::count_answers;
pub use docs::Docs;
pub use error::ApiError;
pub use listen::{
    HeadLimits, ListenerSettings, TcpSettings, WatchSettings, Watched, listen, refuse_large_heads,
    watch_answers,
};
pub use public::health::Serving;
pub use public::home::{Home, HomePlace};
pub use public::info::{Info, InfoFeatures, InfoLimits, InfoPrices, InfoQuotas, InfoRetention};
pub use public::protect_pages;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use routes::fuzzing;
pub use routes::{LIST_PAGE, is_route};
pub use signed::authenticate::respond;
pub use signed::{Claimed, SharedSessions, VerifiedRequest};
pub use state::{HttpLimits, HttpState};
pub use transport::{Endpoint, OpenApplication, engineio_off, engineio_scope};

use actix_web::http::header::HeaderName;
use actix_web::middleware::DefaultHeaders;
use actix_web::web;

use crate::health::Health;
use crate::live::Live;

/// Headers that a page in a browser may read. The star stands for them all, but not where a page asks with credentials.
const EXPOSED_HEADERS: &str = "*, x-bsv-auth-version, x-bsv-auth-identity-key, x-bsv-auth-message-type, x-bsv-auth-nonce, \
     x-bsv-auth-your-nonce, x-bsv-auth-initial-nonce, x-bsv-auth-signature, x-bsv-auth-request-id, \
     x-bsv-auth-requested-certificates, x-bsv-identity-key, x-bsv-payment-version, x-bsv-payment-satoshis-required, \
     x-bsv-payment-derivation-prefix, x-bsv-payment-satoshis-paid, x-bsv-payment-known-txids, \
     x-bsv-payment-transports, retry-after, x-request-id";

/// CORS on every response: any origin, method and header.
#[must_use]
pub fn cors() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("access-control-allow-origin", "*"))
        // The star does not stand for this one.
        .add(("access-control-allow-headers", "*, authorization"))
        .add(("access-control-allow-methods", "*"))
        .add(("access-control-expose-headers", EXPOSED_HEADERS))
        .add(("access-control-max-age", "600"))
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
    /// `/healthz` and `/readyz`, and what the first says.
    pub health: Option<(Health, Serving)>,
    /// The page at the root, for browsers.
    pub home: Option<Home>,
    /// `/info`.
    pub info: Option<Live<Info>>,
}

/// Everything that is not a socket: preflights, documents, handshakes and authenticated requests.
pub fn configure(state: HttpState, extras: Extras) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        if let Some(migrate) = extras.migrate {
            let path = format!("{}{}", state.routing_prefix, admin::migrate::PATH);
            config
                .app_data(web::Data::new(migrate))
                .route(&path, web::post().to(admin::migrate::respond));
        }
        let mut prefixes = vec![""];
        if !state.routing_prefix.is_empty() {
            prefixes.push(&state.routing_prefix);
        }
        if let Some(info) = extras.info {
            public::info::configure(config, &prefixes, info);
        }
        if let Some((health, serving)) = extras.health {
            config
                .app_data(web::Data::new(health))
                .app_data(web::Data::new(serving));
            public::health::configure(config, "");
            if !state.routing_prefix.is_empty() {
                public::health::configure(config, &state.routing_prefix);
            }
        }
        if let Some(home) = extras.home {
            home.configure(config);
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
