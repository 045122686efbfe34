//! What the server says of itself: `OpenAPI` of its routes, `AsyncAPI` of its sockets, and a page to read the first in, all
//! of it without asking anybody else.

mod admin_failures;
mod failures;
mod openapi;
mod operations;
mod operators_data;
mod page;
mod requests;
mod shared_failures;
mod topics;

use std::future::{Ready, ready};

use actix_web::{HttpResponse, web};
use url::Url;
use utoipa::openapi::OpenApi;

use crate::http::public::public_address::public_address;

/// The `AsyncAPI` document; `tests/it/asyncapi.rs` holds it against the events that are sent.
const ASYNCAPI: &str = include_str!("asyncapi.yaml");

/// The `AsyncAPI` document of a server that is reached at this address, or at this machine.
fn asyncapi(address: Option<&str>, port: u16) -> String {
    let url = address.and_then(|address| Url::parse(address).ok());
    let host = url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(
            url.port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        )
    });
    let is_secure = url.is_some_and(|url| url.scheme() == "https");
    ASYNCAPI
        .replace(
            "{{host}}",
            &host.unwrap_or_else(|| format!("localhost:{port}")),
        )
        .replace("{{protocol}}", if is_secure { "wss" } else { "ws" })
}

/// The documents, as this server serves them.
#[derive(Clone)]
pub struct Docs {
    openapi: OpenApi,
    asyncapi: String,
}

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Docs")
    }
}

impl Docs {
    /// For a server whose routes have this prefix and that is reached at this address, if that is known, or else at this
    /// port of its machine.
    #[must_use]
    pub fn new(routing_prefix: &str, address: Option<&str>, port: u16) -> Self {
        let address = public_address(address);
        Self {
            openapi: openapi::describe(routing_prefix, address.as_deref()),
            asyncapi: asyncapi(address.as_deref(), port),
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
        let asyncapi = web::Bytes::from(self.asyncapi);
        let asyncapi = move || text("application/yaml", asyncapi.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_are_where_the_operator_says() {
        for (address, host, protocol) in [
            (None, "localhost:3322", "ws"),
            (Some("box.example"), "box.example", "wss"),
            (
                Some("https://box.example:8443/api"),
                "box.example:8443",
                "wss",
            ),
            (Some("http://[::1]:8080/"), "[::1]:8080", "ws"),
        ] {
            let text = Docs::new("", address, 3322).asyncapi;
            let expected = format!("    host: \"{host}\"\n    protocol: \"{protocol}\"\n");
            assert!(
                text.contains(&expected) && !text.contains("{{"),
                "{address:?}"
            );
        }
    }
}
