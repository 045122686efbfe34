//! Whether the database works, through the handle.

use std::time::Duration;

use crate::db::engine::error::DbError;
use crate::db::store::probe::ProbeWrite;
use crate::db::writer::executor::{self, Ping};

use super::DbHandle;

impl DbHandle {
    /// Asks the writers and a reader whether the database answers, for at most `deadline`.
    ///
    /// # Errors
    /// [`DbError`]; a writer that is gone for good is replaced.
    pub async fn ping(&self, deadline: Duration) -> Result<(), DbError> {
        let all = async {
            let writers = [Some(&self.0.writer), self.0.session_writer.as_ref()];
            for writer in writers.into_iter().flatten() {
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
        answer.unwrap_or_else(|_| Err(DbError::Unavailable("no answer in time".to_owned())))
    }

    /// Whether something can be stored and read now: commits a write that leaves nothing, behind those that wait.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn probe(&self) -> Result<(), DbError> {
        self.run(ProbeWrite).await?;
        self.read(None, executor::answers).await
    }
}
