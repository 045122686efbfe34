//! `status`: how a server is, as it says to its admins.

use std::fmt::Write as _;
use std::sync::Arc;

use messagebox::client::{Brc104Client, Connector, TransportKind};
use serde_json::Value;

use crate::error::{CommandError, Exit};
use crate::key_file;
use crate::options::{General, Status};
use crate::output::{Output, printable};

/// The operator's token; never on the command line, where others could read it.
const TOKEN: &str = "MESSAGEBOX_ADMIN_TOKEN";

/// Asks, and prints what comes.
pub(crate) async fn run(
    general: &General,
    command: &Status,
    output: Output,
) -> Result<(), CommandError> {
    let connector = Connector::new(general.server.clone(), TransportKind::Websocket)
        .with_timeout(general.timeout)?;
    let full = if command.full { "true" } else { "false" };
    let token = std::env::var(TOKEN).unwrap_or_default();
    let (status, body) = if token.trim().is_empty() {
        let identity = Arc::new(key_file::load(general.key_file.as_deref())?);
        let client = Brc104Client::new(connector, identity);
        let reply = client.get("/admin/status", &[("full", full)]).await?;
        (reply.status, reply.body)
    } else {
        let route = format!("/admin/status?full={full}");
        let reply = connector.get_with_token(&route, token.trim()).await?;
        (reply.status, reply.body)
    };
    if status == 401 {
        let error = CommandError::new(Exit::Authentication, "the server does not take the token");
        return Err(error.advise(format!("{TOKEN} must be the server's ADMIN_TOKEN.")));
    }
    let said = serde_json::from_slice::<Value>(&body).ok();
    let said = said.filter(|said| status == 200 && said["server"].is_object());
    let said = said.ok_or_else(|| {
        CommandError::new(
            Exit::Protocol,
            format!("the server answers {status} and no status"),
        )
    })?;
    output.print(&said, || human(&said))
}

/// What people want to know first.
fn human(said: &Value) -> String {
    let (server, sockets, events) = (&said["server"], &said["sockets"], &said["events"]);
    let (rooms, database) = (&said["rooms"], &said["database"]);
    let percentiles = |of: &Value| {
        let milliseconds = |name: &str| of[name].as_f64().unwrap_or_default() / 1e3;
        let (p50, p95, p99) = (
            milliseconds("p50"),
            milliseconds("p95"),
            milliseconds("p99"),
        );
        format!("{p50:.1} / {p95:.1} / {p99:.1} ms (50, 95, 99 %)")
    };
    let ready = match server["notReady"].as_array() {
        None => "unknown: the checks do not answer".to_owned(),
        Some(wrong) if wrong.is_empty() => "yes".to_owned(),
        Some(wrong) => format!(
            "no: {}",
            wrong
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        ),
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
    let memory = said
        .pointer("/process/residentBytes")
        .and_then(Value::as_f64);
    let memory = memory.map_or_else(
        || "unknown".to_owned(),
        |bytes| format!("{:.0} MiB", bytes / 1_048_576.0),
    );
    let lines = [
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
        ("ready", ready),
        (
            "sockets",
            format!(
                "{} open, {} proven, {} websocket, {} polling",
                sockets["open"], sockets["proven"], sockets["websocket"], sockets["polling"]
            ),
        ),
        ("rooms", rooms),
        (
            "events",
            format!(
                "{} in, {} out in a second",
                events["inPerSecond"], events["outPerSecond"]
            ),
        ),
        ("answers", percentiles(&events["answerMicros"])),
        (
            "database",
            format!(
                "{}, {} stored, {} writes wait",
                text(&database["executor"]),
                database["stored"],
                database["queuedWrites"]
            ),
        ),
        ("commits", percentiles(&database["commitMicros"])),
        ("nodes", nodes(&said["cluster"])),
        ("memory", memory),
        ("panics", text(&said["panics"])),
    ];
    let mut shown = String::new();
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "{name:<9} {}", printable(&value));
    }
    shown
}

/// The other servers with the same database, and who of them has fallen silent.
fn nodes(cluster: &Value) -> String {
    let Some(peers) = cluster["peers"].as_array() else {
        return "no others".to_owned();
    };
    let mut said = if cluster["connected"] == true {
        "Redis answers".to_owned()
    } else {
        "Redis is away".to_owned()
    };
    for peer in peers {
        let name = peer["name"].as_str().unwrap_or_default();
        let version = peer["version"].as_str().unwrap_or_default();
        let _ = write!(said, "; {name} ({version}");
        if peer["present"] != true {
            let _ = write!(said, ", silent for {} s", peer["silentSeconds"]);
        }
        said.push(')');
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_nodes_are_named() {
        assert_eq!(nodes(&Value::Null), "no others");
        let mut cluster = json!({"connected": false, "peers": []});
        assert_eq!(nodes(&cluster), "Redis is away");
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
