//! What the server says of itself: `OpenAPI` of its routes, `AsyncAPI` of its sockets, and a page to read the first in, all
//! of it without asking anybody else.

mod admin_failures;
mod failures;
mod openapi;
mod operations;
mod page;
mod requests;
mod shared_failures;

use std::future::{Ready, ready};

use actix_web::{HttpResponse, web};
use utoipa::openapi::OpenApi;

/// The `AsyncAPI` document; `tests/it/asyncapi.rs` holds it against the events that are sent.
const ASYNCAPI: &str = include_str!("asyncapi.yaml");

/// The documents, as this server serves them.
#[derive(Clone)]
pub struct Docs {
    openapi: OpenApi,
}

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Docs")
    }
}

impl Docs {
    /// For a server whose routes have this prefix and that is reached at this address, if that is known.
    #[must_use]
    pub fn new(routing_prefix: &str, address: Option<&str>) -> Self {
        Self {
            openapi: openapi::describe(routing_prefix, address),
        }
    }

    pub(super) fn configure(self, config: &mut web::ServiceConfig) {
        let openapi = web::Bytes::from(self.openapi.to_json().unwrap_or_default());
        // The second is where the servers in use have it.
        for path in ["/docs/openapi.json", "/openapi.json"] {
            let openapi = openapi.clone();
            let answer = move || text("application/json", openapi.clone());
            config.route(path, web::get().to(answer));
        }
        let asyncapi = || text("application/yaml", ASYNCAPI);
        config.route("/docs/asyncapi.yaml", web::get().to(asyncapi));
        page::configure(config);
    }
}

fn text(content_type: &'static str, body: impl Into<web::Bytes>) -> Ready<HttpResponse> {
    let answer = HttpResponse::Ok()
        .content_type(content_type)
        .body(body.into());
    ready(answer)
}
