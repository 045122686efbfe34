//! Documents of the server's interfaces: `OpenAPI` of its routes, `AsyncAPI` of its sockets, and a page that shows the first.
//! Nothing is loaded from other sites.

#[rustfmt::skip]
mod admin_failures;
mod admin_operations;
#[rustfmt::skip]
mod failures;
mod openapi;
mod operation;
mod operations;
mod page;
mod requests;
mod schemas;
#[rustfmt::skip]
mod shared_failures;

use actix_web::web;
use url::Url;

use super::public::public_address::public_address;
use page::text;

/// The `AsyncAPI` document. `tests/it/asyncapi.rs` compares it with the events that the server sends.
const ASYNCAPI: &str = include_str!("asyncapi.yaml");

/// Fills in the public address, or else `localhost` and this port.
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

/// The documents of this server.
#[derive(Debug, Clone)]
pub struct Docs {
    openapi: String,
    asyncapi: String,
}

impl Docs {
    /// Writes the documents of a server with this routing prefix. `address` is the server's public address, if it has one.
    /// Otherwise the documents name this port of the machine.
    #[must_use]
    pub fn new(routing_prefix: &str, address: Option<&str>, port: u16) -> Self {
        let address = public_address(address);
        let openapi = openapi::describe(routing_prefix, address.as_deref());
        Self {
            openapi: openapi.to_json().unwrap_or_default(),
            asyncapi: asyncapi(address.as_deref(), port),
        }
    }

    pub(super) fn configure(self, config: &mut web::ServiceConfig) {
        let openapi = web::Bytes::from(self.openapi);
        // The servers in use have the second path.
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
