//! `status`: how a server is, as it says to its admins.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use messagebox::client::{Brc104Client, ClientError, Connector, TransportKind};
use serde_json::Value;

use crate::error::{CommandError, Exit};
use crate::key_file;
use crate::options::{General, Status};
use crate::output::{Output, bad, doubtful, good, label, printable};

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
    let route = format!("/admin/status?full={full}");
    let token = Some(token.trim()).filter(|token| !token.is_empty());
    let identity = match token {
        Some(_) => None,
        None => key_file::load_if_any(general.key_file.as_deref())?,
    };
    let (asker, body) = match (token, identity) {
        (Some(token), _) => {
            let reply = connector.get_with_token(&route, token).await?;
            (Asker::Token, reply.success().map(|reply| reply.body))
        }
        (None, Some(identity)) => {
            let client = Brc104Client::new(connector, Arc::new(identity));
            let reply = client.request("GET", &route, Bytes::new()).await?;
            (Asker::Key, reply.success().map(|reply| reply.body))
        }
        (None, None) => {
            let reply = connector.get_as_nobody(&route).await?;
            (Asker::Nobody, reply.success().map(|reply| reply.body))
        }
    };
    let body = body.map_err(|error| asker.refused(error))?;
    let said = serde_json::from_slice::<Value>(&body).ok();
    let said = said.filter(|said| said["server"].is_object());
    let said = said.ok_or_else(|| {
        CommandError::new(Exit::Protocol, "the server's answer is no status")
            .advise("Does --server name a MessageBox server, with its path if it has one?")
    })?;
    output.print(&said, || human(&said))
}

/// As whom the server was asked.
#[derive(Clone, Copy)]
enum Asker {
    Token,
    Key,
    Nobody,
}

impl Asker {
    /// The error where the server does not tell its status. It does not say why: it has no such route for others than admins.
    fn refused(self, error: ClientError) -> CommandError {
        if !matches!(error.status(), Some(401 | 403 | 404)) {
            return error.into();
        }
        let advice = match self {
            Self::Token => format!("{TOKEN} must be the server's ADMIN_TOKEN."),
            Self::Key => format!(
                "Your key is no admin's (ADMIN_IDENTITIES), and the server does not trust this machine. {TOKEN} may hold its ADMIN_TOKEN."
            ),
            Self::Nobody => format!(
                "Only a server in development answers without a token or key, at its own machine. {TOKEN} may hold the server's ADMIN_TOKEN; --key-file names the key of an admin (ADMIN_IDENTITIES)."
            ),
        };
        let error = CommandError::from(error);
        let what = format!("the server does not tell its status: {}", error.what);
        CommandError::new(error.exit, what).advise(advice)
    }
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
    let line = |name: &str, value: &str| format!("{} {value}\n", label(&format!("{name:<9}")));
    let lines = |of: &[(&str, String)]| -> String {
        let lines = of.iter();
        lines
            .map(|(name, value)| line(name, &printable(value)))
            .collect()
    };
    lines(&before) + &line("ready", &ready(server)) + &lines(&after)
}

/// Whether it takes requests, and what it does without.
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
    fn what_is_not_ready_or_degraded_is_named() {
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
