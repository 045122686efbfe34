//! Checks without a key: name, connection, HTTP, health, clock, version.

use std::net::SocketAddr;
use std::time::Instant;

use messagebox::client::{ClientError, Connector, UnsignedReply};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::net::{TcpStream, lookup_host};

use crate::error::{CommandError, Exit};
use crate::options::General;

use super::report::Check;

/// Seconds by which two clocks may differ without a warning.
const MAX_CLOCK_SECONDS: i64 = 30;

/// Resolves the server's name.
pub(super) async fn name(general: &General) -> (Check, Vec<SocketAddr>) {
    let (host, port) = (general.server.host(), general.server.port());
    let looked_up = tokio::time::timeout(general.timeout, lookup_host((host.as_str(), port))).await;
    let addresses: Vec<SocketAddr> = match looked_up {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    if addresses.is_empty() {
        let check = Check::failed(
            "name",
            Exit::Unreachable,
            format!("{host} has no address"),
            "Is the name right, and does this machine reach its name server?",
        );
        return (check, addresses);
    }
    let mut ips: Vec<String> = addresses.iter().map(|it| it.ip().to_string()).collect();
    ips.dedup();
    (
        Check::ok("name", format!("{host} is {}", ips.join(", "))),
        addresses,
    )
}

/// Connects to one of the addresses.
pub(super) async fn connection(general: &General, addresses: &[SocketAddr]) -> Check {
    let mut failure = String::new();
    for address in addresses {
        let began = Instant::now();
        match tokio::time::timeout(general.timeout, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                let found = format!("{address} answers after {:.1?}", began.elapsed());
                return Check::ok("connection", found);
            }
            Ok(Err(error)) => failure = format!("{address}: {error}"),
            Err(_) => failure = format!("{address}: no answer within {:?}", general.timeout),
        }
    }
    Check::failed(
        "connection",
        Exit::Unreachable,
        failure,
        "Does the server run and listen on this port, on an address that this machine can reach? Does a firewall block it?",
    )
}

/// Checks HTTP, with TLS if the address says so. Gives the answer of `/healthz`.
pub(super) async fn http(
    general: &General,
    connector: &Connector,
) -> (Check, Option<UnsignedReply>) {
    let is_https = general.server.is_https();
    let name = if is_https { "TLS" } else { "HTTP" };
    match connector.get_unsigned("/healthz").await {
        Ok(reply) => {
            let local = ["localhost", "127.0.0.1", "::1"].contains(&general.server.host().as_str());
            let check = if is_https {
                Check::ok(name, "the certificate is valid for this name")
            } else if local {
                Check::ok(name, "without TLS, on this machine")
            } else {
                Check::warning(
                    name,
                    "without TLS: others on the network see who talks to whom, and unencrypted bodies",
                    "Put the server behind a proxy with a certificate, and use https.",
                )
            };
            (check, Some(reply))
        }
        Err(error) => {
            let advice = if is_https {
                "Is the certificate chain valid for this name, complete, and trusted by this machine? Does the port speak TLS?"
            } else {
                "Does a web server listen there? Must the address begin with https?"
            };
            // The peer accepted the connection, but does not speak plain HTTP.
            let is_other = !is_https && !matches!(error, ClientError::Timeout(_));
            let mut error = CommandError::from(error);
            if is_other {
                error.exit = Exit::Protocol;
            }
            (Check::error(name, error, advice), None)
        }
    }
}

pub(super) fn health(reply: &UnsignedReply) -> Check {
    probe("health", "/healthz", reply, "Read the server's log.")
}

pub(super) async fn readiness(connector: &Connector) -> Check {
    match connector.get_unsigned("/readyz").await {
        Ok(reply) if reply.status == 200 && !degraded(&reply.body).is_empty() => Check::warning(
            "readiness",
            format!("/readyz: ready, degraded: {}", degraded(&reply.body)),
            "The server works without these services: read its log.",
        ),
        Ok(reply) => probe(
            "readiness",
            "/readyz",
            &reply,
            "The server runs but does not accept requests now: read its log, and check its database.",
        ),
        Err(error) => Check::error(
            "readiness",
            error.into(),
            "Try again: the server has just answered another request.",
        ),
    }
}

/// The failing services of a server that is ready.
fn degraded(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let names = body.get("degraded").and_then(Value::as_array);
    let names = names.map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).take(20).collect();
    names.join(", ")
}

fn probe(name: &'static str, path: &str, reply: &UnsignedReply, advice: &str) -> Check {
    match reply.status {
        200..=299 => Check::ok(name, format!("{path}: ok")),
        // The route is optional, and some servers require authentication for every route.
        401 | 403 | 404 | 405 => Check::ok(name, format!("the server has no {path}")),
        status => {
            let text: String = String::from_utf8_lossy(&reply.body)
                .chars()
                .take(200)
                .collect();
            let id = reply.request_id.as_deref();
            let id = id.map_or_else(String::new, |id| format!(" (request {id})"));
            let found = format!("{path} answers {status}: {}{id}", text.trim());
            Check::failed(name, Exit::Failed, found, advice)
        }
    }
}

/// Compares the server's clock with ours.
pub(super) fn clock(reply: &UnsignedReply) -> Check {
    let date = reply.date.as_deref();
    let Some(theirs) = date.and_then(|text| OffsetDateTime::parse(text, &Rfc2822).ok()) else {
        return Check::ok("clock", "the server sends no date");
    };
    let seconds = (theirs - OffsetDateTime::now_utc()).whole_seconds();
    let found = match seconds {
        0 => String::from("agrees with this machine's"),
        1.. => format!("{seconds} s ahead of this machine's"),
        _ => format!("{} s behind this machine's", seconds.unsigned_abs()),
    };
    if seconds.abs() <= MAX_CLOCK_SECONDS {
        return Check::ok("clock", found);
    }
    Check::warning(
        "clock",
        found,
        "Synchronize both clocks by NTP; otherwise messages expire at the wrong time.",
    )
}

/// The public description of the server: a summary, and the whole.
pub(super) async fn info(connector: &Connector) -> Option<(Check, Value)> {
    let reply = connector.get_unsigned("/info").await.ok()?;
    let info: Value = serde_json::from_slice(&reply.body).ok()?;
    let at = |pointer: &str| info.pointer(pointer).filter(|value| !value.is_null());
    if reply.status != 200 || at("/version").is_none() {
        return None;
    }
    let number =
        |pointer: &str, none: &str| at(pointer).map_or_else(|| none.to_owned(), Value::to_string);
    let seconds = at("/retention/messageSeconds");
    let kept = seconds.map_or_else(
        || "until they are acknowledged".to_owned(),
        |seconds| format!("{seconds} s"),
    );
    let free = at("/prices/request") == Some(&Value::from(0))
        && at("/prices/routes")
            .and_then(Value::as_object)
            .is_none_or(Map::is_empty);
    let priced = if free {
        "requests are free"
    } else {
        "requests have a price"
    };
    let found = format!(
        "messages of up to {} bytes to up to {} recipients, kept {kept}; {} bytes of headers; {priced}",
        number("/limits/maxMessageBytes", "any number of"),
        number("/limits/maxRecipients", "?"),
        number("/limits/maxHeaderBytes", "?"),
    );
    Some((Check::ok("limits", found), info))
}

/// The version of the server, if known.
pub(super) async fn version(connector: &Connector, info: Option<&Value>) -> Check {
    let version = info.and_then(|info| info.get("version")?.as_str());
    if let Some(version) = version {
        return Check::ok("version", format!("MessageBox {version}"));
    }
    let document = connector.get_unsigned("/docs/openapi.json").await.ok();
    let json = document.filter(|reply| reply.status == 200);
    let json = json.and_then(|reply| serde_json::from_slice::<Value>(&reply.body).ok());
    let text = |name: &str| Some(json.as_ref()?.get("info")?.get(name)?.as_str()?.to_owned());
    Check::ok(
        "version",
        match (text("title"), text("version")) {
            (Some(title), Some(version)) => format!("{title} {version}"),
            _ => String::from("unknown"),
        },
    )
}
