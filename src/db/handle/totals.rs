//! Totals of what identities have stored.

use std::sync::mpsc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::connect::connector::by_hand;
use crate::db::engine::dialect::lock_recount;
use crate::db::engine::error::DbError;
use crate::db::store::command::WriteCommand;
use crate::db::store::totals::recount::{self, MAX_CORRECTIONS, TotalsOfRole};
use crate::db::store::totals::{CorrectTotals, DeleteEmptyTotals};
use crate::model::{Quotas, Role};

use super::DbHandle;

/// Totals that one write changes.
const BATCH: usize = 500;

/// Maximum number of empty rows deleted after one recount.
const MAX_EMPTY: i64 = 100_000;

/// Totals of all identities, as of the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct StoredTotals {
    /// Totals of recipients.
    #[serde(rename = "inbox")]
    pub inboxes: TotalsOfRole,
    /// Totals of senders.
    #[serde(rename = "sender")]
    pub senders: TotalsOfRole,
}

impl DbHandle {
    /// Replaces the quotas. Returns whether this sets the first limit: then the stored messages must be counted first.
    #[must_use]
    pub fn set_quotas(&self, quotas: Quotas) -> bool {
        let had_none = self.0.quotas.get().are_none();
        self.0.quotas.set(quotas);
        had_none && !quotas.are_none()
    }

    /// Whether any total is stored; false if no quota is set.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn has_totals(&self) -> Result<bool, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(false);
        }
        self.off_the_worker(|db| {
            let mut connection = by_hand(&db.0.settings)?;
            Ok(recount::has_totals(&mut connection)?)
        })
        .await
    }

    /// Runs work of a long time on a blocking thread.
    async fn off_the_worker<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let db = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&db)).await;
        done.unwrap_or(Err(DbError::Panicked))
    }

    /// Counts what identities have stored and corrects their totals. Returns the number of wrong totals. Returns none
    /// if no quota is set or another server is counting.
    ///
    /// Takes as long as reading the sizes of all messages. Reads and writes continue meanwhile.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn recount(&self) -> Result<Option<usize>, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(None);
        }
        self.off_the_worker(Self::recount_blocking).await
    }

    fn recount_blocking(&self) -> Result<Option<usize>, DbError> {
        // The lock ends with this connection.
        let mut connection = by_hand(&self.0.settings)?;
        if !lock_recount(&mut connection)? {
            return Ok(None);
        }
        let mut total = 0;
        loop {
            let corrections = recount::corrections(&mut connection)?;
            for batch in corrections.chunks(BATCH) {
                self.run_blocking(CorrectTotals(batch.to_vec()))?;
            }
            total += corrections.len();
            if corrections.len() < MAX_CORRECTIONS {
                break;
            }
        }
        for batch in recount::empty(&mut connection, MAX_EMPTY)?.chunks(BATCH) {
            self.run_blocking(DeleteEmptyTotals(batch.to_vec()))?;
        }
        Ok(Some(total))
    }

    /// Sums the totals of all identities; none if no quota is set.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn refresh_totals(&self) -> Result<Option<StoredTotals>, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(None);
        }
        let totals = self.off_the_worker(Self::look_blocking).await?;
        *self.0.totals.lock() = Some(totals);
        Ok(Some(totals))
    }

    /// Uses its own connection, so clients do not wait for a reader.
    fn look_blocking(&self) -> Result<StoredTotals, DbError> {
        let mut connection = by_hand(&self.0.settings)?;
        let quotas = self.0.quotas.get();
        let mut of = |role| recount::summary(&mut connection, &quotas, role);
        Ok(StoredTotals {
            inboxes: of(Role::Inbox)?,
            senders: of(Role::Sender)?,
        })
    }

    /// The result of the last [`refresh_totals`](Self::refresh_totals).
    #[must_use]
    pub fn totals(&self) -> Option<StoredTotals> {
        *self.0.totals.lock()
    }

    fn run_blocking<C: WriteCommand>(&self, command: C) -> Result<C::Output, DbError> {
        let (sender, receiver) = mpsc::channel();
        self.write(command, move |result| drop(sender.send(result)));
        receiver.recv().unwrap_or(Err(DbError::Closed))
    }
}
