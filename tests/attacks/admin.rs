//! Becoming an admin: behind a proxy that forwards nothing about the client, with a recorded request, or by guessing.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use messagebox::auth::Identity;

use crate::client::{Client, ask_raw, connect_from};
use crate::outcome::{Attack, Outcome, attack};
use crate::support::brc104::Brc104;
use crate::support::raw_http;
use crate::target::{ATTACKER, OTHERS, Target, server_binary};

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A9",
            "administration through a proxy that names no client",
            behind_a_proxy
        ),
        attack!(
            "A10",
            "a recorded request to drain, after a restart",
            recorded_drain
        ),
        attack!("A19", "guessing at MIGRATE_KEY and ADMIN_TOKEN", guessing),
    ]
}

async fn behind_a_proxy() -> Outcome {
    // As operators start it: loopback addresses have no limits.
    let target = Target::with(&[
        ("UNLIMITED_ADDRESSES", "127.0.0.0/8"),
        ("PUBLIC_METRICS", "false"),
    ]);
    let mut outcome = Outcome::default();
    let host = target.address.to_string();
    let routes = [
        ("GET", "/admin/status"),
        ("GET", "/admin/status?full=true"),
        ("GET", "/admin/sockets?full=true"),
        ("GET", "/admin/rooms"),
        ("GET", "/admin/events"),
        ("GET", "/admin/"),
        ("GET", "/metrics"),
        ("POST", "/admin/log-level?level=off"),
        ("POST", "/admin/drain"),
        ("POST", "/admin/migrate"),
        ("POST", "/admin/sockets/x/disconnect"),
    ];
    let mut statuses = Vec::new();
    for host in [&*host, "localhost", "127.0.0.1"] {
        for (method, path) in routes {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let answer = raw_http::ask(target.address, request.as_bytes()).await;
            outcome.holds(
                matches!(answer.status, 401 | 403 | 404 | 405),
                format!("{method} {path}: {}", answer.status),
            );
            statuses.push(answer.status);
        }
    }
    statuses.sort_unstable();
    statuses.dedup();
    outcome.did("11 administrative routes in production without a token, from loopback, with three Host headers");
    outcome.measured(format!("answers {statuses:?}"));
    outcome.holds(
        target.process.log().contains("ADMIN_TOKEN"),
        "no warning at the start names ADMIN_TOKEN",
    );
    target.is_alive(&mut outcome).await;
    outcome
}

async fn recorded_drain() -> Outcome {
    let mut outcome = Outcome::default();
    let admin = Arc::new(Identity::random());
    let variables = [("ADMIN_IDENTITIES", admin.identity_key().to_hex())];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let mut target = Target::with(&variables);
    let session = Brc104::connect_as(&target.http(), Arc::clone(&admin)).await;
    let recorded = session.request("POST", "/admin/drain", "");
    let drained = session.send(&recorded).await;
    outcome.holds(
        drained.status < 300,
        format!("the drain itself: {}", drained.status),
    );
    let code = target.process.ended().await;
    // systemd's `Restart=on-failure` does not restart a server that exited with 0.
    outcome.measured(format!("exit code after a drain {code:?}"));
    let unit = include_str!("../../deploy/systemd/messagebox.service");
    let restarts = unit.contains("Restart=always") || code != Some(0);
    outcome.holds(restarts, "systemd would not restart it");
    for round in 1..=2 {
        target = target.restarted(&variables);
        let again = session.send(&recorded).await;
        outcome.holds(
            again.status == 401,
            format!("restart {round}: {}", again.status),
        );
        target.is_alive(&mut outcome).await;
    }
    let fresh = Brc104::connect_as(&target.http(), admin).await;
    let status = fresh.send(&fresh.request("GET", "/admin/status", "")).await;
    outcome.holds(
        status.status == 200,
        format!("a fresh request: {}", status.status),
    );
    outcome.did("the same signed request again after each of two restarts, without Redis");
    outcome
}

/// The number of guesses by answer: 401 or 404, 429, and others.
#[derive(Debug, Default)]
struct Guesses {
    compared: u64,
    limited: u64,
    others: u64,
    took: Duration,
}

/// Guesses on eight connections from one address.
async fn guesses(
    target: &Target,
    method: &'static str,
    path: &'static str,
    count: usize,
) -> Guesses {
    let address = target.address;
    let guess = async |lane: usize| {
        let mut counts = Guesses::default();
        let mut stream = connect_from(ATTACKER, address).await.unwrap();
        for number in 0..count / 8 {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a guess of {lane} {number:08}\r\n\
                 content-length: 0\r\n\r\n"
            );
            match ask_raw(&mut stream, request.as_bytes()).await {
                Ok(reply) if reply.status == 429 => counts.limited += 1,
                Ok(reply) if matches!(reply.status, 401 | 404) => counts.compared += 1,
                Ok(_) => counts.others += 1,
                Err(_) => stream = connect_from(ATTACKER, address).await.unwrap(),
            }
        }
        counts
    };
    let begun = Instant::now();
    let all = join_all((0..8).map(guess)).await;
    let sum = |of: fn(&Guesses) -> u64| all.iter().map(of).sum();
    Guesses {
        compared: sum(|counts| counts.compared),
        limited: sum(|counts| counts.limited),
        others: sum(|counts| counts.others),
        took: begun.elapsed(),
    }
}

/// The exit code of a server that refuses to start with these variables; none if it starts.
fn refuses_to_start(name: &str, value: &str) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(server_binary())
        .env_clear()
        .env("DATA_DIR", folder.path())
        .env("CONFIG_DIR", folder.path())
        .env(
            "PORT",
            crate::support::server::free_address().port().to_string(),
        )
        .env(name, value)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let (mut child, begun) = (child.unwrap(), Instant::now());
    while begun.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

async fn guessing() -> Outcome {
    const GUESSES: usize = 4_000;
    let mut outcome = Outcome::default();
    let secrets = [
        ("MIGRATE_KEY", "the migrate key of this test"),
        ("ADMIN_TOKEN", "the admin token of this test"),
    ];
    for (method, path) in [("POST", "/admin/migrate"), ("GET", "/admin/status")] {
        let target = Target::with(&secrets);
        let mut user = Client::proven(target.address, OTHERS).await;
        let counts = guesses(&target, method, path, GUESSES).await;
        let took = counts.took;
        outcome.did(format!("{GUESSES} guesses at {path} in {took:.1?}"));
        // The limit of 100 per second, and its burst of ten seconds.
        let bound = 1_000 + 100 * (took.as_secs() + 1);
        let what = format!("guesses at {path} that were compared");
        outcome.at_most(&what, counts.compared, bound);
        outcome.holds(
            counts.others == 0,
            format!("{path}: {} other answers", counts.others),
        );
        outcome.holds(counts.limited > 0, format!("{path}: none was refused"));
        let listed = user
            .post("/listMessages", crate::client::LIST)
            .await
            .unwrap();
        outcome.holds(
            listed.status == 200,
            format!("a user elsewhere: {}", listed.status),
        );
        target.is_alive(&mut outcome).await;
    }
    for (name, _) in secrets {
        let code = refuses_to_start(name, "fifteen letters");
        outcome.holds(
            code == Some(2),
            format!("{name} of 15 characters: exit code {code:?}"),
        );
    }
    outcome
}
