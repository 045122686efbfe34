//! Reading messages in storage order, to catch up.

use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::messages::catch_up_query;
use crate::model::{CatchUpPage, MessageHead};

use super::DbHandle;

/// Maximum bytes of bodies in a page.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

impl DbHandle {
    /// The last message id when the database was opened.
    #[must_use]
    pub fn first_message_id(&self) -> i64 {
        self.0.first_message_id
    }

    /// The highest id of a stored message; 0 if there is none.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn last_message_id(&self) -> Result<i64, DbError> {
        self.read(None, catch_up_query::last_id).await
    }

    /// Returns a page of messages with ids above `after`, in storage order, filtered by `wanted`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn messages_after(
        &self,
        after: i64,
        mut wanted: impl FnMut(&MessageHead) -> bool + Send + 'static,
    ) -> Result<CatchUpPage, DbError> {
        let ttl = self.0.message_ttl;
        self.read(None, move |connection| {
            let now = Now::read(ttl);
            catch_up_query::missed(connection, after, MAX_PAGE_BYTES, &now, &mut wanted)
        })
        .await
    }
}
