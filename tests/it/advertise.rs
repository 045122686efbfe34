//! `messagebox advertise`, `revoke` and `advertisements` when something fails or nothing is advertised.
//! `tests/interop/scenarios/advertise.test.mjs` covers success.

use messagebox::auth::Identity;
use serde_json::json;

use crate::support::command::{Finished, User};
use crate::support::remote::{Remote, RemoteRequest, Reply};
use crate::support::server::free_address;

const HOST: &str = "https://box.example.org";

/// Runs the command with this wallet. `overlay` receives the requests for the overlay service at
/// `http://localhost:8080`.
fn run(user: &User, wallet: &str, overlay: &str, arguments: &[&str]) -> Finished {
    let mut command = user.command(arguments);
    command
        .env("WALLET_URL", wallet)
        .env("BSV_NETWORK", "local")
        .env("http_proxy", overlay)
        .env("no_proxy", "127.0.0.0/8");
    Finished::new(command.output().unwrap())
}

fn absent() -> String {
    format!("http://{}", free_address())
}

/// A wallet that only gives its identity key.
fn wallet() -> Remote {
    let key = Identity::random().identity_key().to_hex();
    Remote::start(move |request: &RemoteRequest| -> Reply {
        match request.path.as_str() {
            "/getPublicKey" => (200, json!({ "publicKey": key })).into(),
            _ => (
                400,
                json!({ "isError": true, "message": "\u{1b}[2Jlocked" }),
            )
                .into(),
        }
    })
}

/// An overlay service without advertisements.
fn overlay() -> Remote {
    Remote::start(|_| (200, json!({ "type": "output-list", "outputs": [] })).into())
}

#[test]
fn a_failing_wallet_is_reported_with_advice() {
    let user = User::without_key("http://localhost:1");
    let overlay = overlay();
    let nonsense = Remote::start(|_| (200, json!("hello")).into());
    let secret = format!("http://me:secret@{}", free_address());
    let wallet = wallet();
    for (url, code, reason) in [
        (absent().as_str(), 3, "could not be reached"),
        (&secret, 3, "could not be reached"),
        (&nonsense.url, 5, "could not be read"),
        (&wallet.url, 1, "status 400; its message: \\u{1b}[2Jlocked"),
    ] {
        for arguments in [&["advertise", "--host", HOST][..], &["revoke"]] {
            let failed = run(&user, url, &overlay.url, arguments);
            assert_eq!(failed.code, code, "{}", failed.err);
            for part in [reason, "WALLET_URL must name"] {
                assert!(failed.err.contains(part), "{part}: {}", failed.err);
            }
            assert!(!failed.err.contains("secret") && failed.out.is_empty());
        }
    }
    let help = run(&user, &secret, &overlay.url, &["advertise", "--help"]);
    assert!(help.human().contains("WALLET_URL") && !help.human().contains("secret"));
    let silent = Remote::start(|_| (0, json!(null)).into());
    let late = ["revoke", "--timeout", "200ms"];
    let late = run(&user, &silent.url, &overlay.url, &late);
    assert!(
        late.code == 3 && late.err.contains("in time"),
        "{}",
        late.err
    );
}

#[test]
fn a_silent_overlay_is_reported_before_any_payment() {
    let user = User::of("http://localhost:1");
    let wallet = wallet();
    let failing = Remote::start(|_| (500, json!({ "status": "error" })).into());
    let freeform = Remote::start(|_| (200, json!({ "type": "freeform", "result": 1 })).into());
    for overlay in [&absent(), &failing.url, &freeform.url] {
        for arguments in [
            &["advertise", "--host", HOST][..],
            &["revoke"],
            &["advertisements"],
        ] {
            let failed = run(&user, &wallet.url, overlay, arguments);
            assert_eq!(failed.code, 3, "{}", failed.err);
            for part in ["could not be asked for advertisements", "SLAP_TRACKERS"] {
                assert!(failed.err.contains(part), "{part}: {}", failed.err);
            }
        }
    }
    let request = wallet.requests();
    assert!(
        request
            .iter()
            .all(|request| request.path == "/getPublicKey")
    );
}

#[test]
fn advertisements_are_listed_without_a_wallet() {
    let user = User::of("http://localhost:1");
    let overlay = overlay();
    let own = run(&user, &absent(), &overlay.url, &["advertisements"]).json();
    let expected = json!({ "identityKey": user.key().to_hex(), "advertisements": [] });
    assert_eq!(own, expected);
    let other = Identity::random().identity_key().to_hex();
    let arguments = ["advertisements", other.as_str(), "--human"];
    let human = run(&user, &absent(), &overlay.url, &arguments);
    assert_eq!(human.human(), "nothing is advertised\n");
    let queries: Vec<_> = overlay
        .requests()
        .into_iter()
        .map(|request| {
            (
                request.json["service"].clone(),
                request.json["query"].clone(),
            )
        })
        .collect();
    let query = |key: String| (json!("ls_messagebox"), json!({ "identityKey": key }));
    assert_eq!(queries, [query(user.key().to_hex()), query(other)]);
}

#[test]
fn hosts_that_no_client_accepts_are_usage_errors() {
    let user = User::without_key("http://localhost:1");
    let (wallet, overlay) = (wallet(), overlay());
    for wrong in [
        &["advertise"][..],
        &["advertise", "--host", "http://box.example.org"],
        &["advertise", "--host", "https://localhost"],
        &["advertise", "--host", HOST, "--network", "moon"],
        &["revoke", "--tracker", "http://tracker.example.org"],
        &["advertisements", "nobody"],
    ] {
        let refused = run(&user, &wallet.url, &overlay.url, wrong);
        assert_eq!(refused.code, 2, "{wrong:?}: {}", refused.err);
    }
    assert!(wallet.requests().is_empty() && overlay.requests().is_empty());
}
