//! Log lines at the start of the server, and the limit of file descriptors.

use std::net::SocketAddr;

use crate::auth::{Identity, RequiredCertificates};
use crate::config::{IdentityKeySource, Settings};
use crate::db::{DatabaseUrl, DbHandle};
use crate::limits::SHARE;

use super::start_stop_log::LogLine;
use crate::server::administration;
use crate::server::layer_settings::{cluster_settings, max_body_bytes, wallet_url};

/// Raises the limit of file descriptors. A websocket takes one, a polling socket up to two, and many systems begin with 1,024.
pub(crate) fn raise_file_limit(max_sockets: usize) {
    let wanted = u64::try_from(max_sockets)
        .unwrap_or(u64::MAX)
        .saturating_mul(2)
        .saturating_add(1024);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => log::warn!(
            "{limit} file descriptors are enough for about {} websockets, or half as many polling sockets; `ulimit -n {wanted}` is enough for all {max_sockets}",
            limit.saturating_sub(1024)
        ),
        Ok(limit) => log::debug!("up to {limit} file descriptors"),
        Err(error) => log::warn!("cannot raise the limit of file descriptors: {error}"),
    }
}

pub(crate) fn log_start(
    settings: &Settings,
    address: SocketAddr,
    identity: &Identity,
    source: &IdentityKeySource,
    database: &DatabaseUrl,
) {
    if let IdentityKeySource::Generated(path) = source {
        log::warn!(
            "generated a development server key; saved to {}",
            path.display()
        );
    }
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    let sockets = if settings.socket.enabled { "on" } else { "off" };
    let payments = match wallet_url(settings) {
        Some(_) => "wallet",
        None => "kept",
    };
    if settings.wallet.headers_url.is_none() && settings.environment != "development" {
        log::warn!(
            "BLOCK_HEADERS_URL is not set: the server does not check whether the coins of a payment were mined"
        );
    }
    let push = if settings.push.enabled { "on" } else { "off" };
    let redis = match cluster_settings(settings) {
        Some(_) => "on",
        None => "off",
    };
    let address = format!("http://{address}{}", settings.routing_prefix());
    LogLine::new("started")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("environment", &settings.environment)
        .with("address", address)
        .with("identity", identity.identity_key())
        .with("database", database)
        .with("workers", administration::workers(settings))
        .with("sockets", sockets)
        .with(
            "rooms",
            format!("{:?}", settings.rooms.access).to_lowercase(),
        )
        .with("payments", payments)
        .with("network", &settings.wallet.network)
        .with("push", push)
        .with("redis", redis)
        .log();
}

pub(crate) fn log_certificates(certificates: Option<&RequiredCertificates>) {
    if let Some(required) = certificates {
        log::info!("certificates required: {}", required.demand.json());
    }
}

/// Warns if one client's share of the memory for bodies is smaller than the largest body.
pub(crate) fn warn_of_large_bodies(settings: &Settings) {
    let (asked, max) = (settings.server.max_body_bytes, max_body_bytes(settings));
    if max < asked {
        log::warn!(
            "MAX_BODY_BYTES is {asked}, but the server refuses bodies over {max} bytes with 413: one client may use a sixteenth \
             of MAX_BUFFERED_BYTES; raise that to {} for larger bodies",
            asked.saturating_mul(SHARE)
        );
    }
}

/// Warns if the database takes smaller messages than a request may have.
pub(crate) fn warn_of_small_packets(db: &DbHandle, settings: &Settings) {
    let max_body_bytes = max_body_bytes(settings);
    if let Some(max) = db.largest_message().filter(|max| *max < max_body_bytes) {
        log::warn!(
            "database limit: messages over {max} bytes will be refused with 413 (max_allowed_packet), although a request may have \
             {max_body_bytes} bytes (MAX_BODY_BYTES)"
        );
    }
}
