//! `status`: the status of a server, for its admins.

use std::fmt::Write as _;

use serde_json::Value;

use crate::administration::{Method, ask, foreign};
use crate::error::CommandError;
use crate::local::output::{Printer, bad, doubtful, good, label, printable};
use crate::options::{General, StatusOptions};

/// Fetches and prints the status.
pub(crate) async fn run(
    general: &General,
    command: &StatusOptions,
    output: Printer,
) -> Result<(), CommandError> {
    let full = if command.full { "true" } else { "false" };
    let status = ask(general, Method::Get, &format!("/admin/status?full={full}")).await?;
    if !status.get("server").is_some_and(Value::is_object) {
        return Err(foreign());
    }
    output.print(&status, || human(&status))
}

/// The most important figures as text.
fn human(status: &Value) -> String {
    let (server, sockets, events) = (&status["server"], &status["sockets"], &status["events"]);
    let (rooms, database) = (&status["rooms"], &status["database"]);
    let percentiles = |of: &Value| {
        let milliseconds = |name: &str| of[name].as_f64().unwrap_or_default() / 1e3;
        let (p50, p95, p99) = (
            milliseconds("p50"),
            milliseconds("p95"),
            milliseconds("p99"),
        );
        format!("{p50:.1} / {p95:.1} / {p99:.1} ms (p50, p95, p99)")
    };
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let rooms = match rooms {
        Value::Object(_) => format!(
            "{} rooms, {} members, {} deliveries",
            rooms["rooms"], rooms["members"], rooms["deliveries"]
        ),
        other => text(other),
    };
    let memory = status
        .pointer("/process/residentBytes")
        .and_then(Value::as_f64);
    let memory = memory.map_or_else(
        || "unknown".to_owned(),
        |bytes| format!("{:.0} MiB", bytes / 1_048_576.0),
    );
    let before = [
        (
            "server",
            format!(
                "{} ({}), up {} s",
                text(&server["version"]),
                text(&server["environment"]),
                server["uptimeSeconds"]
            ),
        ),
        ("identity", text(&server["identityKey"])),
    ];
    let after = [
        (
            "sockets",
            format!(
                "{} open, {} authenticated, {} websocket, {} polling",
                sockets["open"], sockets["proven"], sockets["websocket"], sockets["polling"]
            ),
        ),
        ("rooms", rooms),
        (
            "events",
            format!(
                "{} in, {} out per second",
                events["inPerSecond"], events["outPerSecond"]
            ),
        ),
        ("acks", percentiles(&events["answerMicros"])),
        (
            "database",
            format!(
                "{}, {} stored, {} writes queued",
                text(&database["executor"]),
                database["stored"],
                database["queuedWrites"]
            ),
        ),
        ("commits", percentiles(&database["commitMicros"])),
        ("nodes", nodes(&status["cluster"])),
        ("memory", memory),
        ("panics", text(&status["panics"])),
    ];
    let line = |name: &str, value: &str| format!("{} {value}\n", label(&format!("{name:<9}")));
    let lines = |of: &[(&str, String)]| -> String {
        let lines = of.iter();
        lines
            .map(|(name, value)| line(name, &printable(value)))
            .collect()
    };
    lines(&before) + &line("ready", &ready(server)) + &lines(&reasons(server)) + &lines(&after)
}

/// Why checks fail, for the lines below them.
fn reasons(server: &Value) -> Vec<(&'static str, String)> {
    let reasons = server["reasons"].as_object().into_iter().flatten();
    reasons
        .map(|(name, why)| ("", format!("{name}: {}", why.as_str().unwrap_or_default())))
        .collect()
}

/// Whether the server is ready or degraded.
fn ready(server: &Value) -> String {
    let names = |field: &str| {
        let names = server[field].as_array()?;
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        Some(names.join(", "))
    };
    match (names("notReady"), names("degraded").unwrap_or_default()) {
        (None, _) => doubtful("unknown: the checks do not answer"),
        (Some(wrong), _) if !wrong.is_empty() => bad(&format!("no: {wrong}")),
        (Some(_), degraded) if !degraded.is_empty() => {
            doubtful(&format!("yes, degraded: {degraded}"))
        }
        _ => good("yes"),
    }
}

/// The other servers with the same database, and which of them are silent.
fn nodes(cluster: &Value) -> String {
    let Some(peers) = cluster["peers"].as_array() else {
        return "no others".to_owned();
    };
    let mut text = if cluster["connected"] == true {
        "Redis answers".to_owned()
    } else {
        "Redis does not answer".to_owned()
    };
    for peer in peers {
        let name = peer["name"].as_str().unwrap_or_default();
        let version = peer["version"].as_str().unwrap_or_default();
        let _ = write!(text, "; {name} ({version}");
        if peer["present"] != true {
            let _ = write!(text, ", silent for {} s", peer["silentSeconds"]);
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failing_checks_are_named() {
        for (server, expected) in [
            (json!({"notReady": [], "degraded": []}), "yes"),
            (json!({"notReady": []}), "yes"),
            (
                json!({"notReady": [], "degraded": ["redis", "clock"]}),
                "yes, degraded: redis, clock",
            ),
            (
                json!({"notReady": ["database"], "degraded": ["redis"]}),
                "no: database",
            ),
            (
                json!({"notReady": null}),
                "unknown: the checks do not answer",
            ),
        ] {
            let shown = ready(&server);
            assert_eq!(anstream::adapter::strip_str(&shown).to_string(), expected);
            assert_eq!(expected == "yes", shown == good("yes"));
        }
    }

    #[test]
    fn reasons_are_below_the_failing_checks() {
        let server = json!({"notReady": [], "degraded": ["wallet"], "reasons": {"wallet": "it could\nnot be reached"}});
        let text = human(&json!({ "server": server }));
        let text = anstream::adapter::strip_str(&text).to_string();
        let expected =
            "ready     yes, degraded: wallet\n          wallet: it could\\u{a}not be reached\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn other_nodes_are_named() {
        assert_eq!(nodes(&Value::Null), "no others");
        let mut cluster = json!({"connected": false, "peers": []});
        assert_eq!(nodes(&cluster), "Redis does not answer");
        cluster["connected"] = json!(true);
        cluster["peers"] = json!([
            {"name": "a:8080", "version": "1.0.0", "present": true, "silentSeconds": 3},
            {"name": "b", "version": "1.1.0", "present": false, "silentSeconds": 40},
        ]);
        assert_eq!(
            nodes(&cluster),
            "Redis answers; a:8080 (1.0.0); b (1.1.0, silent for 40 s)"
        );
    }
}
