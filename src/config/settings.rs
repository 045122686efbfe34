//! All settings together, and the values that follow from them.

use std::sync::LazyLock;

use gethostname::gethostname;
use serde::{Deserialize, Serialize};

use super::keys::{Key, Setting, section};
use super::scalar::secret::Secret;
use super::sections::{
    AdminSection, AuthSection, CertificatesSection, ClusterSection, DatabaseSection, FeesSection,
    IdentitySection, LimitsSection, LogSection, MessagesSection, OverlaySection, PricesSection,
    PushSection, RoomsSection, ServerSection, SocketSection, WalletSection,
};

section! {
    /// Everything that an operator can set.
    Settings "" {
        environment: String = "development".to_owned(), ["NODE_ENV"], "`development` generates a server key; every other environment needs one";
        migrate_key: Option<Secret> = None, ["MIGRATE_KEY"], "Bearer token for POST /admin/migrate, 16 characters or more; unset: no such route; secret";
    }
    with {
        server: ServerSection,
        identity: IdentitySection,
        database: DatabaseSection,
        socket: SocketSection,
        auth: AuthSection,
        limits: LimitsSection,
        cluster: ClusterSection,
        rooms: RoomsSection,
        log: LogSection,
        admin: AdminSection,
        messages: MessagesSection,
        fees: FeesSection,
        prices: PricesSection,
        wallet: WalletSection,
        overlay: OverlaySection,
        push: PushSection,
    }
    beside {
        /// Probable mistakes, settings without effect and variables that the server does not follow; logged at start.
        warnings: Vec<String>,
    }
}

/// Every key, in the order of `config/default.toml`.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    [
        Settings::KEYS,
        ServerSection::KEYS,
        IdentitySection::KEYS,
        DatabaseSection::KEYS,
        SocketSection::KEYS,
        AuthSection::KEYS,
        CertificatesSection::KEYS,
        LimitsSection::KEYS,
        ClusterSection::KEYS,
        RoomsSection::KEYS,
        LogSection::KEYS,
        AdminSection::KEYS,
        MessagesSection::KEYS,
        FeesSection::KEYS,
        PricesSection::KEYS,
        WalletSection::KEYS,
        OverlaySection::KEYS,
        PushSection::KEYS,
    ]
    .concat()
});

impl Settings {
    /// Whether the server may generate a key.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self.environment.as_str(), "development" | "test")
    }

    /// The configured port, or 8080 in development and 3000 elsewhere.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server
            .port
            .unwrap_or(if self.is_development() { 8080 } else { 3000 })
    }

    /// The configured URL of the database, or a SQLite file in the data folder.
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

    /// The name of this server for the others with the same database.
    #[must_use]
    pub fn node_name(&self) -> String {
        let named = self.cluster.node_name.as_deref().map(str::trim);
        named.filter(|name| !name.is_empty()).map_or_else(
            || format!("{}:{}", gethostname().to_string_lossy(), self.port()),
            ToOwned::to_owned,
        )
    }

    /// The routing prefix: empty, or `/x` without a trailing slash.
    #[must_use]
    pub fn routing_prefix(&self) -> String {
        let prefix = self.server.routing_prefix.trim_matches('/');
        if prefix.is_empty() {
            String::new()
        } else {
            format!("/{prefix}")
        }
    }

    /// The filter for `env_logger`. Verbose raises our own level only: nobody has checked what libraries log at debug level.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        if self.log.verbose && self.log.level == "info" {
            "info,messagebox=debug"
        } else {
            &self.log.level
        }
    }
}

/// The keys whose values differ, secrets included.
#[must_use]
pub fn differing_keys(before: &Settings, after: &Settings) -> Vec<&'static str> {
    let mut keys = Vec::new();
    before.add_differences(after, &mut keys);
    keys
}
