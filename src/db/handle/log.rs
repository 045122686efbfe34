//! The log of writes of a SQLite database: emptied when the server stops, marked while it runs, missed at the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::DbHandle;
use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::connection::{DbSettings, by_hand};
use crate::db::engine::error::DbError;
use crate::db::engine::file::DatabaseFile;
use crate::db::engine::log_mark;
use crate::db::writer::executor::CommitWaiting;

/// What is known of the log.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<DatabaseFile>,
    /// Whether it is emptied at the end, and marked until then.
    checkpoint: bool,
    was_missing: bool,
    /// Commits when the file was marked last.
    marked_at: AtomicU64,
}

impl Log {
    pub(super) fn new(file: Arc<DatabaseFile>, settings: &DbSettings) -> Self {
        let was_missing = file.lacks_log();
        if was_missing {
            log::warn!(
                "{}: the log of writes (-wal) that belongs to this file is missing, and the newest messages with it: it was \
                 copied without its log. Stop the server and put the log beside it, or keep what is there: \
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
    /// Fails while the database lacks its log of writes and nobody has acknowledged that.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn check_log(&self) -> Result<(), DbError> {
        if !self.0.log.was_missing {
            return Ok(());
        }
        self.read(None, |connection| match connection {
            AnyConnection::Sqlite(connection) => {
                let is_missing = log_mark::is_missing(connection)?;
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

    /// Whether the log of writes was missing at the start.
    #[must_use]
    pub fn was_log_missing(&self) -> bool {
        self.0.log.was_missing
    }

    /// Marks the file as one that has a log, where something was committed since it was marked last.
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
            AnyConnection::Sqlite(connection) => Ok(log_mark::expect_log(connection)?),
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            _ => Ok(()),
        })
        .await
    }

    /// Takes no more writes, waits until those that were admitted are answered, and empties the log of writes, so that the
    /// database's file has everything.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when that takes longer than `deadline`.
    pub async fn close(&self, deadline: Duration) -> Result<(), DbError> {
        let sessions = self.0.session_writer.as_ref();
        self.0.writer.queue.close();
        if let Some(sessions) = sessions {
            sessions.queue.close();
        }
        // A writer handles commands in order: what was admitted is done when it answers.
        let done = async {
            let _ = self.0.writer.address().send(CommitWaiting).await;
            if let Some(sessions) = sessions {
                let _ = sessions.address().send(CommitWaiting).await;
            }
            if self.0.log.checkpoint {
                let file = Arc::clone(&self.0.log.file);
                let emptied = tokio::task::spawn_blocking(move || file.empty_log()).await;
                match emptied {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => log::warn!(
                        "at shutdown: another program reads the database, so its newest messages are in the log of writes (-wal): copy both"
                    ),
                    Ok(Err(error)) => log::warn!(
                        "at shutdown: the log of writes (-wal) was not emptied: {error}; copy it with the database"
                    ),
                    Err(error) => log::error!("at shutdown: the log of writes (-wal): {error}"),
                }
            }
        };
        let late = |_| DbError::Unavailable("writes are still waiting".to_owned());
        tokio::time::timeout(deadline, done).await.map_err(late)
    }
}

/// Acknowledges that the log of writes is missing: what is in the database's file is all that there is. Says whether there
/// was anything to acknowledge.
///
/// # Errors
/// [`DbError`].
pub fn accept_database(settings: &DbSettings) -> Result<bool, DbError> {
    match &mut by_hand(settings)? {
        AnyConnection::Sqlite(connection) => Ok(log_mark::acknowledge(connection)?),
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        _ => Ok(false),
    }
}
