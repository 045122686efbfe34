//! Health checks of the database.

use std::time::Duration;

use crate::db::engine::error::DbError;
use crate::db::store::upkeep::write_probe::WriteProbe;
use crate::db::writer::executor::{self, Ping};

use super::DbHandle;

impl DbHandle {
    /// Checks that the writers and a reader respond within `deadline`.
    ///
    /// # Errors
    /// [`DbError`]. A dead writer is replaced.
    pub async fn ping(&self, deadline: Duration) -> Result<(), DbError> {
        let all = async {
            for writer in self.writers() {
                let Ok(answer) = writer.address().send(Ping).await else {
                    writer.restart();
                    return Err(DbError::Closed);
                };
                answer?;
            }
            self.0
                .readers
                .send(Ping)
                .await
                .unwrap_or(Err(DbError::Closed))
        };
        let answer = tokio::time::timeout(deadline, all).await;
        answer.unwrap_or_else(|_| Err(DbError::unavailable("no answer in time")))
    }

    /// Commits a write that leaves no trace, behind the queued writes, and reads from a connection.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn probe(&self) -> Result<(), DbError> {
        self.run(WriteProbe).await?;
        self.read(None, executor::answers).await
    }
}
