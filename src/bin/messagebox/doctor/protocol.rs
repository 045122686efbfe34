//! Checks with a key: handshake, signed requests, sockets over both transports.

use std::time::Instant;

use messagebox::auth::AUTH_VERSION;
use messagebox::client::{ClientError, Connector, TransportKind};
use messagebox::ids::{IdentityKey, RoomId};

use crate::error::{CommandError, Exit};
use crate::local::party::{Party, in_time};
use crate::options::General;

use super::latency::Latency;
use super::report::{Check, Diagnosis};

/// An unused box: listing it is cheap and changes nothing.
const BOX: &str = "messagebox-doctor";

/// Checks the handshake over HTTP.
pub(super) async fn handshake(party: &Party) -> (Check, Option<IdentityKey>) {
    let began = Instant::now();
    match party.boxes.server_key().await {
        Ok(key) => {
            let took = began.elapsed();
            let found = format!("BRC-103 {AUTH_VERSION}, after {took:.1?}; the server is {key}");
            (Check::ok("handshake", found), Some(key))
        }
        Err(error) => {
            // Another web server refuses without a code of this protocol.
            let is_other = matches!(&error, ClientError::Refused { code, .. } if code.is_empty());
            let mut error = CommandError::from(error);
            if is_other {
                error.exit = Exit::Protocol;
            }
            let advice =
                "Is it a MessageBox server, and does a proxy forward POST /.well-known/auth to it?";
            (Check::error("handshake", error, advice), None)
        }
    }
}

/// Checks signed requests and their signed answers, and times them.
pub(super) async fn requests(party: &Party, count: u16) -> (Check, Option<Latency>) {
    let mut times = Vec::with_capacity(count.into());
    for _ in 0..count {
        let began = Instant::now();
        if let Err(error) = party.boxes.list(BOX).await {
            let check = if error.status() == Some(402) {
                Check::warning(
                    "requests",
                    error.to_string(),
                    "The server charges for requests: use a client with a wallet.",
                )
            } else {
                Check::error(
                    "requests",
                    error.into(),
                    "Does a proxy change paths, headers or bodies? Every byte is signed. Read the server's log.",
                )
            };
            return (check, Latency::of(times));
        }
        times.push(began.elapsed());
    }
    let latency = Latency::of(times);
    let found = latency.as_ref().map(Latency::human).unwrap_or_default();
    (Check::ok("requests", found), latency)
}

/// Checks events over polling, over a websocket, and over an upgrade from one to the other.
pub(super) async fn sockets(
    general: &General,
    party: &Party,
    report: &mut Diagnosis,
) -> Result<(), CommandError> {
    let over = |transport| party.connector.clone().over(transport);
    let polling = over(TransportKind::Polling);
    let ways = [
        (
            "polling",
            polling.clone(),
            "Does a proxy forward /socket.io/ without buffering answers?",
        ),
        (
            "websocket",
            over(TransportKind::Websocket),
            "Does a proxy forward the headers Upgrade and Connection? Without them, clients stay on polling.",
        ),
        (
            "upgrade",
            polling.upgrading(),
            "Does a proxy send all requests of a session to the same server? Otherwise clients stay on polling.",
        ),
    ];
    for (name, connector, advice) in ways {
        let began = Instant::now();
        match round_trip(general, party, &connector).await {
            Ok(()) => {
                let found = format!(
                    "connected, authenticated, and in a room after {:.1?}",
                    began.elapsed()
                );
                report.add(Check::ok(name, found))?;
            }
            Err(error) if name == "polling" && has_none(report, &error) => {
                let advice = "Clients receive no live messages, and send over HTTP. To change that, set ENABLE_WEBSOCKETS, or let the proxy forward /socket.io/.";
                report.add(Check::warning("sockets", "not served", advice))?;
                return Ok(());
            }
            Err(error) => {
                report.add(Check::error(name, error.into(), advice))?;
            }
        }
    }
    Ok(())
}

/// Whether the server reports that it serves no sockets, or answers like a server without the route.
fn has_none(report: &Diagnosis, error: &ClientError) -> bool {
    let info = report.info.as_ref();
    let serves = info.and_then(|info| info.pointer("/features/websockets")?.as_bool());
    serves == Some(false) || matches!(error.status(), Some(401 | 403 | 404))
}

/// Connects, joins a room, and waits for the answer.
async fn round_trip(
    general: &General,
    party: &Party,
    connector: &Connector,
) -> Result<(), ClientError> {
    let mut socket = party.socket(connector, general).await?;
    let room = RoomId::of(&party.identity.identity_key(), BOX);
    let joined = in_time(general, "an event's answer", socket.join(&room)).await;
    socket.close().await;
    joined
}
