//! What each layer is told of the operator's settings.

use std::num::NonZeroUsize;

use crate::auth::{PeerConfig, RequiredCertificates};
use crate::authsocket::AuthSocketSettings;
use crate::config::Settings;
use crate::db::{DatabaseUrl, DbSettings};
use crate::engineio;
use crate::rooms::RoomSettings;
use crate::socketio::{self, Namespace};

pub(super) fn engineio_config(settings: &Settings) -> engineio::Config {
    let socket = &settings.socket;
    engineio::Config {
        ping_interval: socket.ping_interval,
        ping_timeout: socket.ping_timeout,
        upgrade_timeout: socket.upgrade_timeout,
        max_payload: socket.max_payload,
        max_outbound_bytes: socket.max_outbound_bytes,
        max_packets_per_poll: socket.max_packets_per_poll.get(),
        ..engineio::Config::default()
    }
}

pub(super) fn socketio_config(settings: &Settings) -> socketio::Config {
    let mut namespaces = vec![Namespace::main()];
    let prefix = settings.routing_prefix();
    if !prefix.is_empty() {
        // A client whose host ends in a path uses that path as its namespace.
        namespaces.push(Namespace::new(&prefix));
    }
    socketio::Config {
        connect_timeout: settings.socket.connect_timeout,
        namespaces,
        max_attachment_bytes: settings.socket.max_payload,
        ..socketio::Config::default()
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
        lost_session_ttl: auth.lost_session_ttl,
        max_lost_sessions: auth.max_lost_sessions,
        peer: PeerConfig {
            max_seen_nonces: auth.max_seen_nonces.get(),
            requested_certificates: certificates.map(|required| required.demand.json().to_owned()),
            ..PeerConfig::default()
        },
        certificates: certificates.cloned(),
        ..AuthSocketSettings::default()
    }
}

pub(super) fn room_settings(settings: &Settings) -> RoomSettings {
    RoomSettings {
        auto_join: settings.rooms.auto_join,
        access: settings.rooms.access,
        max_rooms_per_socket: settings.rooms.max_rooms_per_socket,
        max_pending_deliveries: settings.rooms.max_pending_deliveries,
    }
}

pub(super) fn db_settings(settings: &Settings, url: DatabaseUrl) -> DbSettings {
    let database = &settings.database;
    let readers = database.max_connections.get().saturating_sub(1);
    DbSettings {
        read_threads: NonZeroUsize::new(readers).unwrap_or(NonZeroUsize::MIN),
        busy_timeout: database.busy_timeout,
        max_queued_writes: database.max_queued_writes,
        max_group: database.max_group.get(),
        ..DbSettings::new(url)
    }
}
