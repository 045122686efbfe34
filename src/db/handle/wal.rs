//! The write-ahead log of a SQLite file: marked while the server runs, emptied at shutdown, checked at the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::DbHandle;
use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::connect::{DbSettings, by_hand};
use crate::db::engine::error::DbError;
use crate::db::engine::sqlite::file_identity::DatabaseFile;
use crate::db::engine::sqlite::wal_marker;
use crate::db::writer::executor::CommitQueued;

/// The state of the write-ahead log.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<DatabaseFile>,
    /// Whether shutdown empties the log. Until then the file carries a mark.
    checkpoint: bool,
    was_missing: bool,
    /// The commit counter at the time of the last mark.
    marked_at: AtomicU64,
}

impl Log {
    pub(super) fn new(file: Arc<DatabaseFile>, settings: &DbSettings) -> Self {
        let was_missing = file.lacks_log();
        if was_missing {
            log::warn!(
                "{}: the write-ahead log (-wal) of this file is missing, and the newest messages with it: the file was \
                 copied without its log. Stop the server and put the log beside it, or accept the file as it is: \
                 `messagebox-server accept-database`",
                settings.url
            );
        }
        let log = Self {
            file,
            checkpoint: settings.checkpoint,
            was_missing,
            marked_at: AtomicU64::new(0),
        };
        if log.checkpoint {
            log.file.expect_log();
        }
        log
    }
}

impl DbHandle {
    /// Fails while the write-ahead log is missing and no operator has acknowledged that.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn check_log(&self) -> Result<(), DbError> {
        if !self.0.log.was_missing {
            return Ok(());
        }
        self.read(None, |connection| match connection {
            AnyConnection::Sqlite(connection) => {
                let is_missing = wal_marker::is_missing(connection)?;
                if is_missing {
                    Err(DbError::NoLog)
                } else {
                    Ok(())
                }
            }
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            _ => Ok(()),
        })
        .await
    }

    /// Whether the write-ahead log was missing at the start.
    #[must_use]
    pub fn was_log_missing(&self) -> bool {
        self.0.log.was_missing
    }

    /// Marks the file as having a log, if something was committed since the last mark.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn expect_log(&self) -> Result<(), DbError> {
        let commits = self.0.counters.commits.load(Ordering::Relaxed);
        let log = &self.0.log;
        if !log.checkpoint || log.marked_at.swap(commits, Ordering::Relaxed) == commits {
            return Ok(());
        }
        self.read(None, |connection| match connection {
            AnyConnection::Sqlite(connection) => Ok(wal_marker::expect_log(connection)?),
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            _ => Ok(()),
        })
        .await
    }

    /// Stops accepting writes, waits for the admitted ones, and checkpoints the write-ahead log into the database file.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] after `deadline`.
    pub async fn close(&self, deadline: Duration) -> Result<(), DbError> {
        let sessions = self.0.session_writer.as_ref();
        self.0.writer.queue.close();
        if let Some(sessions) = sessions {
            sessions.queue.close();
        }
        // A writer handles commands in order, so its reply means that all admitted writes are done.
        let done = async {
            let _ = self.0.writer.address().send(CommitQueued).await;
            if let Some(sessions) = sessions {
                let _ = sessions.address().send(CommitQueued).await;
            }
            if self.0.log.checkpoint {
                let file = Arc::clone(&self.0.log.file);
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
        let late = |_| DbError::Unavailable("writes are still waiting".to_owned());
        tokio::time::timeout(deadline, done).await.map_err(late)
    }
}

/// Acknowledges a missing write-ahead log and accepts the file as it is. Returns whether a log was missing.
///
/// # Errors
/// [`DbError`].
pub fn accept_database(settings: &DbSettings) -> Result<bool, DbError> {
    match &mut by_hand(settings)? {
        AnyConnection::Sqlite(connection) => Ok(wal_marker::acknowledge(connection)?),
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        _ => Ok(false),
    }
}
