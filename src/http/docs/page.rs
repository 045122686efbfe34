//! The page at `/docs/`: Swagger UI, which shows the `OpenAPI` document.

use std::future::{Ready, ready};

use actix_web::{HttpResponse, web};
use rawzip::{CompressionMethod, ZipArchive};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MessageBox Router: HTTP routes</title>
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-initializer.js"></script>
</body>
</html>
"#;

/// The page sends no requests to the routes, because it cannot sign them, and does not use Swagger's online validator.
const INITIALIZER: &str = r##"window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  supportedSubmitMethods: [],
  validatorUrl: "none"
})
"##;

/// Files of Swagger UI's archive that the page loads.
const FILES: [(&str, &str); 2] = [
    ("swagger-ui.css", "text/css"),
    ("swagger-ui-bundle.js", "text/javascript"),
];

/// For handlers: a response with this body.
pub(super) fn text(content_type: &'static str, body: impl Into<web::Bytes>) -> Ready<HttpResponse> {
    let answer = HttpResponse::Ok()
        .content_type(content_type)
        .body(body.into());
    ready(answer)
}

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/docs", web::get().to(redirect))
        .route(
            "/docs/",
            web::get().to(|| text("text/html; charset=utf-8", PAGE)),
        )
        .route(
            "/docs/swagger-initializer.js",
            web::get().to(|| text("text/javascript", INITIALIZER)),
        );
    for (name, content_type) in FILES {
        let Some(body) = gzip(name).map(web::Bytes::from) else {
            log::error!("{name} is missing in the archive of Swagger UI, so /docs/ is broken");
            continue;
        };
        let answer = move || {
            let body = body.clone();
            async move {
                HttpResponse::Ok()
                    .content_type(content_type)
                    .insert_header(("content-encoding", "gzip"))
                    .body(body)
            }
        };
        config.route(&format!("/docs/{name}"), web::get().to(answer));
    }
}

async fn redirect() -> HttpResponse {
    HttpResponse::Found()
        .insert_header(("location", "/docs/"))
        .finish()
}

/// A file of the archive as a gzip stream (RFC 1952). Zip uses the same compression, so only the header and the trailer
/// differ.
fn gzip(name: &str) -> Option<Vec<u8>> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let archive = ZipArchive::from_slice(SWAGGER_UI_VENDORED).ok()?;
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().ok()? {
        let path = entry.file_path();
        // The first folder is named after the version.
        let parts = path.as_ref().split(|byte| *byte == b'/').skip(1);
        let is_it = parts.eq([&b"dist"[..], name.as_bytes()]);
        if !is_it || entry.compression_method() != CompressionMethod::DEFLATE {
            continue;
        }
        let size = u32::try_from(entry.uncompressed_size_hint()).ok()?;
        let tail = [entry.crc32().to_le_bytes(), size.to_le_bytes()];
        let data = archive.get_entry(entry.wayfinder()).ok()?.data();
        return Some([&HEAD, data, tail.as_flattened()].concat());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};

    #[test]
    fn what_the_page_needs_is_served_whole() {
        for (name, mark) in [
            ("swagger-ui.css", ".swagger-ui"),
            ("swagger-ui-bundle.js", "SwaggerUIBundle"),
        ] {
            assert!(FILES.iter().any(|(served, _)| *served == name) && PAGE.contains(name));
            let mut gunzip = Command::new("gzip")
                .args(["--decompress", "--stdout"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = gunzip.stdin.take().unwrap();
            let packed = gzip(name).unwrap();
            let feeder = std::thread::spawn(move || stdin.write_all(&packed).unwrap());
            let mut text = String::new();
            gunzip
                .stdout
                .take()
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            feeder.join().unwrap();
            // It checks the length and the sum.
            assert!(gunzip.wait().unwrap().success(), "{name}");
            assert!(text.contains(mark), "{name}");
        }
        assert_eq!(gzip("nothing.js"), None);
    }
}
