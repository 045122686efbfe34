//! The sections of the settings, with their defaults. What each key means stands in `keys.rs`.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Networks;
use crate::rooms::RoomAccess;
use crate::telemetry::{AccessLog, LogFormat};
use crate::throttle::Throttle;

use super::at_most::AtMost;
use super::lifetime::Lifetime;
use super::secret::Secret;
use super::units;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* #[doc = concat!("See the key `", stringify!($field), "`.")] pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

const fn at_least_one(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

/// A download over a slow mobile connection.
const MIN_ANSWER_RATE: NonZeroU64 = NonZeroU64::MIN.saturating_add(64 * 1024 - 1);

section! {
    /// `[server]`: HTTP.
    ServerSection {
        host: String = "::".to_owned(),
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16> = None,
        routing_prefix: String = String::new(),
        #[serde(skip_serializing_if = "Option::is_none")]
        hosting_domain: Option<String> = None,
        workers: usize = 0,
        max_connections: usize = 25_000,
        max_url_bytes: AtMost<65_534> = AtMost::new(60 * 1024),
        max_headers: AtMost<96> = AtMost::new(90),
        max_header_bytes: AtMost<131_072> = AtMost::new(128 * 1024),
        max_body_bytes: usize = 32 * 1024 * 1024,
        max_buffered_bytes: usize = 512 * 1024 * 1024,
        #[serde(with = "units")]
        request_timeout: Duration = Duration::from_secs(30),
        #[serde(with = "units")]
        head_timeout: Duration = Duration::from_secs(5),
        #[serde(with = "units")]
        keep_alive: Duration = Duration::from_secs(75),
        min_answer_rate: NonZeroU64 = MIN_ANSWER_RATE,
        trusted_proxies: Networks = Networks::default(),
        #[serde(with = "units")]
        shutdown_timeout: Duration = Duration::from_secs(30),
        #[serde(with = "units")]
        drain_delay: Duration = Duration::ZERO,
        #[serde(with = "units")]
        health_interval: Duration = Duration::from_secs(2),
        docs: bool = true,
    }
}

section! {
    /// `[identity]`: who the server is.
    IdentitySection {
        #[serde(skip_serializing_if = "Option::is_none")]
        private_key: Option<Secret> = None,
        data_dir: PathBuf = PathBuf::from("data"),
    }
}

section! {
    /// `[database]`: where messages are kept.
    DatabaseSection {
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<Secret> = None,
        max_connections: NonZeroUsize = at_least_one(3),
        #[serde(with = "units")]
        busy_timeout: Duration = Duration::from_secs(5),
        max_queued_writes: usize = 10_000,
        max_queued_bytes: usize = 256 * 1024 * 1024,
        max_queued_reads: usize = 2048,
        max_group: NonZeroUsize = at_least_one(512),
        migrate_on_start: bool = true,
        min_free_bytes: u64 = 256 * 1024 * 1024,
        checkpoint: bool = true,
    }
}

section! {
    /// `[admin]`: who may look after the server.
    AdminSection {
        enabled: bool = true,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<Secret> = None,
        identities: Vec<String> = Vec::new(),
        public_metrics: bool = false,
    }
}

section! {
    /// `[messages]`: bounds and times of messages.
    MessagesSection {
        #[serde(with = "units")]
        ttl: Duration = Duration::ZERO,
        #[serde(with = "units")]
        sweep_interval: Duration = Duration::from_secs(60),
        sweep_batch: NonZeroUsize = at_least_one(500),
        max_recipients: NonZeroUsize = at_least_one(1_000),
        max_listed_bytes: usize = 16 * 1024 * 1024,
        max_message_bytes: usize = 4_000_000,
        delivery_fee_per_recipient: bool = false,
        retention: BTreeMap<String, Lifetime> = BTreeMap::new(),
        max_inbox_messages: u64 = 100_000,
        max_inbox_bytes: u64 = 4 * 1024 * 1024 * 1024,
        max_sender_messages: u64 = 100_000,
        max_sender_bytes: u64 = 4 * 1024 * 1024 * 1024,
    }
}

section! {
    /// `[socket]`: Engine.IO and Socket.IO.
    SocketSection {
        enabled: bool = true,
        #[serde(with = "units")]
        ping_interval: Duration = Duration::from_secs(25),
        #[serde(with = "units")]
        ping_timeout: Duration = Duration::from_secs(20),
        #[serde(with = "units")]
        connect_timeout: Duration = Duration::from_secs(45),
        #[serde(with = "units")]
        upgrade_timeout: Duration = Duration::from_secs(10),
        max_payload: usize = 10_000_000,
        max_outbound_bytes: usize = 8 * 1024 * 1024,
        max_packets_per_poll: NonZeroUsize = at_least_one(16),
        max_packets_per_payload: NonZeroUsize = at_least_one(1_024),
        max_attachments: usize = 64,
        max_sockets: usize = 20_000,
        pace: Throttle = Throttle::PUBLISHED_CLIENTS,
        #[serde(with = "units")]
        keep_alive: Duration = Duration::from_secs(600),
    }
}

section! {
    /// `[auth.certificates]`: what a client must bring before it is served.
    CertificatesSection {
        certifiers: Vec<String> = Vec::new(),
        types: BTreeMap<String, Vec<String>> = BTreeMap::new(),
        require_field: Vec<String> = Vec::new(),
        #[serde(with = "units")]
        timeout: Duration = Duration::from_secs(30),
    }
}

section! {
    /// `[auth]`: BRC-103 and BRC-104 sessions.
    AuthSection {
        #[serde(with = "units")]
        timeout: Duration = Duration::from_secs(30),
        #[serde(with = "units")]
        revival_delay: Duration = Duration::from_secs(3),
        #[serde(with = "units")]
        session_ttl: Duration = Duration::from_secs(3_600),
        max_sessions: NonZeroUsize = at_least_one(100_000),
        max_sessions_per_identity: NonZeroUsize = at_least_one(64),
        max_seen_nonces: NonZeroUsize = at_least_one(4_096),
        max_held_frames: usize = 8,
        #[serde(with = "units")]
        lost_session_ttl: Duration = Duration::from_secs(300),
        max_lost_sessions: NonZeroUsize = at_least_one(10_000),
        certificates: CertificatesSection = CertificatesSection::default(),
    }
}

section! {
    /// `[limits]`: what one address, identity or socket may have and ask for; 0 in a second is no limit.
    LimitsSection {
        unlimited_addresses: Networks = Networks::loopback(),
        connections_per_address: usize = 1_500,
        unproven_sockets: usize = 10_000,
        unproven_sockets_per_address: usize = 625,
        sockets_per_identity: usize = 10_000,
        requests_per_address: u64 = 5_000,
        handshakes_per_address: u64 = 100,
        requests_per_identity: u64 = 2_000,
        frames_per_socket: u64 = 2_000,
        frames_per_identity: u64 = 4_000,
        bytes_per_socket: u64 = 16 * 1024 * 1024,
        bytes_per_identity: u64 = 32 * 1024 * 1024,
        max_json_depth: NonZeroUsize = at_least_one(128),
        #[serde(with = "units")]
        burst: Duration = Duration::from_secs(10),
        #[serde(with = "units")]
        max_delay: Duration = Duration::from_secs(10),
    }
}

section! {
    /// `[cluster]`: the other servers with the same database.
    ClusterSection {
        #[serde(skip_serializing_if = "Option::is_none")]
        redis_url: Option<Secret> = None,
        prefix: String = "messagebox:".to_owned(),
        #[serde(skip_serializing_if = "Option::is_none")]
        node_name: Option<String> = None,
        max_queued_bytes: usize = 64 * 1024 * 1024,
        max_catch_up: usize = 100_000,
        #[serde(with = "units")]
        overlap: Duration = Duration::from_secs(10),
        #[serde(with = "units")]
        nonce_timeout: Duration = Duration::from_millis(500),
        require_nonces: bool = false,
    }
}

section! {
    /// `[rooms]`: who may be a member of what.
    RoomsSection {
        access: RoomAccess = RoomAccess::Owner,
        auto_join: bool = true,
        max_rooms_per_socket: usize = 1_000,
        max_pending_deliveries: usize = 10_000,
    }
}

section! {
    /// `[log]`.
    LogSection {
        level: String = "info".to_owned(),
        verbose: bool = false,
        format: LogFormat = LogFormat::Text,
        access: AccessLog = AccessLog::Refused,
    }
}

section! {
    /// `[fees]`: delivery fees; they go before those in the database.
    FeesSection {
        boxes: BTreeMap<String, u64> = BTreeMap::new(),
    }
}

section! {
    /// `[prices]`: what requests cost.
    PricesSection {
        request: u64 = 0,
        routes: BTreeMap<String, u64> = BTreeMap::new(),
    }
}

section! {
    /// `[wallet]`: who takes what is paid to the server.
    WalletSection {
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<Secret> = None,
        #[serde(with = "units")]
        timeout: Duration = Duration::from_secs(30),
        #[serde(skip_serializing_if = "Option::is_none")]
        headers_url: Option<Secret> = None,
        network: String = "mainnet".to_owned(),
    }
}

section! {
    /// `[overlay]`: telling the overlay network where the server is.
    OverlaySection {
        advertise: bool = false,
        trackers: Vec<String> = Vec::new(),
    }
}

section! {
    /// `[push]`: Firebase Cloud Messaging.
    PushSection {
        enabled: bool = false,
        #[serde(skip_serializing_if = "Option::is_none")]
        project_id: Option<String> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        service_account_json: Option<Secret> = None,
        #[serde(skip_serializing_if = "Option::is_none")]
        service_account_path: Option<PathBuf> = None,
        endpoint: String = "https://fcm.googleapis.com".to_owned(),
        boxes: Vec<String> = vec!["notifications".to_owned()],
        max_queued: usize = 10_000,
    }
}
