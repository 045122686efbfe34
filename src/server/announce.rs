//! What the server says when it starts, and what it asks the system for.

use std::net::SocketAddr;

use crate::auth::{Identity, RequiredCertificates};
use crate::config::{IdentityKeySource, Settings};
use crate::db::{DatabaseUrl, DbHandle};
use crate::limits::SHARE;

use super::administration;
use super::layer_settings::{cluster_settings, max_body_bytes, wallet_url};
use super::lines::Line;

/// A websocket takes a file descriptor, a socket that polls up to two; and many systems begin with 1,024.
pub(super) fn raise_file_limit(max_sockets: usize) {
    let wanted = u64::try_from(max_sockets)
        .unwrap_or(u64::MAX)
        .saturating_mul(2)
        .saturating_add(1024);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => log::warn!(
            "{limit} file descriptors allow for about {} websockets, or half as many sockets that poll; `ulimit -n {wanted}` allows for all {max_sockets}",
            limit.saturating_sub(1024)
        ),
        Ok(limit) => log::debug!("up to {limit} file descriptors"),
        Err(error) => log::warn!("the limit of file descriptors was not raised: {error}"),
    }
}

pub(super) fn log_start(
    settings: &Settings,
    address: SocketAddr,
    identity: &Identity,
    source: &IdentityKeySource,
    database: &DatabaseUrl,
) {
    if let IdentityKeySource::Made(path) = source {
        log::warn!(
            "made a server key for development and keep it in {}",
            path.display()
        );
    }
    for warning in warnings(settings) {
        log::warn!("{warning}");
    }
    let sockets = if settings.socket.enabled { "on" } else { "off" };
    let payments = match wallet_url(settings) {
        Some(_) => "wallet",
        None => "kept",
    };
    if settings.wallet.headers_url.is_none() && settings.environment != "development" {
        log::warn!(
            "BLOCK_HEADERS_URL is not set: that a payment's coins were mined is believed, not looked up"
        );
    }
    let push = if settings.push.enabled { "on" } else { "off" };
    let redis = match cluster_settings(settings) {
        Some(_) => "on",
        None => "off",
    };
    let address = format!("http://{address}{}", settings.routing_prefix());
    Line::new("started")
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

/// What of the configuration is probably not meant.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = settings.warnings.clone();
    if !settings.without_effect.is_empty() {
        warnings.push(format!(
            "settings of an earlier release have no effect any more, remove them: {}",
            settings.without_effect.join(", ")
        ));
    }
    if !settings.unread_variables.is_empty() {
        warnings.push(format!(
            "these variables of the TypeScript server have no counterpart here and are not followed: {}",
            settings.unread_variables.join(", ")
        ));
    }
    warnings
}

pub(super) fn log_certificates(certificates: Option<&RequiredCertificates>) {
    if let Some(required) = certificates {
        log::info!("certificates required: {}", required.demand.json());
    }
}

/// A body may be no larger than the share that one client has of the memory of bodies.
pub(super) fn warn_of_large_bodies(settings: &Settings) {
    let (asked, max) = (settings.server.max_body_bytes, max_body_bytes(settings));
    if max < asked {
        log::warn!(
            "bodies of more than {max} bytes are refused with 413, although MAX_BODY_BYTES allows {asked}: one client may hold \
             a sixteenth of MAX_BUFFERED_BYTES; raise that to {} for larger bodies",
            asked.saturating_mul(SHARE)
        );
    }
}

/// What a request may hold should be what the database takes.
pub(super) fn warn_of_small_packets(db: &DbHandle, settings: &Settings) {
    let max_body_bytes = max_body_bytes(settings);
    if let Some(max) = db.largest_message().filter(|max| *max < max_body_bytes) {
        log::warn!(
            "the database takes no message of more than {max} bytes (max_allowed_packet), and a request may have \
             {max_body_bytes} (MAX_BODY_BYTES); what is between is refused with 413"
        );
    }
}
