//! The admins of the server, and the sources of the admin actor.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use tokio::sync::{Notify, Semaphore};

use crate::admin::{Admin, Facts, Guard, StatusSources};
use crate::config::{ConfigError, Secret, Settings};
use crate::http::{AdminState, HttpState};
use crate::ids::IdentityKey;
use crate::live::Live;

/// A shorter token could be guessed.
const MIN_TOKEN_CHARS: usize = 16;

/// Dashboards that may follow the status at a time.
const MAX_STREAMS: usize = 32;

/// Checks a bearer token; an empty one counts as not set.
fn secret<'a>(key: &str, secret: Option<&'a Secret>) -> Result<Option<&'a str>, ConfigError> {
    let text = secret.map(|secret| secret.expose().trim());
    let text = text.filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() < MIN_TOKEN_CHARS) {
        let expected = format!("at least {MIN_TOKEN_CHARS} characters");
        return Err(ConfigError::value(key, expected));
    }
    Ok(text)
}

/// The bearer token for `POST /admin/migrate`, if there is one.
pub(super) fn migrate_key(settings: &Settings) -> Result<Option<&str>, ConfigError> {
    secret("migrate_key", settings.migrate_key.as_ref())
}

/// The guard for the configured admins.
pub(super) fn guard(settings: &Settings) -> Result<Guard, ConfigError> {
    let token = secret("admin.token", settings.admin.token.as_ref())?;
    let key = |text: &String| {
        let key = text.trim().parse::<IdentityKey>();
        key.map_err(|_| {
            ConfigError::value(
                "admin.identities",
                format!("{text:?} is not an identity key"),
            )
        })
    };
    let identities: Result<Vec<IdentityKey>, ConfigError> =
        settings.admin.identities.iter().map(key).collect();
    let guard = Guard::new(token, identities?);
    Ok(if settings.is_development() {
        guard.trusting_this_machine()
    } else {
        guard
    })
}

/// Warns if no request can be an admin's.
pub(super) fn warn_of_no_admin(settings: &Settings, guard: &Guard) {
    if settings.admin.enabled && guard.is_closed() {
        log::warn!(
            "no admin: outside development, /admin and /metrics need ADMIN_TOKEN or ADMIN_IDENTITIES; set one of them, or ENABLE_ADMIN=false"
        );
    }
}

/// The number of threads that serve connections.
pub(super) fn workers(settings: &Settings) -> usize {
    match settings.server.workers {
        0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        workers => workers,
    }
}

pub(super) fn facts(settings: &Settings, identity_key: IdentityKey) -> Facts {
    Facts {
        identity_key,
        environment: settings.environment.clone(),
        workers: workers(settings),
        started: Instant::now(),
    }
}

/// The state of the admin routes; `None` if they are not served.
pub(super) fn state(
    settings: &Settings,
    guard: Live<Guard>,
    admin: &Addr<Admin>,
    sources: &StatusSources,
    drain: &Arc<Notify>,
) -> Option<AdminState> {
    settings.admin.enabled.then(|| AdminState {
        admin: admin.clone(),
        guard,
        public_metrics: settings.admin.public_metrics,
        sockets: Arc::clone(&sources.sockets),
        rooms: sources.rooms.clone(),
        db: sources.db.clone(),
        drain: Arc::clone(drain),
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
    })
}

/// Counts HTTP sessions on demand.
pub(super) fn session_count(state: &HttpState) -> Arc<dyn Fn() -> usize + Send + Sync> {
    let state = state.clone();
    Arc::new(move || state.session_count())
}
