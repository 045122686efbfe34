//! Background tasks: probing and measuring the database, and deleting what has expired.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::authsocket::AuthSocketSession;
use crate::config::Settings;
use crate::db::DbHandle;
use crate::http::HttpState;
use crate::ids::IdentityKey;
use crate::panics;
use crate::socket::SocketTable;

use super::relief::relieve;
use crate::server::upkeep::advertising;
use crate::server::upkeep::identity_lists;

/// Interval and deadline of the database probe.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// The pause before a task that panicked is restarted.
pub(crate) const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// How often expired sessions are deleted, and how many per transaction.
const SESSION_SWEEP_INTERVAL: Duration = Duration::from_secs(60);
const SESSION_SWEEP_BATCH: i64 = 500;

/// How often the size of the database is measured.
const SIZE_INTERVAL: Duration = Duration::from_secs(60);
/// How often a database with new commits is marked as one that has a write-ahead log.
const LOG_MARK_INTERVAL: Duration = Duration::from_secs(10);
/// How often the totals of identities are summed up.
const TOTALS_INTERVAL: Duration = Duration::from_secs(600);

/// Pause between two recounts. It is short after a correction, because a server of an earlier release, which counts nothing,
/// may still be writing. It doubles while all totals are right.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(3_600);
/// How long after the start a server recounts a database that has totals: its clients connect first.
const FIRST_RECOUNT: Duration = Duration::from_secs(60);
const MAX_RECOUNT_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// Maximum ids per statement.
const MAX_BATCH: usize = 10_000;

/// The background tasks, which run until they are aborted.
pub(crate) struct Background(Vec<JoinHandle<()>>);

pub(crate) fn start(
    db: &DbHandle,
    state: &HttpState,
    identity: IdentityKey,
    settings: &Settings,
    sockets: &Arc<SocketTable<AuthSocketSession>>,
) -> Background {
    let interval = settings.messages.sweep_interval;
    let batch = settings.messages.sweep_batch.get().min(MAX_BATCH);
    let batch = i64::try_from(batch).unwrap_or(i64::MAX);
    let ttl = Some(settings.auth.session_ttl).filter(|ttl| !ttl.is_zero());
    let (listed, relieved, state) = (Arc::clone(sockets), Arc::clone(sockets), state.clone());
    let mut tasks = vec![
        with(db, "watch_database", watch_database),
        with(db, "sweep_messages", move |db| {
            sweep_messages(db, interval, batch)
        }),
        with(db, "measure_database", measure_database),
        with(db, "expect_log", expect_log),
        with(db, "follow_lists", move |db| {
            identity_lists::follow(db, Arc::clone(&listed))
        }),
        with(db, "count_totals", count_totals),
        with(db, "sweep_sessions", move |db| {
            sweep_sessions(state.clone(), db, ttl)
        }),
        restarted("relieve_sockets", RESTART_PAUSE, move || {
            relieve(Arc::clone(&relieved))
        }),
    ];
    if let Some(plan) = advertising::plan(settings, identity) {
        tasks.push(restarted("advertise_host", RESTART_PAUSE, move || {
            advertising::run(plan.clone())
        }));
    }
    Background(tasks)
}

/// Starts a task that uses the database.
fn with<F>(
    db: &DbHandle,
    name: &'static str,
    task: impl Fn(DbHandle) -> F + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + 'static,
{
    let db = db.clone();
    restarted(name, RESTART_PAUSE, move || task(db.clone()))
}

/// Spawns a task and restarts it after a panic.
pub(crate) fn restarted<F>(
    name: &'static str,
    pause: Duration,
    task: impl Fn() -> F + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + 'static,
{
    actix::spawn(async move {
        while panics::contained(name, task()).await.is_none() {
            tokio::time::sleep(pause).await;
        }
    })
}

/// Deletes expired sessions, also while no client shakes hands.
async fn sweep_sessions(state: HttpState, db: DbHandle, ttl: Option<Duration>) {
    let interval = ttl.map_or(SESSION_SWEEP_INTERVAL, |ttl| {
        (ttl / 2).clamp(Duration::from_millis(10), SESSION_SWEEP_INTERVAL)
    });
    loop {
        tokio::time::sleep(interval).await;
        state.sweep_sessions();
        loop {
            match db.sweep_sessions(SESSION_SWEEP_BATCH).await {
                // Between two batches, other writes have their turn.
                Ok(deleted) if i64::try_from(deleted).is_ok_and(|n| n >= SESSION_SWEEP_BATCH) => {}
                Ok(_) => break,
                Err(error) => {
                    log::debug!("cannot delete expired sessions: {error}");
                    break;
                }
            }
        }
    }
}

impl Background {
    pub(crate) fn abort(self) {
        for task in self.0 {
            task.abort();
        }
    }
}

/// Probes the database: only silence tells that its actor is gone, an address does not.
async fn watch_database(db: DbHandle) {
    loop {
        tokio::time::sleep(HEALTH_INTERVAL).await;
        if let Err(error) = db.ping(HEALTH_DEADLINE).await {
            log::error!("the database does not answer: {error}");
        }
    }
}

/// Measures the size of the database, so that no reader of the figures waits for it.
async fn measure_database(db: DbHandle) {
    loop {
        if let Err(error) = db.measure().await {
            log::debug!("cannot measure the database: {error}");
        }
        tokio::time::sleep(SIZE_INTERVAL).await;
    }
}

/// Marks the database file again after checkpoints, so that a copy without its log is detected.
async fn expect_log(db: DbHandle) {
    loop {
        tokio::time::sleep(LOG_MARK_INTERVAL).await;
        if let Err(error) = db.expect_log().await {
            log::debug!("cannot mark the database: {error}");
        }
    }
}

/// Deletes expired messages and releases their space, one batch per transaction: between two batches, other writes have their
/// turn.
async fn sweep_messages(db: DbHandle, interval: Duration, batch: i64) {
    // Without a pause, the writer would always be busy.
    let interval = interval.max(Duration::from_millis(10));
    loop {
        let mut total = 0;
        loop {
            match db.delete_expired(batch).await {
                Ok(0) => break,
                Ok(deleted) => total += deleted,
                Err(error) => {
                    log::warn!("cannot delete expired messages: {error}");
                    break;
                }
            }
        }
        if total > 0 {
            log::info!("deleted {total} expired messages");
        }
        loop {
            match db.shrink().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    log::warn!("cannot release free space: {error}");
                    break;
                }
            }
        }
        tokio::time::sleep(interval).await;
    }
}

/// Recounts the stored messages of identities, and sums up the totals.
async fn count_totals(db: DbHandle) {
    let mut interval = RECOUNT_INTERVAL;
    let mut due = Instant::now();
    if db.has_totals().await == Ok(true) {
        due += FIRST_RECOUNT;
    }
    let mut warned = None;
    loop {
        if Instant::now() >= due {
            interval = match db.recount().await {
                Ok(Some(0)) => (interval * 2).min(MAX_RECOUNT_INTERVAL),
                Ok(None) => interval,
                Ok(Some(count)) => {
                    log::info!("corrected the stored totals of {count} recipients and senders");
                    RECOUNT_INTERVAL
                }
                Err(error) => {
                    log::warn!("cannot count the stored messages of identities: {error}");
                    RECOUNT_INTERVAL
                }
            };
            due = Instant::now() + interval;
        }
        match db.refresh_totals().await {
            Ok(None) => {}
            Ok(Some(totals)) => {
                let over = (totals.inboxes.over, totals.senders.over);
                if over != (0, 0) && warned != Some(over) {
                    log::warn!(
                        "{} inboxes and {} senders are over their quota: the server refuses messages until others are acknowledged or \
                         expire (MAX_INBOX_MESSAGES, MAX_INBOX_BYTES, MAX_SENDER_MESSAGES, MAX_SENDER_BYTES)",
                        over.0,
                        over.1
                    );
                }
                warned = Some(over);
            }
            Err(error) => log::debug!("cannot sum up the totals: {error}"),
        }
        let next = due.saturating_duration_since(Instant::now());
        tokio::time::sleep(TOTALS_INTERVAL.min(next)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[actix::test]
    async fn a_task_that_panics_is_restarted() {
        let runs = Rc::new(Cell::new(0));
        let counted = Rc::clone(&runs);
        let task = restarted("test", Duration::from_millis(1), move || {
            let run = counted.get();
            counted.set(run + 1);
            async move { assert!(run >= 2, "on purpose") }
        });
        task.await.unwrap();
        assert_eq!(runs.get(), 3);
    }
}
