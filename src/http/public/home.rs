//! The page that a browser gets at the root: facts about this server, links, and an example of a first message.
//!
//! Only a request that accepts `text/html` gets the page. Any other client gets the answer of every other path.

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::guard::{self, GuardContext};
use actix_web::http::header::{self, Accept, Quality};
use actix_web::{HttpRequest, HttpResponse, web};

use super::info::Info;
use super::pages::page_with_nonce;
use super::public_address::public_address;

const PAGE: &str = include_str!("home/page.html");

const POLICY: &str = "default-src 'none'; style-src 'nonce-__NONCE__'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The host in `first.mjs`.
const EXAMPLE_HOST: &str = "http://localhost:8080";

/// Where the page is, and which links it has: only those that anybody may open.
#[derive(Debug, Clone)]
pub struct HomePlace {
    /// The public address, if the operator has set one.
    pub address: Option<String>,
    /// The prefix of all routes: empty, or `/x`.
    pub routing_prefix: String,
    /// Whether `/docs` is enabled.
    pub docs: bool,
    /// Whether anybody may read `/metrics`.
    pub metrics: bool,
    /// Whether anybody may open the dashboard.
    pub dashboard: bool,
}

/// The page, complete but for its nonce and its address.
#[derive(Debug, Clone)]
pub struct Home {
    page: Arc<str>,
    address: Option<Arc<str>>,
    prefix: Arc<str>,
}

impl Home {
    /// Writes the page for this server.
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
            config.route(&path, for_browsers);
        }
    }

    fn page_for(&self, request: &HttpRequest) -> HttpResponse {
        let origin = match &self.address {
            Some(address) => address.to_string(),
            None => requested_origin(request),
        };
        let host = escaped(&format!("{origin}{}", self.prefix));
        let page = self.page.replace(EXAMPLE_HOST, &host);
        let (mut response, body) = page_with_nonce(&page, POLICY);
        response.insert_header((header::VARY, "Accept")).body(body)
    }
}

/// Whether the client lists `text/html` in `Accept` by name: browsers do, and API clients send `*/*` or nothing.
fn accepts_html(context: &GuardContext<'_>) -> bool {
    let accept = context.header::<Accept>();
    accept.is_some_and(|accept| {
        let mut ranges = accept.iter();
        ranges.any(|range| range.item.essence_str() == "text/html" && range.quality > Quality::ZERO)
    })
}

/// The origin that the browser asked for. If the request names none that fits into a URL: the example's.
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

/// Escapes text for HTML.
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
