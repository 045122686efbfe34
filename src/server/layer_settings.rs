//! Derives the settings of each layer from the operator's settings.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::{Identity, PeerConfig, RequiredCertificates, SessionLimits};
use crate::authsocket::{AuthSocketSettings, SocketRates};
use crate::cluster::ClusterSettings;
use crate::config::{ConfigError, Settings};
use crate::db::{DatabaseUrl, DbError, DbSettings};
use crate::delivery::{PaymentConfig, RequestPrices};
use crate::engineio::EngineConfig;
use crate::events::MAX_EVENT_BYTES;
use crate::http::{
    HeaderLimits, HttpLimits, HttpState, ListenerSettings, TcpSettings, WatchSettings, is_route,
};
use crate::limits::{AddressLimits, AddressSettings, BucketRates, Rate, share};
use crate::model::{Quota, Quotas};
use crate::payments::{BlockHeaders, PaymentReceiver, PaymentStore, WalletClient};
use crate::rooms::RoomSettings;
use crate::socketio::{Namespace, SocketIoConfig};

pub(super) fn engineio_config(settings: &Settings) -> EngineConfig {
    let socket = &settings.socket;
    EngineConfig {
        ping_interval: socket.ping_interval,
        ping_timeout: socket.ping_timeout,
        max_payload: socket.max_payload,
        max_outbound_bytes: socket.max_outbound_bytes,
        max_packets_per_payload: socket.max_packets_per_payload.get(),
        request_timeout: settings.server.request_timeout,
        ..EngineConfig::default()
    }
}

pub(super) fn socketio_config(settings: &Settings) -> SocketIoConfig {
    // A client whose host has a path uses that path as its namespace, with the trailing slash if there is one. The
    // published documents name `/ws` and `/wss`.
    let prefix = settings.routing_prefix();
    let named = [prefix.as_str(), "/ws", "/wss"];
    let named = named.into_iter().filter(|name| !name.is_empty());
    let named = named.flat_map(|name| [Namespace::new(name), Namespace::new(&format!("{name}/"))]);
    let namespaces = std::iter::once(Namespace::main()).chain(named).collect();
    SocketIoConfig {
        namespaces,
        max_attachments: settings.socket.max_attachments,
        max_attachment_bytes: settings.socket.max_payload,
        max_json_depth: settings.limits.max_json_depth.get(),
        ..SocketIoConfig::default()
    }
}

pub(super) fn authsocket_settings(
    settings: &Settings,
    certificates: Option<&RequiredCertificates>,
) -> AuthSocketSettings {
    let auth = &settings.auth;
    AuthSocketSettings {
        auth_timeout: auth.timeout,
        revival_delay: auth.revival_delay,
        max_held_frames: auth.max_held_frames,
        peer: PeerConfig {
            // A client may send many frames before it sees that a new session begins.
            max_seen_nonces: auth.max_seen_nonces.get().saturating_mul(4),
            renew_after_received: (auth.max_seen_nonces.get() / 4 * 3).clamp(1, 3_000),
            requested_certificates: certificates.map(|required| required.demand.json().to_owned()),
            ..PeerConfig::default()
        },
        certificates: certificates.cloned(),
        rates: socket_rates(settings),
        max_sockets_per_identity: settings.limits.sockets_per_identity,
        pace: settings.socket.pace,
        max_paced_bytes: settings.socket.max_outbound_bytes,
        keep_alive: settings.socket.keep_alive,
        max_delay: settings.limits.max_delay,
        max_waiting_bytes: settings.server.max_buffered_bytes / 8,
        max_json_depth: settings.limits.max_json_depth.get(),
    }
}

/// Rate limits of sockets and identities.
pub(super) fn socket_rates(settings: &Settings) -> SocketRates {
    let limits = &settings.limits;
    let rates = |frames, bytes| BucketRates {
        frames: rate(settings, frames),
        bytes: rate(settings, bytes),
    };
    SocketRates {
        socket: rates(limits.frames_per_socket, limits.bytes_per_socket),
        identity: rates(limits.frames_per_identity, limits.bytes_per_identity),
    }
}

/// A rate with the configured burst.
pub(super) fn rate(settings: &Settings, per_second: u64) -> Rate {
    Rate::new(per_second, settings.limits.burst)
}

pub(super) fn address_limits(settings: &Settings) -> AddressLimits {
    AddressLimits::new(address_settings(settings))
}

pub(super) fn address_settings(settings: &Settings) -> AddressSettings {
    let limits = &settings.limits;
    AddressSettings {
        trusted_proxies: settings.server.trusted_proxies.clone(),
        unlimited: limits.unlimited_addresses.clone(),
        connections: limits.connections_per_address,
        unauthenticated_sockets: limits.unproven_sockets_per_address,
        all_unauthenticated_sockets: limits.unproven_sockets,
        requests: rate(settings, limits.requests_per_address),
        handshakes: rate(settings, limits.handshakes_per_address),
    }
}

pub(super) fn room_settings(settings: &Settings) -> RoomSettings {
    RoomSettings {
        auto_join: settings.rooms.auto_join,
        access: settings.rooms.access,
        max_rooms_per_socket: settings.rooms.max_rooms_per_socket,
        // A byte takes up to four in a frame, and a member must have room for a second event.
        max_event_bytes: (settings.socket.max_outbound_bytes / 8).min(MAX_EVENT_BYTES),
        ..RoomSettings::default()
    }
}

/// After a lost connection, messages are read from this long before the loss. No server takes longer from a commit to its
/// publication.
const CLUSTER_OVERLAP: Duration = Duration::from_secs(10);

/// `None` if this is the only server.
pub(super) fn cluster_settings(settings: &Settings) -> Option<ClusterSettings> {
    let cluster = &settings.cluster;
    let url = cluster.redis_url.as_ref()?.expose().trim();
    (!url.is_empty()).then(|| ClusterSettings {
        node_name: settings.node_name(),
        url: url.to_owned(),
        prefix: cluster.prefix.clone(),
        max_queued_bytes: cluster.max_queued_bytes,
        max_catch_up: cluster.max_catch_up,
        overlap: CLUSTER_OVERLAP,
    })
}

/// # Errors
/// [`DbError::Url`].
pub(super) fn db_settings(settings: &Settings) -> Result<DbSettings, DbError> {
    let url = DatabaseUrl::parse(&settings.database_url())?;
    let database = &settings.database;
    let readers = database.max_connections.get().saturating_sub(1);
    Ok(DbSettings {
        read_threads: NonZeroUsize::new(readers).unwrap_or(NonZeroUsize::MIN),
        busy_timeout: database.busy_timeout,
        max_queued_writes: database.max_queued_writes,
        max_queued_bytes: database.max_queued_bytes,
        max_queued_reads: database.max_queued_reads,
        migrate: database.migrate_on_start,
        takes_old_schema: settings.migrate_key.is_some(),
        checkpoint: database.checkpoint,
        delivery_fees: settings.fees.boxes.clone(),
        delivery_fee_per_recipient: settings.messages.delivery_fee_per_recipient,
        message_ttl: Some(settings.messages.ttl).filter(|ttl| !ttl.is_zero()),
        retention: retention(settings),
        quotas: quotas(settings),
        min_free_bytes: database.min_free_bytes,
        session_life: session_limits(settings).stored_life(),
        pending_session_life: session_limits(settings).pending_ttl(),
        returns_ids: cluster_settings(settings).is_some(),
        ..DbSettings::new(url)
    })
}

/// Retention per box; 0 in the settings is no limit.
pub(super) fn retention(settings: &Settings) -> BTreeMap<String, Duration> {
    let boxes = settings.messages.retention.iter();
    let limited = boxes.filter(|(_, time)| !time.0.is_zero());
    limited.map(|(name, time)| (name.clone(), time.0)).collect()
}

/// Storage quotas per identity; 0 in the settings is no limit.
pub(super) fn quotas(settings: &Settings) -> Quotas {
    let limit = |limit: u64| Some(limit).filter(|limit| *limit > 0);
    let messages = &settings.messages;
    Quotas {
        inbox: Quota {
            messages: limit(messages.max_inbox_messages),
            bytes: limit(messages.max_inbox_bytes),
        },
        sender: Quota {
            messages: limit(messages.max_sender_messages),
            bytes: limit(messages.max_sender_bytes),
        },
    }
}

/// Maximum bytes of a message in a list; 0 in the settings is no limit.
pub(super) const fn max_message_bytes(settings: &Settings) -> usize {
    match settings.messages.max_message_bytes {
        0 => usize::MAX,
        max => max,
    }
}

/// Maximum bytes of a request body: at most one client's share of the memory for bodies.
pub(super) fn max_body_bytes(settings: &Settings) -> usize {
    let server = &settings.server;
    server.max_body_bytes.min(share(server.max_buffered_bytes))
}

pub(super) fn http_limits(settings: &Settings) -> HttpLimits {
    HttpLimits {
        max_body_bytes: max_body_bytes(settings),
        max_buffered_bytes: settings.server.max_buffered_bytes,
        max_json_depth: settings.limits.max_json_depth.get(),
        request_timeout: settings.server.request_timeout,
        max_requests_per_session: settings.auth.max_seen_nonces.get(),
        max_recipients: settings.messages.max_recipients.get(),
        max_listed_bytes: settings.messages.max_listed_bytes,
        requests_per_identity: rate(settings, settings.limits.requests_per_identity),
    }
}

/// The address that the server listens on, for messages.
pub(super) fn listen_address(settings: &Settings) -> String {
    let (host, port) = (&settings.server.host, settings.port());
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) fn listener_settings(settings: &Settings, state: &HttpState) -> ListenerSettings {
    let server = &settings.server;
    let tcp = TcpSettings {
        user_timeout: settings.socket.ping_interval + settings.socket.ping_timeout,
        watch: WatchSettings {
            idle_timeout: server.keep_alive + server.head_timeout,
            answer_timeout: server.request_timeout,
            answer_rate: server.min_answer_rate,
        },
    };
    ListenerSettings {
        workers: (server.workers > 0).then_some(server.workers),
        max_connections: server.max_connections,
        head_timeout: server.head_timeout,
        keep_alive: server.keep_alive,
        // The drain has a deadline of its own, which is shorter.
        shutdown_timeout: server.shutdown_timeout.as_secs().saturating_add(1),
        tcp,
        addresses: Arc::clone(&state.addresses),
        counts: Arc::clone(&state.requests),
    }
}

pub(super) const fn head_limits(settings: &Settings) -> HeaderLimits {
    let server = &settings.server;
    HeaderLimits {
        max_url_bytes: server.max_url_bytes.get(),
        max_headers: server.max_headers.get(),
        max_header_bytes: server.max_header_bytes.get(),
    }
}

pub(super) fn session_limits(settings: &Settings) -> SessionLimits {
    SessionLimits {
        max_sessions: settings.auth.max_sessions,
        max_sessions_per_identity: settings.auth.max_sessions_per_identity.get(),
        max_pending_per_origin: settings.limits.unproven_sockets_per_address,
        ttl: Some(settings.auth.session_ttl).filter(|ttl| !ttl.is_zero()),
    }
}

/// Refuses prices of unknown routes, which nobody would pay.
pub(super) fn request_prices(settings: &Settings) -> Result<RequestPrices, ConfigError> {
    let routes = &settings.prices.routes;
    if let Some(unknown) = routes.keys().find(|route| !is_route(route)) {
        let expected = format!("there is no route {unknown:?}; routes are named like /sendMessage");
        return Err(ConfigError::value("prices.routes", expected));
    }
    Ok(RequestPrices {
        routes: routes.clone(),
        others: settings.prices.request,
    })
}

/// Hosts of wallet storages, which speak another protocol. Many installations name one in `WALLET_STORAGE_URL`.
const STORAGE_HOSTS: &str = "storage.babbage.systems";

/// The wallet that takes payments; `None` if the server keeps them.
pub(super) fn wallet_url(settings: &Settings) -> Option<&str> {
    let url = settings.wallet.url.as_ref()?.expose().trim();
    (!url.is_empty() && !url.contains(STORAGE_HOSTS)).then_some(url)
}

pub(super) fn paying(settings: &Settings, identity: &Arc<Identity>) -> PaymentConfig {
    let timeout = settings.wallet.timeout;
    let cashier: Arc<dyn PaymentReceiver> = if let Some(url) = wallet_url(settings) {
        Arc::new(WalletClient::new(url, timeout))
    } else {
        if settings.wallet.url.is_some() {
            log::warn!(
                "WALLET_STORAGE_URL names a wallet storage, not a BRC-100 wallet: the server keeps payments (--export-payments)"
            );
        }
        Arc::new(PaymentStore)
    };
    let headers = settings.wallet.headers_url.as_ref();
    PaymentConfig {
        identity: Arc::clone(identity),
        cashier,
        headers: headers.map(|url| BlockHeaders::new(url.expose(), timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    /// Installations of the servers in use name a storage there, which does not speak BRC-100.
    #[test]
    fn a_wallet_storage_is_not_taken_for_a_wallet() {
        let cases = [
            (None, None),
            (Some(""), None),
            (Some("https://storage.babbage.systems"), None),
            (Some("https://staging-storage.babbage.systems/"), None),
            (
                Some(" http://localhost:3321 "),
                Some("http://localhost:3321"),
            ),
        ];
        for (url, expected) in cases {
            let mut settings = Settings::default();
            settings.wallet.url = url.map(Secret::new);
            assert_eq!(wallet_url(&settings), expected, "{url:?}");
        }
    }

    #[test]
    fn prices_are_of_routes_that_exist() {
        let mut settings = Settings::default();
        settings.prices.routes.insert("/sendMessage".to_owned(), 5);
        settings.prices.request = 1;
        let prices = request_prices(&settings).unwrap();
        assert_eq!((prices.of("/sendMessage"), prices.of("/devices")), (5, 1));
        settings.prices.routes.insert("sendMessage".to_owned(), 5);
        assert!(request_prices(&settings).is_err());
    }
}
