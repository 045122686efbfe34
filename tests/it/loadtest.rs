//! The load test's binary against a real server: every scenario in short form, over both transports.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::support::server::{TestServer, free_address};

/// Runs the binary to its end.
fn run(arguments: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_messagebox-loadtest"))
        .args(arguments.split_whitespace())
        .args(["--quiet", "--json"])
        .arg(folder.join("results.json"))
        .arg("--html")
        .arg(folder.join("report.html"))
        .output()
        .unwrap()
}

/// Runs a scenario on its own server and returns the results, which must have no faults.
fn results(scenario: &str) -> Value {
    results_in(scenario, "600ms")
}

fn results_in(scenario: &str, duration: &str) -> Value {
    let server = TestServer::start();
    let arguments = format!(
        "{scenario} --server {} --duration {duration} --verify 0.5 --server-pid {}",
        server.http(""),
        std::process::id()
    );
    let output = run(&arguments, server.folder());
    let table = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{scenario}: {table}{error}");
    assert!(table.ends_with("PASS\n"), "{scenario}: {table}");
    let json = std::fs::read(server.folder().join("results.json")).unwrap();
    let html = std::fs::read_to_string(server.folder().join("report.html")).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</body></html>\n"));
    let results: Value = serde_json::from_slice(&json).unwrap();
    for fault in ["lost", "duplicated", "out_of_order"] {
        assert_eq!(results["accounting"][fault], 0, "{scenario}: {fault}");
    }
    assert_eq!(results["errors"], 0, "{scenario}");
    assert!(
        results["signature_us"].as_f64().unwrap() > 0.0,
        "{scenario}"
    );
    results
}

/// The number of completed operations by name. All must have times, and none may fail.
fn completed(results: &Value) -> Vec<(&str, u64)> {
    let operations = results["operations"].as_array().unwrap().iter();
    operations
        .map(|operation| {
            let times = &operation["times"];
            let percentiles = ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"];
            let times: Vec<u64> = percentiles.map(|it| times[it].as_u64().unwrap()).to_vec();
            assert!(times.is_sorted() && times[0] > 0, "{operation}");
            let count = operation["completed"].as_u64().unwrap();
            assert!(count > 0, "{operation}");
            (operation["name"].as_str().unwrap(), count)
        })
        .collect()
}

fn over_both(scenario: &str, check: impl Fn(&Value)) {
    for transport in ["websocket", "polling"] {
        let results = results(&format!("{scenario} --transport {transport}"));
        assert_eq!(results["options"]["transport"], transport);
        check(&results);
    }
}

#[test]
fn fanout_counts_every_delivery_to_every_member() {
    over_both(
        "fanout --sockets 8 --rate 20 --body 300 --warm-up 100ms",
        |results| {
            let completed = completed(results);
            assert_eq!(
                completed.iter().map(|it| it.0).collect::<Vec<_>>(),
                ["delivery", "ack"]
            );
            // The schedule has 14 messages, warm-up included. Each goes to 8 members and is acknowledged. A stalled
            // machine may not send the last ones.
            let unsent = results["unsent"].as_u64().unwrap();
            let expected = results["accounting"]["expected"].as_u64().unwrap();
            assert_eq!(expected + unsent * 9, 14 * 9);
            assert_eq!(results["accounting"]["received"], expected);
            assert_eq!(results["connect"]["completed"], 9);
            let server = &results["server_process"];
            assert_eq!(server["unit"], "delivery");
            for figure in [
                "cpu_us_per_operation",
                "signatures_per_operation",
                "rss_start_bytes",
                "threads",
            ] {
                assert!(server[figure].as_f64().unwrap() > 0.0, "{figure}");
            }
            assert!(server["looks"].as_array().unwrap().len() >= 4);
        },
    );
}

#[test]
fn rooms_in_a_closed_loop_lose_nothing() {
    over_both(
        "rooms --sockets 8 --rooms 3 --senders 2 --in-flight 2 --warm-up 100ms",
        |results| {
            assert_eq!(completed(results).len(), 2);
            assert_eq!(results["foreign"], 0);
            assert_eq!(results["options"]["in_flight"], 2);
        },
    );
}

#[test]
fn senders_get_their_acks_and_their_own_messages() {
    over_both("send --sockets 3 --warm-up 0", |results| {
        assert_eq!(completed(results)[0].0, "ack");
        assert_eq!(completed(results)[1].0, "delivery");
    });
}

#[test]
fn messages_without_members_are_acknowledged_too() {
    let results = results("send --sockets 2 --offline --warm-up 0");
    assert_eq!(completed(&results).len(), 1);
    assert_eq!(results["server_process"]["unit"], "ack");
}

#[test]
fn requests_are_timed_by_operation() {
    let results = results("http --sockets 2 --messages 3 --body 1024 --warm-up 0");
    let names: Vec<&str> = completed(&results).iter().map(|it| it.0).collect();
    assert_eq!(names, ["send", "list", "acknowledge"]);
    assert_eq!(
        completed(&self::results(
            "http --sockets 1 --operations acknowledge --warm-up 0"
        ))
        .len(),
        1
    );
}

#[test]
fn sockets_are_opened_and_closed_and_held() {
    over_both("handshake --sockets 2 --warm-up 0", |results| {
        assert_eq!(completed(results)[0].0, "handshake");
    });
    over_both("idle --sockets 5 --warm-up 0", |results| {
        assert_eq!(results["connect"]["completed"], 5);
        assert_eq!(results["accounting"]["expected"], 0);
    });
}

#[test]
fn a_soak_does_all_of_it() {
    let results = results_in("soak --sockets 8 --rate 100 --warm-up 0", "2s");
    // On a busy machine, operations may end after that time. They are timed all the same.
    let operations = results["operations"].as_array().unwrap();
    let timed = operations
        .iter()
        .filter(|operation| operation["times"]["count"].as_u64() > Some(0));
    let timed: Vec<&Value> = timed.map(|operation| &operation["name"]).collect();
    for name in [
        "delivery",
        "ack",
        "send",
        "list",
        "acknowledge",
        "handshake",
    ] {
        assert!(timed.iter().any(|it| **it == name), "{name}: {timed:?}");
    }
}

#[test]
fn a_server_that_is_not_there_and_a_mistake_have_codes_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let absent = format!("fanout --sockets 2 --server http://{}", free_address());
    let output = run(&absent, folder.path());
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("no client could connect"), "{error}");
    assert_eq!(
        run("fanout --sockets none", folder.path()).status.code(),
        Some(2)
    );
}
