//! SIGHUP: reads the configuration again, applies what can change while the server runs, and logs the difference.

use std::cell::RefCell;
use std::fmt;

use crate::admin::Guard;
use crate::config::{ConfigError, KEYS, Settings, Values};
use crate::db::DbHandle;
use crate::http::Info;
use crate::live::Live;
use crate::telemetry;

use super::layer_settings::{address_settings, quotas, rate, request_prices, socket_rates};
use super::{Server, administration, announce, info};

/// Keys that take effect without a restart.
const APPLIED: &[&str] = &[
    "log.level",
    "log.verbose",
    "log.access",
    "prices.request",
    "prices.routes",
    "fees.boxes",
    "server.trusted_proxies",
    "limits.unlimited_addresses",
    "limits.requests_per_address",
    "limits.handshakes_per_address",
    "limits.requests_per_identity",
    "limits.frames_per_socket",
    "limits.bytes_per_socket",
    "limits.frames_per_identity",
    "limits.bytes_per_identity",
    "limits.burst",
    "messages.max_inbox_messages",
    "messages.max_inbox_bytes",
    "messages.max_sender_messages",
    "messages.max_sender_bytes",
    "admin.identities",
    "admin.token",
];

/// Reads the configuration as it is now.
type Read = Box<dyn Fn() -> Result<Settings, ConfigError>>;

/// What is needed to apply another configuration.
pub(super) struct Reloading {
    read: Option<Read>,
    /// What holds now.
    settings: RefCell<Settings>,
    guard: Live<Guard>,
    info: Live<Info>,
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").finish_non_exhaustive()
    }
}

impl Reloading {
    pub(super) fn new(settings: &Settings, guard: Live<Guard>, info: Live<Info>) -> Self {
        Self {
            read: None,
            settings: RefCell::new(settings.clone()),
            guard,
            info,
        }
    }
}

/// A key whose value differs, with both values as they may be shown.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    key: &'static str,
    before: String,
    after: String,
}

impl Server {
    /// SIGHUP has it read the configuration again by this function; without it, SIGHUP does nothing.
    #[must_use]
    pub fn reloaded_by(
        mut self,
        read: impl Fn() -> Result<Settings, ConfigError> + 'static,
    ) -> Self {
        self.reloading.read = Some(Box::new(read));
        self
    }

    /// Reads the configuration and applies what may change. One that is wrong changes nothing.
    pub(super) fn reload(&self) {
        let Some(read) = &self.reloading.read else {
            log::info!("SIGHUP: nothing to read");
            return;
        };
        if let Err(error) = read().and_then(|settings| self.apply(&settings)) {
            log::error!("SIGHUP: the configuration stays as it was: {error}");
        }
    }

    fn apply(&self, after: &Settings) -> Result<(), ConfigError> {
        let reloading = &self.reloading;
        let before = reloading.settings.borrow().clone();
        // What can fail comes first.
        let (prices, guard) = (request_prices(after)?, administration::guard(after)?);
        let changes = changes(&before, after);
        for warning in announce::warnings(after) {
            log::warn!("{warning}");
        }
        if changes.is_empty() {
            log::info!("SIGHUP: nothing has changed");
            return Ok(());
        }
        let (applied, later): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| APPLIED.contains(&change.key));
        // Before the lines below, which it may let through.
        let is_filter = |change: &Change| change.key.starts_with("log.");
        if applied.iter().any(is_filter)
            && let Err(error) = telemetry::set_filter(after.log_filter())
        {
            log::error!("SIGHUP: log.level: {error}");
        }
        telemetry::set_access_log(after.log.access);
        self.state.prices.set(prices);
        self.db.set_delivery_fees(after.fees.boxes.clone());
        self.state.addresses.reload(address_settings(after));
        self.state
            .set_identity_rate(rate(after, after.limits.requests_per_identity));
        self.service.rates.set(socket_rates(after));
        if self.db.set_quotas(quotas(after)) {
            actix::spawn(count(self.db.clone()));
        }
        reloading.guard.set(guard);
        let mut running = before;
        take_over(&mut running, after);
        let known = reloading.info.get();
        let is_required = known.features.certificates_required;
        reloading
            .info
            .set(info::info(&running, self.identity_key, is_required));
        for Change { key, before, after } in applied {
            log::info!("SIGHUP: {key} is {after}, was {before}");
        }
        for Change { key, before, after } in later {
            log::warn!("SIGHUP: {key} = {after} takes effect at the next start; it stays {before}");
        }
        *reloading.settings.borrow_mut() = running;
        Ok(())
    }
}

/// Counts what is stored where nothing was counted before, because nothing was limited.
async fn count(db: DbHandle) {
    match db.recount().await {
        Ok(count) => log::info!(
            "SIGHUP: counted what is stored: {} totals",
            count.unwrap_or(0)
        ),
        Err(error) => log::warn!("SIGHUP: what identities have stored was not counted: {error}"),
    }
}

/// Puts what was applied into the settings that hold.
fn take_over(running: &mut Settings, after: &Settings) {
    running.log.level.clone_from(&after.log.level);
    running.log.verbose = after.log.verbose;
    running.log.access = after.log.access;
    running.prices.clone_from(&after.prices);
    running.fees.clone_from(&after.fees);
    let (proxies, limits) = (&after.server.trusted_proxies, &after.limits);
    running.server.trusted_proxies.clone_from(proxies);
    let unlimited = &limits.unlimited_addresses;
    running.limits.unlimited_addresses.clone_from(unlimited);
    running.limits.requests_per_address = limits.requests_per_address;
    running.limits.handshakes_per_address = limits.handshakes_per_address;
    running.limits.requests_per_identity = limits.requests_per_identity;
    running.limits.frames_per_socket = limits.frames_per_socket;
    running.limits.bytes_per_socket = limits.bytes_per_socket;
    running.limits.frames_per_identity = limits.frames_per_identity;
    running.limits.bytes_per_identity = limits.bytes_per_identity;
    running.limits.burst = limits.burst;
    let messages = &after.messages;
    running.messages.max_inbox_messages = messages.max_inbox_messages;
    running.messages.max_inbox_bytes = messages.max_inbox_bytes;
    running.messages.max_sender_messages = messages.max_sender_messages;
    running.messages.max_sender_bytes = messages.max_sender_bytes;
    running.admin.identities.clone_from(&after.admin.identities);
    running.admin.token.clone_from(&after.admin.token);
}

fn changes(before: &Settings, after: &Settings) -> Vec<Change> {
    let (Ok(old), Ok(new)) = (Values::of(before), Values::of(after)) else {
        return Vec::new();
    };
    let change = |key: &'static str| {
        let (before_shown, after_shown) = (old.shown(key), new.shown(key));
        // Two secrets look the same.
        let is_changed = before_shown != after_shown || secret(before, key) != secret(after, key);
        is_changed.then_some(Change {
            key,
            before: before_shown,
            after: after_shown,
        })
    };
    KEYS.iter().filter_map(|key| change(key.path)).collect()
}

fn secret<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    let secret = match key {
        "migrate_key" => &settings.migrate_key,
        "identity.private_key" => &settings.identity.private_key,
        "database.url" => &settings.database.url,
        "cluster.redis_url" => &settings.cluster.redis_url,
        "admin.token" => &settings.admin.token,
        "wallet.url" => &settings.wallet.url,
        "wallet.headers_url" => &settings.wallet.headers_url,
        "push.service_account_json" => &settings.push.service_account_json,
        _ => return None,
    };
    secret.as_ref().map(crate::config::Secret::expose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn what_differs_is_named_and_secrets_are_not_shown() {
        let before = Settings::default();
        let mut after = before.clone();
        assert_eq!(changes(&before, &after), []);
        after.prices.request = 5;
        after.admin.token = Some(Secret::new("hunter2"));
        let found = changes(&before, &after);
        let keys: Vec<_> = found.iter().map(|change| change.key).collect();
        assert_eq!(keys, ["admin.token", "prices.request"]);
        assert!(!format!("{found:?}").contains("hunter"), "{found:?}");
        let mut later = after.clone();
        later.admin.token = Some(Secret::new("hunter3"));
        assert_eq!(changes(&after, &later).len(), 1);
    }

    /// A key that is said to be applied, and is not taken over, would be named again at each signal.
    #[test]
    fn what_is_applied_is_taken_over() {
        let mut after = Settings::default();
        after.log.level = "debug".to_owned();
        after.log.verbose = true;
        after.log.access = telemetry::AccessLog::All;
        after.prices.request = 5;
        after.prices.routes.insert("/sendMessage".to_owned(), 5);
        after.fees.boxes.insert("inbox".to_owned(), 5);
        after.server.trusted_proxies = vec!["10.0.0.1".to_owned()].try_into().unwrap();
        after.limits.unlimited_addresses = crate::limits::Networks::default();
        after.limits.requests_per_address = 1;
        after.limits.handshakes_per_address = 1;
        after.limits.requests_per_identity = 1;
        after.limits.frames_per_socket = 1;
        after.limits.bytes_per_socket = 1;
        after.limits.frames_per_identity = 1;
        after.limits.bytes_per_identity = 1;
        after.limits.burst = std::time::Duration::from_secs(1);
        after.messages.max_inbox_messages = 1;
        after.messages.max_inbox_bytes = 1;
        after.messages.max_sender_messages = 1;
        after.messages.max_sender_bytes = 1;
        after.admin.identities = vec!["x".to_owned()];
        after.admin.token = Some(Secret::new("x"));
        let mut running = Settings::default();
        let found = changes(&running, &after);
        let keys: Vec<_> = found.iter().map(|change| change.key).collect();
        assert_eq!(keys.len(), APPLIED.len(), "{keys:?}");
        assert!(keys.iter().all(|key| APPLIED.contains(key)));
        take_over(&mut running, &after);
        assert_eq!(changes(&running, &after), []);
    }
}
