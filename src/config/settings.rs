//! The settings themselves, with their defaults. What each key means stands in `keys.rs`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rooms::RoomAccess;

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

section! {
    /// `[server]`: HTTP.
    ServerSection {
        host: String = "0.0.0.0".to_owned(),
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16> = None,
        routing_prefix: String = String::new(),
        #[serde(skip_serializing_if = "Option::is_none")]
        hosting_domain: Option<String> = None,
        workers: usize = 0,
        max_connections: usize = 25_000,
        max_body_bytes: usize = 100 * 1024 * 1024,
        max_buffered_bytes: usize = 512 * 1024 * 1024,
        #[serde(with = "units")]
        request_timeout: Duration = Duration::from_secs(30),
        #[serde(with = "units")]
        shutdown_timeout: Duration = Duration::from_secs(30),
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
        max_queued_reads: usize = 512,
        max_group: NonZeroUsize = at_least_one(512),
        migrate_on_start: bool = true,
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
        max_listed_bytes: usize = 64 * 1024 * 1024,
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
        max_outbound_bytes: usize = 4 * 1024 * 1024,
        max_packets_per_poll: NonZeroUsize = at_least_one(16),
        max_sockets: usize = 20_000,
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
        format: String = "text".to_owned(),
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

/// Everything that an operator can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `development`, `production`, or any other name.
    pub environment: String,
    /// Guards migration operations; without it there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrate_key: Option<Secret>,
    /// HTTP.
    pub server: ServerSection,
    /// Who the server is.
    pub identity: IdentitySection,
    /// Where messages are kept.
    pub database: DatabaseSection,
    /// Engine.IO and Socket.IO.
    pub socket: SocketSection,
    /// BRC-103 and BRC-104.
    pub auth: AuthSection,
    /// Rooms.
    pub rooms: RoomsSection,
    /// Logging.
    pub log: LogSection,
    /// Bounds and times of messages.
    pub messages: MessagesSection,
    /// Fees.
    pub fees: FeesSection,
    /// What requests cost.
    pub prices: PricesSection,
    /// Wallet.
    pub wallet: WalletSection,
    /// Push notifications.
    pub push: PushSection,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: "development".to_owned(),
            migrate_key: None,
            server: ServerSection::default(),
            identity: IdentitySection::default(),
            database: DatabaseSection::default(),
            socket: SocketSection::default(),
            auth: AuthSection::default(),
            rooms: RoomsSection::default(),
            log: LogSection::default(),
            messages: MessagesSection::default(),
            fees: FeesSection::default(),
            prices: PricesSection::default(),
            wallet: WalletSection::default(),
            push: PushSection::default(),
        }
    }
}

impl Settings {
    /// Whether convenience goes before caution: a key may be made by itself.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self.environment.as_str(), "development" | "test")
    }

    /// The port: as set, or 8080 in development and 3000 elsewhere.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server
            .port
            .unwrap_or(if self.is_development() { 8080 } else { 3000 })
    }

    /// The database's URL: as set, or a SQLite file in the data folder.
    #[must_use]
    pub fn database_url(&self) -> String {
        match &self.database.url {
            Some(url) => url.expose().to_owned(),
            None => format!(
                "sqlite://{}",
                self.identity.data_dir.join("messagebox.db").display()
            ),
        }
    }

    /// The routing prefix: empty, or `/x` without a slash at its end.
    #[must_use]
    pub fn routing_prefix(&self) -> String {
        let prefix = self.server.routing_prefix.trim_matches('/');
        if prefix.is_empty() {
            String::new()
        } else {
            format!("/{prefix}")
        }
    }

    /// The filter for `env_logger`. Verbose raises our own level only: what libraries say at debug is not ours to vouch for.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        if self.log.verbose && self.log.level == "info" {
            "info,messagebox=debug"
        } else {
            &self.log.level
        }
    }
}
