//! The settings, and what follows from them.

use gethostname::gethostname;
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::sections::{
    AdminSection, AuthSection, ClusterSection, DatabaseSection, FeesSection, IdentitySection,
    LimitsSection, LogSection, MessagesSection, OverlaySection, PricesSection, PushSection,
    RoomsSection, ServerSection, SocketSection, WalletSection,
};

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
    /// What one of many may have.
    pub limits: LimitsSection,
    /// Other servers with the same database.
    pub cluster: ClusterSection,
    /// Rooms.
    pub rooms: RoomsSection,
    /// Logging.
    pub log: LogSection,
    /// Who may look after the server.
    pub admin: AdminSection,
    /// Bounds and times of messages.
    pub messages: MessagesSection,
    /// Fees.
    pub fees: FeesSection,
    /// What requests cost.
    pub prices: PricesSection,
    /// Wallet.
    pub wallet: WalletSection,
    /// The overlay network.
    pub overlay: OverlaySection,
    /// Push notifications.
    pub push: PushSection,
    /// Environment variables of another server that are set and that nothing here follows.
    #[serde(skip)]
    pub unread_variables: Vec<String>,
    /// Settings of an earlier release that were given and have no effect any more.
    #[serde(skip)]
    pub without_effect: Vec<String>,
    /// What may be meant, and more often is a mistake; logged at the start.
    #[serde(skip)]
    pub warnings: Vec<String>,
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
            limits: LimitsSection::default(),
            cluster: ClusterSection::default(),
            rooms: RoomsSection::default(),
            log: LogSection::default(),
            admin: AdminSection::default(),
            messages: MessagesSection::default(),
            fees: FeesSection::default(),
            prices: PricesSection::default(),
            wallet: WalletSection::default(),
            overlay: OverlaySection::default(),
            push: PushSection::default(),
            unread_variables: Vec::new(),
            without_effect: Vec::new(),
            warnings: Vec::new(),
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

    /// What other servers with the same database call this one.
    #[must_use]
    pub fn node_name(&self) -> String {
        let named = self.cluster.node_name.as_deref().map(str::trim);
        named.filter(|name| !name.is_empty()).map_or_else(
            || format!("{}:{}", gethostname().to_string_lossy(), self.port()),
            ToOwned::to_owned,
        )
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
