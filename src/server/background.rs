//! What goes on beside the requests: asking the database whether it answers, and deleting what has expired.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::db::DbHandle;

/// How often the database is asked whether it answers, and how long it may take.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// What goes on until it is aborted.
pub(super) struct Background(Vec<JoinHandle<()>>);

/// Starts all of it.
pub(super) fn start(db: &DbHandle, settings: &Settings) -> Background {
    let messages = &settings.messages;
    let batch = i64::try_from(messages.sweep_batch.get()).unwrap_or(i64::MAX);
    Background(vec![
        actix::spawn(watch_database(db.clone())),
        actix::spawn(sweep(db.clone(), messages.sweep_interval, batch)),
    ])
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
async fn sweep(db: DbHandle, interval: Duration, batch: i64) {
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
