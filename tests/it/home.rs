//! The page at the root: for browsers only, and with nothing on it that is not public.

use awc::http::header::ACCEPT;

use crate::support::polling::client;
use crate::support::server::TestServer;

const BROWSER: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

struct Got {
    status: u16,
    content_type: String,
    policy: String,
    body: String,
}

async fn get(server: &TestServer, path: &str, accept: Option<&str>) -> Got {
    let mut request = client().get(server.http(path));
    if let Some(accept) = accept {
        request = request.insert_header((ACCEPT, accept));
    }
    let mut response = request.send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    Got {
        status: response.status().as_u16(),
        content_type: header("content-type"),
        policy: header("content-security-policy"),
        body: String::from_utf8(response.body().await.unwrap().to_vec()).unwrap(),
    }
}

#[actix_web::test]
async fn a_browser_gets_a_page_and_other_clients_get_the_usual_answer() {
    let server = TestServer::start();
    let page = get(&server, "/", Some(BROWSER)).await;
    assert_eq!(
        (page.status, page.content_type.as_str()),
        (200, "text/html; charset=utf-8")
    );
    assert!(page.body.contains(&server.identity_key.to_hex()));
    assert!(page.body.contains(env!("CARGO_PKG_VERSION")));
    let host = format!("const host = &#39;http://{}&#39;", server.address);
    assert!(page.body.contains(&host), "{}", page.body);
    let nonce = page.policy.split("'nonce-").nth(1).unwrap();
    let nonce = nonce.split('\'').next().unwrap();
    assert!(page.body.contains(&format!(r#"<style nonce="{nonce}">"#)));
    assert!(!page.body.contains("__"), "{}", page.body);

    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("text/html;q=0"),
    ] {
        let other = get(&server, "/", accept).await;
        assert_eq!(other.status, 401, "{accept:?}");
        assert_eq!(other.content_type, "application/json", "{accept:?}");
    }
    // Browsers that ask for anything else get the same answer as before.
    assert_eq!(
        get(&server, "/listMessages", Some(BROWSER)).await.status,
        401
    );
}

/// This origin may store an admin's token. So no other site may frame its pages, and they run no other script.
#[actix_web::test]
async fn every_page_is_sent_with_what_protects_it() {
    let server = TestServer::start();
    for (path, accept) in [("/", BROWSER), ("/docs/", BROWSER), ("/admin/", "*/*")] {
        let request = client().get(server.http(path));
        let answer = request
            .insert_header((ACCEPT, accept))
            .send()
            .await
            .unwrap();
        let header = |name: &str| {
            let values: Vec<&str> = answer
                .headers()
                .get_all(name)
                .map(|value| value.to_str().unwrap())
                .collect();
            values.join(" AND ")
        };
        assert_eq!(answer.status(), 200, "{path}");
        assert!(header("content-type").starts_with("text/html"), "{path}");
        let policy = header("content-security-policy");
        for part in ["default-src '", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert_eq!(policy.matches(part).count(), 1, "{path}: {policy}");
        }
        assert!(!policy.contains("script-src 'unsafe"), "{path}: {policy}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
}

#[actix_web::test]
async fn the_page_links_only_to_public_pages() {
    let closed = TestServer::with(|settings| settings.admin.enabled = false);
    let page = get(&closed, "/", Some(BROWSER)).await.body;
    assert!(page.contains(r#"href="/docs/""#) && page.contains(r#"href="/readyz""#));
    assert!(!page.contains("/admin/") && !page.contains("/metrics"));

    let open = TestServer::with(|settings| {
        settings.admin.public_metrics = true;
        settings.server.docs = false;
        "/api".clone_into(&mut settings.server.routing_prefix);
        settings.server.hosting_domain = Some("https://box.example.org/".to_owned());
    });
    for path in ["/", "/api", "/api/"] {
        let page = get(&open, path, Some(BROWSER)).await;
        assert_eq!(page.status, 200, "{path}");
        let page = page.body;
        assert!(page.contains(r#"href="/api/admin/""#) && page.contains(r#"href="/api/metrics""#));
        assert!(!page.contains("/docs/"));
        assert!(page.contains("&#39;https://box.example.org/api&#39;"));
    }
}

#[actix_web::test]
async fn the_page_repeats_no_markup_of_a_request() {
    let server = TestServer::start();
    let mut response = client()
        .get(server.http("/"))
        .insert_header((ACCEPT, BROWSER))
        .insert_header(("x-forwarded-host", "<script>alert(1)</script>"))
        .send()
        .await
        .unwrap();
    let page = String::from_utf8(response.body().await.unwrap().to_vec()).unwrap();
    assert!(!page.contains("<script"), "{page}");
}

/// The page and the README show the same example, which the interop tests run.
#[test]
fn the_example_is_that_of_the_readme() {
    let readme = include_str!("../../README.md");
    let example = readme.split("```js\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    assert_eq!(
        example,
        include_str!("../../src/http/public/home/first.mjs")
    );
}
