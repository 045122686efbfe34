//! What goes on beside the requests: asking the database whether it answers, and letting go of what has expired.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::db::DbHandle;
use crate::http::HttpState;

/// How often the database is asked whether it answers, and how long it may take.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// Ids that one statement may name.
const MAX_BATCH: usize = 10_000;

/// What goes on until it is aborted.
pub(super) struct Background(Vec<JoinHandle<()>>);

/// Starts all of it.
pub(super) fn start(db: &DbHandle, state: &HttpState, settings: &Settings) -> Background {
    let messages = &settings.messages;
    let batch = messages.sweep_batch.get().min(MAX_BATCH);
    let batch = i64::try_from(batch).unwrap_or(i64::MAX);
    let mut tasks = vec![
        actix::spawn(watch_database(db.clone())),
        actix::spawn(sweep_messages(db.clone(), messages.sweep_interval, batch)),
    ];
    let ttl = settings.auth.session_ttl;
    if !ttl.is_zero() {
        tasks.push(actix::spawn(sweep_sessions(state.clone(), ttl)));
    }
    Background(tasks)
}

/// Forgets expired sessions, also when nobody shakes hands any more.
async fn sweep_sessions(state: HttpState, ttl: Duration) {
    let interval = (ttl / 2).clamp(Duration::from_millis(10), Duration::from_secs(60));
    loop {
        tokio::time::sleep(interval).await;
        state.sweep_sessions();
    }
}

impl Background {
    pub(super) fn abort(self) {
        for task in self.0 {
            task.abort();
        }
    }
}

/// Asks the database now and then: an address cannot tell that its actor is gone, only silence can.
async fn watch_database(db: DbHandle) {
    loop {
        tokio::time::sleep(HEALTH_INTERVAL).await;
        if let Err(error) = db.ping(HEALTH_DEADLINE).await {
            log::error!("the database does not answer: {error}");
        }
    }
}

/// Deletes expired messages, one batch in a transaction: between two of them others get their turn.
async fn sweep_messages(db: DbHandle, interval: Duration, batch: i64) {
    // No interval would keep the writer busy for nothing.
    let interval = interval.max(Duration::from_millis(10));
    loop {
        let mut total = 0;
        loop {
            match db.delete_expired(batch).await {
                Ok(0) => break,
                Ok(deleted) => total += deleted,
                Err(error) => {
                    log::warn!("expired messages were not deleted: {error}");
                    break;
                }
            }
        }
        if total > 0 {
            log::info!("deleted {total} expired messages");
        }
        tokio::time::sleep(interval).await;
    }
}
