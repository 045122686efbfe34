//! What goes on beside the requests: asking the database whether it answers, and letting go of what has expired.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::authsocket::AuthSocket;
use crate::config::Settings;
use crate::db::DbHandle;
use crate::http::HttpState;
use crate::ids::IdentityKey;
use crate::panics;
use crate::socket::SocketTable;

use super::relief::relieve;
use super::{advertising, identity_lists};

/// How often the database is asked whether it answers, and how long it may take.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// The pause before a task that panicked begins anew.
pub(super) const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// How often expired sessions are deleted, and how many in one transaction.
const SESSION_SWEEP_INTERVAL: Duration = Duration::from_secs(60);
const SESSION_SWEEP_BATCH: i64 = 500;

/// How often the database is asked how much it holds.
const SIZE_INTERVAL: Duration = Duration::from_secs(60);
/// How often a database to which something was committed is marked as one that has a log of writes.
const LOG_MARK_INTERVAL: Duration = Duration::from_secs(10);
/// How often the totals of identities are looked at.
const TOTALS_INTERVAL: Duration = Duration::from_secs(600);

/// How long after a recount the next one begins: soon where totals were off, because a server that counts nothing may still be
/// writing, and twice as late each time where none was.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(3_600);
const MAX_RECOUNT_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// Ids that one statement may name.
const MAX_BATCH: usize = 10_000;

/// What goes on until it is aborted.
pub(super) struct Background(Vec<JoinHandle<()>>);

/// Starts all of it.
pub(super) fn start(
    db: &DbHandle,
    state: &HttpState,
    identity: IdentityKey,
    settings: &Settings,
    sockets: &Arc<SocketTable<AuthSocket>>,
) -> Background {
    let messages = &settings.messages;
    let batch = messages.sweep_batch.get().min(MAX_BATCH);
    let batch = i64::try_from(batch).unwrap_or(i64::MAX);
    let (watched, swept, interval) = (db.clone(), db.clone(), messages.sweep_interval);
    let measured = db.clone();
    let mut tasks = vec![
        restarted("watch_database", RESTART_PAUSE, move || {
            watch_database(watched.clone())
        }),
        restarted("sweep_messages", RESTART_PAUSE, move || {
            sweep_messages(swept.clone(), interval, batch)
        }),
        restarted("measure_database", RESTART_PAUSE, move || {
            measure_database(measured.clone())
        }),
    ];
    let marked = db.clone();
    tasks.push(restarted("expect_log", RESTART_PAUSE, move || {
        expect_log(marked.clone())
    }));
    let (followed, followers) = (db.clone(), Arc::clone(sockets));
    tasks.push(restarted("follow_lists", RESTART_PAUSE, move || {
        identity_lists::follow(followed.clone(), Arc::clone(&followers))
    }));
    let sockets = Arc::clone(sockets);
    tasks.push(restarted("relieve_sockets", RESTART_PAUSE, move || {
        relieve(Arc::clone(&sockets))
    }));
    let counted = db.clone();
    tasks.push(restarted("count_totals", RESTART_PAUSE, move || {
        count_totals(counted.clone())
    }));
    let (db, state) = (db.clone(), state.clone());
    let ttl = Some(settings.auth.session_ttl).filter(|ttl| !ttl.is_zero());
    tasks.push(restarted("sweep_sessions", RESTART_PAUSE, move || {
        sweep_sessions(state.clone(), db.clone(), ttl)
    }));
    if let Some(plan) = advertising::plan(settings, identity) {
        tasks.push(restarted("advertise_host", RESTART_PAUSE, move || {
            advertising::run(plan.clone())
        }));
    }
    Background(tasks)
}

/// Spawns a task that begins anew when it panics.
pub(super) fn restarted<F>(
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

/// Forgets expired sessions, also when nobody shakes hands any more.
async fn sweep_sessions(state: HttpState, db: DbHandle, ttl: Option<Duration>) {
    let interval = ttl.map_or(SESSION_SWEEP_INTERVAL, |ttl| {
        (ttl / 2).clamp(Duration::from_millis(10), SESSION_SWEEP_INTERVAL)
    });
    loop {
        tokio::time::sleep(interval).await;
        state.sweep_sessions();
        loop {
            match db.sweep_sessions(SESSION_SWEEP_BATCH).await {
                // Others have their turn between two batches.
                Ok(deleted) if i64::try_from(deleted).is_ok_and(|n| n >= SESSION_SWEEP_BATCH) => {}
                Ok(_) => break,
                Err(error) => {
                    log::debug!("expired sessions were not deleted: {error}");
                    break;
                }
            }
        }
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

/// Asks the database how much it holds: nobody who reads the figures waits for it.
async fn measure_database(db: DbHandle) {
    loop {
        if let Err(error) = db.measure().await {
            log::debug!("the database does not say how much it holds: {error}");
        }
        tokio::time::sleep(SIZE_INTERVAL).await;
    }
}

/// Marks the database's file again after checkpoints, so that a copy without its log is noticed.
async fn expect_log(db: DbHandle) {
    loop {
        tokio::time::sleep(LOG_MARK_INTERVAL).await;
        if let Err(error) = db.expect_log().await {
            log::debug!("the database was not marked: {error}");
        }
    }
}

/// Deletes expired messages and gives back their space, one batch in a transaction: between two of them others get their turn.
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
        loop {
            match db.shrink().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    log::warn!("free space was not given back: {error}");
                    break;
                }
            }
        }
        tokio::time::sleep(interval).await;
    }
}

/// Recounts what identities have stored, and looks at the totals.
async fn count_totals(db: DbHandle) {
    let mut interval = RECOUNT_INTERVAL;
    let mut due = Instant::now();
    let mut warned = None;
    loop {
        if Instant::now() >= due {
            interval = match db.recount().await {
                Ok(Some(0)) => (interval * 2).min(MAX_RECOUNT_INTERVAL),
                Ok(None) => interval,
                Ok(Some(count)) => {
                    log::info!("corrected what is stored for {count} recipients and senders");
                    RECOUNT_INTERVAL
                }
                Err(error) => {
                    log::warn!("what identities have stored was not counted: {error}");
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
                        "{} inboxes and {} senders have more stored than their quota: sends are refused until messages are \
                         acknowledged or expire (MAX_INBOX_MESSAGES, MAX_INBOX_BYTES, MAX_SENDER_MESSAGES, MAX_SENDER_BYTES)",
                        over.0,
                        over.1
                    );
                }
                warned = Some(over);
            }
            Err(error) => log::debug!("the totals were not looked at: {error}"),
        }
        tokio::time::sleep(TOTALS_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[actix::test]
    async fn a_task_that_panics_begins_anew() {
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
