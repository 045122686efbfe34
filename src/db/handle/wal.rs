//! The write-ahead log of a SQLite file: marked while the server runs, emptied at shutdown, checked at the start.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::DbHandle;
use crate::db::engine::connect::connector::by_hand;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::error::DbError;
use crate::db::engine::sqlite::wal_marker;
use crate::db::writer::executor::CommitQueued;

impl DbHandle {
    /// Fails while the write-ahead log is missing and no operator has acknowledged that.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn check_log(&self) -> Result<(), DbError> {
        if !self.was_log_missing() {
            return Ok(());
        }
        self.read(None, |connection| {
            let sqlite = connection.as_sqlite();
            match sqlite.map(wal_marker::is_missing).transpose()? {
                Some(true) => Err(DbError::NoLog),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Whether the write-ahead log was missing at the start.
    #[must_use]
    pub fn was_log_missing(&self) -> bool {
        self.0.wal.file.lacks_log()
    }

    /// Marks the file as having a log, if something was committed since the last mark.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn expect_log(&self) -> Result<(), DbError> {
        let commits = self.0.counters.commits.load(Ordering::Relaxed);
        if !self.0.wal.needs_mark(commits) {
            return Ok(());
        }
        self.read(None, |connection| {
            let sqlite = connection.as_sqlite();
            Ok(sqlite.map_or(Ok(()), wal_marker::expect_log)?)
        })
        .await
    }

    /// Stops accepting writes, waits for the admitted ones, and checkpoints the write-ahead log into the database file.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] after `deadline`.
    pub async fn close(&self, deadline: Duration) -> Result<(), DbError> {
        self.writers().for_each(|writer| writer.queue.close());
        // A writer handles commands in order, so its reply means that all admitted writes are done.
        let done = async {
            for writer in self.writers() {
                let _ = writer.address().send(CommitQueued).await;
            }
            if self.0.wal.checkpoint {
                let file = Arc::clone(&self.0.wal.file);
                let emptied = tokio::task::spawn_blocking(move || file.empty_log()).await;
                match emptied {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => log::warn!(
                        "at shutdown: another program reads the database, so its newest messages stay in the write-ahead log (-wal): copy both files"
                    ),
                    Ok(Err(error)) => log::warn!(
                        "at shutdown: the write-ahead log (-wal) was not emptied: {error}; copy it together with the database"
                    ),
                    Err(error) => log::error!(
                        "at shutdown: the write-ahead log (-wal) was not emptied: {error}"
                    ),
                }
            }
        };
        let late = |_| DbError::unavailable("writes are still waiting");
        tokio::time::timeout(deadline, done).await.map_err(late)
    }
}

/// Acknowledges a missing write-ahead log and accepts the file as it is. Returns whether a log was missing.
///
/// # Errors
/// [`DbError`].
pub fn accept_database(settings: &DbSettings) -> Result<bool, DbError> {
    let mut connection = by_hand(settings)?;
    let sqlite = connection.as_sqlite();
    Ok(sqlite.map_or(Ok(false), wal_marker::acknowledge)?)
}
