//! What `/readyz` asks, and what the server can be degraded by.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::config::Settings;
use crate::db::DbHandle;
use crate::health::{DATABASE_LOG, DISK, Health, HealthSettings, REDIS};
use crate::push::PushHandle;

use super::background::{RESTART_PAUSE, restarted};
use super::probes;

/// How often the log is told what has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What the server depends on; more dependencies are more checks. Begins to watch those that are elsewhere.
pub(super) fn health(
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
        // It refuses requests without.
        Some(cluster) if settings.cluster.require_nonces => {
            health.with(REDIS, move || std::future::ready(cluster.check()))
        }
        // Its members and its requests are served without; a balancer that left out every server would serve nobody.
        Some(cluster) => health.with_known(REDIS, move || cluster.check()),
        None => health,
    };
    let health = probes::watch(health, settings, push, cluster);
    let looked = health.clone();
    restarted("watch_health", RESTART_PAUSE, move || look(looked.clone()));
    health
}

async fn look(health: Health) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        health.look();
    }
}

/// Without room for messages the server still serves those that it has. Before it comes to that, there is time to make room.
fn check_disk(db: &DbHandle) -> Result<(), String> {
    match db.disk() {
        Some(space) if space.free_bytes < space.min_free_bytes.saturating_mul(2) => Err(format!(
            "{} bytes are free where the database is; below {} no message is stored: make room (DB_MIN_FREE_BYTES)",
            space.free_bytes, space.min_free_bytes
        )),
        _ => Ok(()),
    }
}
