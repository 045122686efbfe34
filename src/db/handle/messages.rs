//! Listing messages, and reading them in storage order to catch up.

use std::sync::Arc;

use super::{DbHandle, may_be_stored};
use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::messages::catch_up_query;
use crate::db::store::messages::message_list::{self, ListQuery};
use crate::ids::IdentityKey;
use crate::model::{CatchUpPage, ListBound, ListSink, MessageHead, Page, PageEnd};

/// Maximum bytes of bodies in a page.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

impl DbHandle {
    /// Lists messages of a box within a bound, in storage order unless the page asks for the reverse. The sink receives
    /// each message as soon as it is read. Each attempt gets a new sink: a read is retried if its connection was lost.
    ///
    /// # Errors
    /// [`DbError`]; [`DbError::Overloaded`] if the sink has no memory for the first message, or if the client cannot
    /// read pages.
    pub async fn list_into<S: ListSink + Send + 'static>(
        &self,
        recipient: IdentityKey,
        message_box: String,
        page: Page,
        bound: ListBound,
        mut sink: impl FnMut() -> S + Send + 'static,
    ) -> Result<(S, PageEnd), DbError> {
        let names = page.message_id.iter().chain([&message_box]);
        if !names.map(String::as_str).all(may_be_stored) {
            return Ok((sink(), PageEnd::default()));
        }
        let (ttl, cursors) = (
            self.0.settings.message_ttl,
            Arc::clone(&self.0.page_cursors),
        );
        self.read(Some(recipient), move |connection| {
            let query = ListQuery {
                recipient: &recipient,
                message_box: &message_box,
                page: &page,
                bound: &bound,
                cursor: if page.offset > 0 {
                    cursors.take(recipient, &message_box)
                } else {
                    None
                },
                now: &Now::read(ttl),
            };
            let mut sink = sink();
            let (listed, next) = message_list::list(connection, &query, &mut sink)?;
            if let Some(next) = next {
                cursors.keep(recipient, message_box.clone(), next);
            }
            Ok((sink, listed))
        })
        .await
    }

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
        let ttl = self.0.settings.message_ttl;
        self.read(None, move |connection| {
            let now = Now::read(ttl);
            catch_up_query::missed(connection, after, MAX_PAGE_BYTES, &now, &mut wanted)
        })
        .await
    }
}
