//! What the server says of itself: `OpenAPI` of its routes, `AsyncAPI` of its sockets, and a page to read the first in, all
//! of it without asking anybody else.

mod admin_failures;
mod failures;
mod openapi;
mod operations;
mod requests;
mod shared_failures;

use actix_web::{HttpResponse, web};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

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
        let yaml = || async {
            HttpResponse::Ok()
                .content_type("application/yaml")
                .body(ASYNCAPI)
        };
        // The page tries nothing out, because it cannot sign, and asks nobody else whether the document is right.
        let config_of_page = Config::default()
            .supported_submit_methods([""; 0])
            .validator_url("none");
        let page = SwaggerUi::new("/docs/{_:.*}")
            .config(config_of_page)
            .url("/docs/openapi.json", self.openapi.clone());
        let openapi = web::Bytes::from(self.openapi.to_json().unwrap_or_default());
        config
            .route("/docs/asyncapi.yaml", web::get().to(yaml))
            .route(
                // Where the servers in use have it.
                "/openapi.json",
                web::get().to(move || {
                    let openapi = openapi.clone();
                    async move {
                        HttpResponse::Ok()
                            .content_type("application/json")
                            .body(openapi)
                    }
                }),
            )
            .route(
                "/docs",
                web::get().to(|| async {
                    HttpResponse::Found()
                        .insert_header(("location", "/docs/"))
                        .finish()
                }),
            )
            .service(page);
    }
}
