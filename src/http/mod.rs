//! The actix-web shell: routes, middleware, polling and websocket transports.

mod admin;
mod buffers;
mod client_address;
mod cors;
mod counts;
mod docs;
mod entry;
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
pub use cors::cors;
pub use counts::count_answers;
pub use docs::Docs;
pub use entry::{Extras, configure};
pub use error::ApiError;
pub use listen::{
    HeaderLimits, ListenerSettings, TcpSettings, WatchSettings, Watched, listen,
    refuse_large_headers, watch_answers,
};
pub use public::health::Serving;
pub use public::home::{Home, HomePlace};
pub use public::info::{Info, InfoFeatures, InfoLimits, InfoPrices, InfoQuotas, InfoRetention};
pub use public::pages::protect_pages;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use routes::fuzzing;
pub use routes::{LIST_PAGE, is_route};
pub use signed::{Claimed, SharedSessions, VerifiedRequest};
pub use state::{HttpLimits, HttpState};
pub use transport::{Endpoint, OpenApplication, engineio_off, engineio_scope};
