//! What `/readyz` asks.

use crate::cluster::Cluster;
use crate::db::DbHandle;
use crate::health::{Health, HealthSettings};

/// What the server depends on; more dependencies are more checks. `needs_redis`: it refuses requests without.
pub(super) fn health(db: &DbHandle, cluster: Option<&Cluster>, needs_redis: bool) -> Health {
    let (disk, log, db) = (db.clone(), db.clone(), db.clone());
    let health = Health::new(HealthSettings::default()).with("database", move || {
        let db = db.clone();
        async move { db.probe().await.map_err(|error| error.to_string()) }
    });
    let health = match disk.disk() {
        Some(space) if space.min_free_bytes > 0 => {
            health.with_optional("disk", move || std::future::ready(check(&disk)))
        }
        _ => health,
    };
    let health = if log.was_log_missing() {
        health.with_optional("database_log", move || {
            let log = log.clone();
            async move { log.check_log().await.map_err(|error| error.to_string()) }
        })
    } else {
        health
    };
    let Some(cluster) = cluster.cloned() else {
        return health;
    };
    let check = move || std::future::ready(cluster.check());
    if needs_redis {
        return health.with("redis", check);
    }
    // Its members and its requests are served without; a balancer that left out every server would serve nobody.
    health.with_optional("redis", check)
}

/// Without room for messages the server still serves those that it has.
fn check(db: &DbHandle) -> Result<(), String> {
    match db.disk() {
        Some(space) if space.is_low() => Err(format!(
            "{} bytes are free where the database is, fewer than {}: no message is stored until there are more; make room \
             (DB_MIN_FREE_BYTES)",
            space.free_bytes, space.min_free_bytes
        )),
        _ => Ok(()),
    }
}
