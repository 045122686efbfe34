//! SIGHUP: reads the configuration again, applies the keys that can change at run time, and logs the differences.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::admin::Guard;
use crate::authsocket::AuthSocketService;
use crate::config::{ConfigError, Settings, Values, differing_keys};
use crate::db::DbHandle;
use crate::http::{HttpState, Info};
use crate::ids::IdentityKey;
use crate::live::Live;
use crate::telemetry;

use super::layer_settings::{address_settings, quotas, rate, request_prices, socket_rates};
use super::{administration, info};

/// Declares the keys that take effect without a restart.
macro_rules! applied {
    ($($section:ident.$name:ident),* $(,)?) => {
        const APPLIED: &[&str] = &[$(concat!(stringify!($section), ".", stringify!($name))),*];

        /// Copies the applied keys into the running settings.
        fn apply_keys(running: &mut Settings, after: &Settings) {
            $(running.$section.$name.clone_from(&after.$section.$name);)*
        }
    };
}

applied! {
    log.level,
    log.verbose,
    log.access,
    prices.request,
    prices.routes,
    fees.boxes,
    server.trusted_proxies,
    limits.unlimited_addresses,
    limits.requests_per_address,
    limits.handshakes_per_address,
    limits.requests_per_identity,
    limits.frames_per_socket,
    limits.bytes_per_socket,
    limits.frames_per_identity,
    limits.bytes_per_identity,
    limits.burst,
    messages.max_inbox_messages,
    messages.max_inbox_bytes,
    messages.max_sender_messages,
    messages.max_sender_bytes,
    admin.identities,
    admin.token,
}

/// Reads the configuration again.
pub(super) type Read = Box<dyn Fn() -> Result<Settings, ConfigError>>;

/// The state that a reload reads and replaces.
pub(super) struct Reloading {
    /// Without it, a reload does nothing.
    pub(super) read: Option<Read>,
    /// The settings in effect.
    pub(super) settings: RefCell<Settings>,
    pub(super) guard: Live<Guard>,
    pub(super) info: Live<Info>,
    pub(super) state: HttpState,
    pub(super) db: DbHandle,
    pub(super) service: Arc<AuthSocketService>,
    pub(super) identity_key: IdentityKey,
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").finish_non_exhaustive()
    }
}

/// A key whose value differs; secrets are masked.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    key: &'static str,
    before: String,
    after: String,
}

impl Reloading {
    /// Reads the configuration and applies the changes. A faulty configuration changes nothing.
    pub(super) fn reload(&self) {
        let Some(read) = &self.read else {
            log::info!("SIGHUP: this server has no configuration to read");
            return;
        };
        if let Err(error) = read().and_then(|settings| self.apply(&settings)) {
            log::error!("SIGHUP: the configuration stays as it was: {error}");
        }
    }

    fn apply(&self, after: &Settings) -> Result<(), ConfigError> {
        let before = self.settings.borrow().clone();
        // Everything that can fail comes first.
        let (prices, guard) = (request_prices(after)?, administration::guard(after)?);
        let changes = changes(&before, after);
        for warning in &after.warnings {
            log::warn!("{warning}");
        }
        if changes.is_empty() {
            log::info!("SIGHUP: no key has changed");
            return Ok(());
        }
        let (applied, later): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| APPLIED.contains(&change.key));
        // The new filter decides whether the lines below are logged.
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
        self.guard.set(guard);
        let mut running = before;
        apply_keys(&mut running, after);
        let known = self.info.get();
        let is_required = known.features.certificates_required;
        self.info
            .set(info::info(&running, self.identity_key, is_required));
        for Change { key, before, after } in applied {
            log::info!("SIGHUP: {key} is {after}, was {before}");
        }
        for Change { key, before, after } in later {
            log::warn!(
                "SIGHUP: {key} = {after} takes effect at the next start; until then it is {before}"
            );
        }
        *self.settings.borrow_mut() = running;
        Ok(())
    }
}

/// Counts stored messages after quotas were turned on: without quotas, the server counts nothing.
async fn count(db: DbHandle) {
    match db.recount().await {
        Ok(count) => log::info!(
            "SIGHUP: counted stored messages: {} totals",
            count.unwrap_or(0)
        ),
        Err(error) => log::warn!("SIGHUP: cannot count stored messages: {error}"),
    }
}

fn changes(before: &Settings, after: &Settings) -> Vec<Change> {
    let (Ok(old), Ok(new)) = (Values::of(before), Values::of(after)) else {
        return Vec::new();
    };
    let change = |key| Change {
        key,
        before: old.shown(key),
        after: new.shown(key),
    };
    differing_keys(before, after)
        .into_iter()
        .map(change)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn differences_are_named_and_secrets_are_masked() {
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

    /// A key that is reported as applied but not copied would be reported again at each signal.
    #[test]
    fn applied_keys_are_copied() {
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
        apply_keys(&mut running, &after);
        assert_eq!(changes(&running, &after), []);
    }
}
