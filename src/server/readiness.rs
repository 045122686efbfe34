//! What `/readyz` asks.

use crate::cluster::Cluster;
use crate::db::DbHandle;
use crate::health::{Health, HealthSettings};

/// What the server depends on; more dependencies are more checks. `needs_redis`: it refuses requests without.
pub(super) fn health(db: &DbHandle, cluster: Option<&Cluster>, needs_redis: bool) -> Health {
    let db = db.clone();
    let health = Health::new(HealthSettings::default()).with("database", move || {
        let db = db.clone();
        async move { db.probe().await.map_err(|error| error.to_string()) }
    });
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
