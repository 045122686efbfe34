//! The dashboard: one page that loads nothing from other origins. Its parts are in the folder of this name.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;

use crate::http::public::pages::page_with_nonce;

/// All but the nonce.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let script = [
        include_str!("dashboard/asking.js"),
        include_str!("dashboard/plots.js"),
        include_str!("dashboard/tables.js"),
        include_str!("dashboard/live.js"),
    ];
    include_str!("dashboard/page.html")
        .replace("__STYLE__", include_str!("dashboard/style.css"))
        .replace("__SCRIPT__", &script.concat())
});

const POLICY: &str = "default-src 'none'; script-src 'nonce-__NONCE__'; style-src 'nonce-__NONCE__'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page. It holds no data: its script asks for that.
pub(super) fn page() -> HttpResponse {
    let (mut response, body) = page_with_nonce(&PAGE, POLICY);
    response.body(body)
}

/// Redirects to the page, whose script asks for paths relative to it.
pub(super) fn redirect() -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, "admin/"))
        .finish()
}
