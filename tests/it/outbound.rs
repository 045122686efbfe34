//! Requests to services of others: equal to the SDK's, and over TLS with the authorities that the system trusts.
//!
//! `tests/vectors/sdk_requests.json` was recorded with bsv-sdk 0.8.0 and its feature `network`. It holds the requests
//! of `HttpWalletJson`, `HeadersClient`, `LookupResolver` and `TopicBroadcaster` for this program, with invented
//! answers.

use messagebox::auth::Identity;
use messagebox::ids::IdentityKey;
use messagebox::model::{Outpoint, PaymentOutput, PaymentState};
use messagebox::payments::{BlockHeaders, PaymentReceiver as _, ServerPayment, WalletClient};
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::command::{Finished, User};
use crate::support::server::{TestServer, free_address};
use crate::support::services::Services;
use crate::support::tls::{authority, in_front_of};

const RECORDED: &str = include_str!("../vectors/sdk_requests.json");

fn recorded(name: &str) -> Value {
    let all: Value = serde_json::from_str(RECORDED).unwrap();
    all[name].clone()
}

/// The identity of the recorded wallet.
fn identity() -> IdentityKey {
    let key = Identity::from_hex(&format!("{:064x}", 11)).unwrap();
    key.identity_key()
}

/// Runs the command while the recorded services answer. Checks that it sent the SDK's requests.
fn run(name: &str, arguments: &[&str]) -> Finished {
    let services = Services::start(&recorded(name));
    let url = format!("http://{}", services.address);
    let user = User::without_key("http://localhost:1");
    let mut command = user.command(arguments);
    command
        .env("WALLET_URL", &url)
        .env("http_proxy", &url)
        .env("https_proxy", &url)
        .env("no_proxy", "127.0.0.0/8")
        .env("SSL_CERT_FILE", authority());
    let result = Finished::new(command.output().unwrap());
    services.check();
    result
}

#[test]
fn an_advertisement_is_made_and_given_to_the_services_of_mainnet() {
    let host = "https://box.example.org";
    let result = run("advertise on mainnet", &["advertise", "--host", host]).json();
    assert_eq!(result["standing"], "made", "{result}");
    assert_eq!(result["revoked"][0]["host"], "https://old.example.org");
}

#[test]
fn an_advertisement_is_revoked_on_the_local_network() {
    let arguments = ["revoke", "--network", "local"];
    let result = run("revoke on local", &arguments).json();
    assert_eq!(result["revoked"][0]["host"], "https://old.example.org");
    let name = "revoke on local, which the wallet does not sign";
    let result = run(name, &arguments);
    assert_eq!(result.code, 1, "{}", result.err);
    assert!(result.err.contains("message: locked"), "{}", result.err);
}

#[test]
fn advertisements_are_found_through_the_trackers_of_a_network_or_given_ones() {
    let identity = identity().to_hex();
    let testnet = ["advertisements", &identity, "--network", "testnet"];
    let tracker = "https://tracker.example.org/";
    let given = ["advertisements", &identity, "--tracker", tracker];
    for (name, arguments) in [
        ("advertisements on testnet", testnet),
        ("advertisements through a tracker", given),
    ] {
        let result = run(name, &arguments).json();
        let found = result["advertisements"].as_array().unwrap();
        assert_eq!(found.len(), 1, "{result}");
        assert_eq!(found[0]["host"], "https://old.example.org");
    }
}

#[actix_web::test]
async fn a_payment_is_given_to_the_wallet_and_a_root_to_the_headers_service() {
    let services = Services::start(&recorded("payment"));
    let url = format!("http://{}", services.address);
    let payment = ServerPayment {
        output: PaymentOutput {
            outpoint: Outpoint {
                txid: "ab".repeat(32),
                index: 2,
            },
            satoshis: 10,
            payee: identity(),
            sender_identity_key: identity(),
            derivation_prefix: "cHJlZml4".into(),
            derivation_suffix: "c3VmZml4".into(),
            transaction: Some("AQEBAQ==".into()),
        },
        description: Some("Delivery of a message".into()),
    };
    let taken = WalletClient::new(&url, PATIENCE).receive(&payment).await;
    services.check();
    assert_eq!(taken, Ok(PaymentState::Internalized));
    let services = Services::start(&recorded("headers"));
    let url = format!("http://{}/", services.address);
    let roots = [(800_000, "ef".repeat(32))];
    let checked = BlockHeaders::new(&url, PATIENCE).check(&roots).await;
    services.check();
    assert_eq!(checked, Ok(()));
}

#[actix_web::test]
async fn only_a_wallet_whose_authority_the_system_trusts_is_asked() {
    let answers: Value = json!([recorded("advertise on mainnet")[0]]);
    for is_trusted in [true, false] {
        let services = Services::start(&answers);
        let user = User::without_key("http://localhost:1");
        let overlay = free_address();
        let mut command = user.command(&["revoke", "--network", "local"]);
        command
            .env("WALLET_URL", format!("https://{}", services.address))
            .env("http_proxy", format!("http://{overlay}"));
        if is_trusted {
            command.env("SSL_CERT_FILE", authority());
        }
        let result = Finished::new(command.output().unwrap());
        // The overlay service, which comes after the wallet, is missing.
        assert_eq!(result.code, 3, "{}", result.err);
        let is_past_wallet = result.err.contains("overlay network");
        assert_eq!(is_past_wallet, is_trusted, "{}", result.err);
        if is_trusted {
            services.check();
        }
    }
}

#[actix_web::test]
async fn a_server_behind_a_private_authority_is_reached_by_https_and_wss() {
    let server = TestServer::start();
    let address = server.http("").replace("http://", "").parse().unwrap();
    let tls = in_front_of(address).await;
    let user = User::of(&format!("https://localhost:{}", tls.port()));
    let doctor = |certificates: Option<String>| {
        let mut command = user.command(&["doctor", "--requests", "1"]);
        command.envs(certificates.map(|file| ("SSL_CERT_FILE", file)));
        tokio::task::spawn_blocking(move || Finished::new(command.output().unwrap()))
    };
    let result = doctor(Some(authority())).await.unwrap();
    let checks = result.json()["checks"].clone();
    for name in ["TLS", "polling", "websocket", "upgrade"] {
        let mut of_it = checks.as_array().unwrap().iter();
        let check = of_it.find(|check| check["name"] == name).unwrap();
        assert_eq!(check["verdict"], "ok", "{check}");
    }
    let result = doctor(None).await.unwrap();
    assert_eq!(result.code, 3, "{}", result.out);
    assert!(result.out.contains("certificate"), "{}", result.out);
}
