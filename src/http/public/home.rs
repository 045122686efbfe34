//! The page that a browser gets at the root: what this server is, what it offers, and a first message to it.
//!
//! Only a request that accepts `text/html` gets the page. Any other client is answered as at every other path.

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::guard::{self, GuardContext};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::signed::authenticate::{NOT_STORED, respond};

use super::info::Info;
use super::public_address::public_address;

const PAGE: &str = include_str!("home/page.html");

/// The example's host, as `first.mjs` has it.
const EXAMPLE_HOST: &str = "http://localhost:8080";

/// Where the page is, and its links: the server offers a link only to what anybody may open.
#[derive(Debug, Clone)]
pub struct HomePlace {
    /// The public address, if the operator has set one.
    pub address: Option<String>,
    /// The prefix of all routes: empty, or `/x`.
    pub routing_prefix: String,
    /// Whether `/docs` is on.
    pub docs: bool,
    /// Whether anybody may read `/metrics`.
    pub metrics: bool,
    /// Whether anybody may open the dashboard.
    pub dashboard: bool,
}

/// The page, ready but for the nonce and the address.
#[derive(Debug, Clone)]
pub struct Home {
    page: Arc<str>,
    address: Option<Arc<str>>,
    prefix: Arc<str>,
}

impl Home {
    /// Writes the page for this description of the server.
    #[must_use]
    pub fn new(info: &Info, place: &HomePlace) -> Self {
        let page = PAGE
            .replace("__VERSION__", info.version)
            .replace("__FACTS__", &rows(info))
            .replace("__LINKS__", &links(place))
            .replace("__EXAMPLE__", &escaped(include_str!("home/first.mjs")));
        Self {
            page: page.into(),
            address: public_address(place.address.as_deref()).map(Into::into),
            prefix: place.routing_prefix.as_str().into(),
        }
    }

    pub(in crate::http) fn configure(self, config: &mut web::ServiceConfig) {
        let mut paths = vec!["/".to_owned()];
        if !self.prefix.is_empty() {
            paths.extend([self.prefix.to_string(), format!("{}/", self.prefix)]);
        }
        for path in paths {
            let home = self.clone();
            let page = move |request: HttpRequest| {
                let page = home.page_for(&request);
                async move { page }
            };
            let for_browsers = web::get().guard(guard::fn_guard(accepts_html)).to(page);
            config.service(
                web::resource(path)
                    .route(for_browsers)
                    .default_service(web::route().to(respond)),
            );
        }
    }

    fn page_for(&self, request: &HttpRequest) -> HttpResponse {
        let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let origin = match &self.address {
            Some(address) => address.to_string(),
            None => requested_origin(request),
        };
        let host = escaped(&format!("{origin}{}", self.prefix));
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header(NOT_STORED)
            .insert_header((header::VARY, "Accept"))
            .insert_header((header::CONTENT_SECURITY_POLICY, policy))
            .body(
                self.page
                    .replace(EXAMPLE_HOST, &host)
                    .replace("__NONCE__", &nonce),
            )
    }
}

/// Whether the client lists `text/html` in `Accept` by name: browsers do, and API clients send `*/*` or nothing.
fn accepts_html(context: &GuardContext<'_>) -> bool {
    let values = context.head().headers().get_all(header::ACCEPT);
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_html = parts
                .next()
                .is_some_and(|media| media.eq_ignore_ascii_case("text/html"));
            let refused = |part: &str| {
                let weight = part
                    .strip_prefix("q=")
                    .and_then(|q| q.trim().parse::<f32>().ok());
                weight.is_some_and(|q| q <= 0.0)
            };
            is_html && !parts.any(refused)
        })
}

/// The origin that the browser asked for, or the example's where the request names none that a URL could have.
fn requested_origin(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    let host = connection.host();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || ".-:[]".contains(char);
    let scheme = connection.scheme();
    if host.is_empty() || !host.chars().all(is_plain) || !matches!(scheme, "http" | "https") {
        return EXAMPLE_HOST.to_owned();
    }
    format!("{scheme}://{host}")
}

fn rows(info: &Info) -> String {
    let switch = |on: bool| if on { "on" } else { "off" };
    let rows = [
        ("Identity key", info.identity_key.clone()),
        ("Stored messages", "on".to_owned()),
        ("Live rooms", switch(info.features.websockets).to_owned()),
        (
            "Push notifications",
            switch(info.features.push_notifications).to_owned(),
        ),
        (
            "Prices",
            if info.prices.are_zero() {
                "the server asks for no payment"
            } else {
                "some requests or messages have a price"
            }
            .to_owned(),
        ),
        (
            "Certificates",
            if info.features.certificates_required {
                "required of every client"
            } else {
                "not required"
            }
            .to_owned(),
        ),
    ];
    let mut text = String::new();
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = write!(text, "    <dt>{name}</dt><dd>{}</dd>", escaped(&value));
        text.push('\n');
    }
    text
}

fn links(place: &HomePlace) -> String {
    let prefix = &place.routing_prefix;
    let links = [
        (
            place.docs,
            "/docs/".to_owned(),
            "HTTP routes (OpenAPI), to read in a browser",
        ),
        (
            place.docs,
            "/docs/asyncapi.yaml".to_owned(),
            "Events of the sockets (AsyncAPI)",
        ),
        (true, format!("{prefix}/readyz"), "Readiness"),
        (place.metrics, format!("{prefix}/metrics"), "Metrics"),
        (place.dashboard, format!("{prefix}/admin/"), "Dashboard"),
    ];
    let mut text = String::new();
    for (_, path, name) in links.iter().filter(|(shown, _, _)| *shown) {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"    <li><a href="{}">{name}</a></li>"#,
            escaped(path)
        );
        text.push('\n');
    }
    text
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
