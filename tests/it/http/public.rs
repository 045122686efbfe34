//! What browsers, caches and anybody without a session may read.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::polling::client;
use crate::support::server::TestServer;

use super::connect;

#[actix_web::test]
async fn no_cache_may_store_an_answer() {
    let server = TestServer::start();
    let alice = connect(&server).await;
    let signed = alice.post("/listMessages", r#"{"messageBox":"b"}"#).await;
    assert_eq!(signed.header("cache-control"), Some("no-store"));
    let unsigned = client()
        .post(server.http("/listMessages"))
        .send()
        .await
        .unwrap();
    let kept = unsigned.headers().get("cache-control").unwrap();
    assert_eq!(
        (unsigned.status().as_u16(), kept),
        (401, &"no-store".parse().unwrap())
    );
}

#[actix_web::test]
async fn every_response_may_be_read_from_anywhere() {
    let server = TestServer::start();
    let headers = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "*, authorization"),
        ("access-control-allow-methods", "*"),
        ("access-control-max-age", "600"),
        ("access-control-allow-private-network", "true"),
    ];
    let alice = connect(&server).await;
    let signed = alice.post("/nothing", "{}").await;
    let mut preflight = client()
        .request("OPTIONS".parse().unwrap(), server.http("/any/path"))
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.body().await.unwrap(), "OK");
    let refused = client().get(server.http("/")).send().await.unwrap();
    for (name, value) in headers {
        assert_eq!(signed.header(name), Some(value));
        assert_eq!(preflight.headers().get(name).unwrap(), value);
        assert_eq!(refused.headers().get(name).unwrap(), value);
    }
}

#[actix_web::test]
async fn public_routes_are_at_the_usual_paths() {
    let server = TestServer::with(|settings| {
        "/api".clone_into(&mut settings.server.routing_prefix);
        settings.messages.ttl = Duration::from_secs(86_400);
        settings.prices.request = 7;
        settings.fees.boxes.insert("inbox".to_owned(), 5);
    });
    let key = server.identity_key.to_hex();
    for prefix in ["", "/api"] {
        let get = async |path: &str| {
            let url = server.http(&format!("{prefix}{path}"));
            let mut answer = client().get(url).send().await.unwrap();
            let body = answer.body().await.unwrap();
            let header = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(header("access-control-allow-origin"), "*");
            let json: Value = serde_json::from_slice(&body).unwrap();
            (json, header("cache-control"))
        };
        for path in ["/health", "/healthz"] {
            let expected = json!({
                "ok": true, "status": "ok", "service": "messagebox-server", "network": "mainnet",
                "websockets": true,
            });
            assert_eq!(get(path).await, (expected, "no-store".to_owned()));
        }
        for path in ["/ready", "/readyz"] {
            let (ready, cached) = get(path).await;
            assert_eq!((&ready["status"], &*cached), (&json!("ready"), "no-store"));
        }
        let (info, cached) = get("/info").await;
        assert_eq!(cached, "public, max-age=60");
        assert_eq!(info["identityKey"], key);
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        for (pointer, expected) in [
            ("/limits/maxMessageBytes", json!(4_000_000)),
            ("/limits/maxPageBytes", json!(4_100_000)),
            ("/limits/maxHeaderBytes", json!(131_072)),
            ("/limits/maxPaymentBytes", json!(4_194_304)),
            ("/limits/maxMessageBoxBytes", json!(128)),
            ("/prices/request", json!(7)),
            ("/prices/deliveryFees", json!({"inbox": 5})),
            ("/prices/deliveryFeePerRecipient", json!(false)),
            ("/retention/messageSeconds", json!(86_400)),
            ("/features/websockets", json!(true)),
            (
                "/features/paymentTransports",
                json!(["header", "multipart"]),
            ),
        ] {
            assert_eq!(info.pointer(pointer), Some(&expected), "{pointer}: {info}");
        }
    }
}

/// The headers that a page in a browser may read, with and without credentials.
#[actix_web::test]
async fn browsers_may_read_every_header_that_clients_need() {
    let server = TestServer::start();
    let answer = client().get(server.http("/healthz")).send().await.unwrap();
    let exposed = answer
        .headers()
        .get("access-control-expose-headers")
        .unwrap();
    let exposed: Vec<&str> = exposed.to_str().unwrap().split(", ").collect();
    for name in [
        "*",
        "x-bsv-auth-signature",
        "x-bsv-auth-identity-key",
        "x-bsv-payment-satoshis-required",
        "x-bsv-payment-known-txids",
        "x-bsv-payment-transports",
    ] {
        assert!(exposed.contains(&name), "{name}: {exposed:?}");
    }
    let allowed = answer
        .headers()
        .get("access-control-allow-headers")
        .unwrap();
    assert_eq!(allowed, "*, authorization");
}
