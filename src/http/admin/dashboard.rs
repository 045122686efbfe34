//! The dashboard: one page that fetches nothing from elsewhere. Its parts lie in the folder of this name.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::signed::authenticate::NOT_STORED;

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

/// The page. It holds nothing; what it shows it asks for.
pub(super) fn page() -> HttpResponse {
    let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(NOT_STORED)
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .body(PAGE.replace("__NONCE__", &nonce))
}

/// To the page, which asks for what lies beside it.
pub(super) fn redirect() -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, "admin/"))
        .finish()
}
