//! What identities have stored, through the handle.

use std::sync::{PoisonError, mpsc};

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::connection::by_hand;
use crate::db::engine::dialect::lock_recount;
use crate::db::engine::error::DbError;
use crate::db::store::command::Command;
use crate::db::store::recount::{self, MAX_CORRECTIONS};
use crate::db::store::totals::{Correct, ForgetEmpty};
use crate::model::{Quotas, Role};

use super::DbHandle;

pub use crate::db::store::recount::TotalsOfRole;

/// Totals that one write changes.
const BATCH: usize = 500;

/// Rows that say nothing and are deleted after one recount.
const MAX_EMPTY: i64 = 100_000;

/// What all identities have stored, when it was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct StoredTotals {
    /// As recipients.
    #[serde(rename = "inbox")]
    pub inboxes: TotalsOfRole,
    /// As senders.
    #[serde(rename = "sender")]
    pub senders: TotalsOfRole,
}

impl DbHandle {
    /// Takes these quotas from now on; says whether nothing was limited before and something is now. Then what is stored has to
    /// be counted first.
    #[must_use]
    pub fn set_quotas(&self, quotas: Quotas) -> bool {
        let had_none = self.0.quotas.get().are_none();
        self.0.quotas.set(quotas);
        had_none && !quotas.are_none()
    }

    /// Whether anything has been counted, by a server that limits what is stored.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn has_totals(&self) -> Result<bool, DbError> {
        let db = self.clone();
        let found = tokio::task::spawn_blocking(move || {
            let mut connection = by_hand(&db.0.settings)?;
            Ok(recount::has_totals(&mut connection)?)
        });
        found.await.unwrap_or(Err(DbError::Panicked))
    }

    /// Counts what identities have stored, and corrects their totals. Gives the number of totals that were off; none where
    /// nothing is limited, or another server is counting.
    ///
    /// Takes as long as reading the sizes of all messages does. Others read and write meanwhile.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn recount(&self) -> Result<Option<usize>, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(None);
        }
        let db = self.clone();
        let counted = tokio::task::spawn_blocking(move || db.recount_blocking()).await;
        counted.unwrap_or(Err(DbError::Panicked))
    }

    fn recount_blocking(&self) -> Result<Option<usize>, DbError> {
        // Its lock ends with it.
        let mut connection = by_hand(&self.0.settings)?;
        if !lock_recount(&mut connection)? {
            return Ok(None);
        }
        let mut total = 0;
        loop {
            let corrections = recount::corrections(&mut connection)?;
            for batch in corrections.chunks(BATCH) {
                self.run_blocking(Correct(batch.to_vec()))?;
            }
            total += corrections.len();
            if corrections.len() < MAX_CORRECTIONS {
                break;
            }
        }
        for batch in recount::empty(&mut connection, MAX_EMPTY)?.chunks(BATCH) {
            self.run_blocking(ForgetEmpty(batch.to_vec()))?;
        }
        Ok(Some(total))
    }

    /// Looks at the totals of all identities; none where nothing is limited.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn look_at_totals(&self) -> Result<Option<StoredTotals>, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(None);
        }
        let db = self.clone();
        let looked = tokio::task::spawn_blocking(move || db.look_blocking()).await;
        let totals = looked.unwrap_or(Err(DbError::Panicked))?;
        *self.0.totals.lock().unwrap_or_else(PoisonError::into_inner) = Some(totals);
        Ok(Some(totals))
    }

    /// With a connection of its own: clients wait for none of the readers.
    fn look_blocking(&self) -> Result<StoredTotals, DbError> {
        let mut connection = by_hand(&self.0.settings)?;
        let quotas = self.0.quotas.get();
        let mut of = |role| recount::summary(&mut connection, &quotas, role);
        Ok(StoredTotals {
            inboxes: of(Role::Inbox)?,
            senders: of(Role::Sender)?,
        })
    }

    /// What [`look_at_totals`](Self::look_at_totals) has found last.
    #[must_use]
    pub fn totals(&self) -> Option<StoredTotals> {
        *self.0.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_blocking<C: Command>(&self, command: C) -> Result<C::Output, DbError> {
        let (sender, receiver) = mpsc::channel();
        self.write(command, move |result| drop(sender.send(result)));
        receiver.recv().unwrap_or(Err(DbError::Closed))
    }
}
