//! Messages in boxes, for operators.

use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::upkeep::waiting_boxes;
use crate::ids::IdentityKey;
use crate::model::{IdentityTotal, Role, TotalsOrder, WaitingPage, WaitingTotal};

use super::DbHandle;

impl DbHandle {
    /// Boxes with messages, in the order of their numbers, after this one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn waiting_boxes(&self, after: i64, limit: i64) -> Result<WaitingPage, DbError> {
        self.read(None, move |connection| {
            Ok(waiting_boxes::boxes(
                connection,
                after,
                limit,
                &Now::read(None),
            )?)
        })
        .await
    }

    /// A recipient's boxes with messages, in the order of their numbers, after this one. Also the sum over all of its
    /// boxes.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn waiting_boxes_of(
        &self,
        recipient: IdentityKey,
        after: i64,
        limit: usize,
    ) -> Result<(WaitingPage, WaitingTotal), DbError> {
        let recipient = recipient.to_hex();
        self.read(None, move |connection| {
            let now = Now::read(None);
            Ok(waiting_boxes::boxes_of(
                connection, &recipient, after, limit, &now,
            )?)
        })
        .await
    }

    /// Totals of recipients: those after `after` in identity order, or else the largest. None if no quota is set,
    /// because totals are not kept then.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn inboxes(
        &self,
        order: TotalsOrder,
        after: String,
        limit: i64,
    ) -> Result<Option<Vec<IdentityTotal>>, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(None);
        }
        self.read(None, move |connection| {
            Ok(Some(waiting_boxes::totals(
                connection,
                Role::Inbox,
                order,
                &after,
                limit,
            )?))
        })
        .await
    }
}
