//! The checks of `/readyz`, required and optional.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::config::Settings;
use crate::db::DbHandle;
use crate::health::{DATABASE_LOG, DISK, Health, HealthSettings, REDIS};
use crate::push::PushHandle;

use super::background::{RESTART_PAUSE, restarted};
use super::probes;

/// How often changes of checks are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(2);

/// The checks of everything that the server depends on. Starts the probes of external services.
pub(crate) fn health(
    db: &DbHandle,
    cluster: Option<&Cluster>,
    push: Option<&PushHandle>,
    settings: &Settings,
) -> Health {
    let (disk, log, db) = (db.clone(), db.clone(), db.clone());
    let health = Health::new(HealthSettings::default()).with("database", move || {
        let db = db.clone();
        async move { db.probe().await.map_err(|error| error.to_string()) }
    });
    let health = match disk.disk() {
        Some(space) if space.min_free_bytes > 0 => {
            health.with_known(DISK, move || check_disk(&disk))
        }
        _ => health,
    };
    let health = if log.was_log_missing() {
        health.with_optional(DATABASE_LOG, move || {
            let log = log.clone();
            async move { log.check_log().await.map_err(|error| error.to_string()) }
        })
    } else {
        health
    };
    let health = match cluster.cloned() {
        // Without Redis, the server refuses requests.
        Some(cluster) if settings.cluster.require_nonces => {
            health.with(REDIS, move || std::future::ready(cluster.check()))
        }
        // Without Redis, the server still serves requests and local members. If it were not ready, a balancer would take every
        // server out.
        Some(cluster) => health.with_known(REDIS, move || cluster.check()),
        None => health,
    };
    let health = probes::watch(health, settings, push, cluster);
    let watched = health.clone();
    restarted("watch_health", RESTART_PAUSE, move || {
        watch(watched.clone())
    });
    health
}

async fn watch(health: Health) {
    loop {
        tokio::time::sleep(LOG_INTERVAL).await;
        health.look();
    }
}

/// Fails while there is still room for messages, so that an operator can free disk space in time.
fn check_disk(db: &DbHandle) -> Result<(), String> {
    match db.disk() {
        Some(space) if space.free_bytes < space.min_free_bytes.saturating_mul(2) => Err(format!(
            "{} bytes are free on the disk of the database, below {} the server refuses messages: free disk space (DB_MIN_FREE_BYTES)",
            space.free_bytes, space.min_free_bytes
        )),
        _ => Ok(()),
    }
}
