//! Listing messages.

use std::sync::Arc;

use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::messages::message_list::{self, ListQuery};
use crate::ids::IdentityKey;
use crate::model::{ListBound, ListSink, MessagePage, Page, PageEnd};

use super::{DbHandle, may_be_stored};

impl DbHandle {
    /// Lists messages of a box within a bound, in storage order unless the page asks for the reverse.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn list(
        &self,
        recipient: IdentityKey,
        message_box: String,
        page: Page,
        bound: ListBound,
    ) -> Result<MessagePage, DbError> {
        let list = self.list_into(recipient, message_box, page, bound, MessagePage::default);
        let (page, PageEnd { last, more, .. }) = list.await?;
        Ok(MessagePage { last, more, ..page })
    }

    /// Lists into a sink, which receives each message as soon as it is read. Each attempt gets a new sink: a read is
    /// retried if its connection was lost.
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
        let (ttl, marks) = (self.0.message_ttl, Arc::clone(&self.0.page_cursors));
        self.read(Some(recipient), move |connection| {
            let query = ListQuery {
                recipient: &recipient,
                message_box: &message_box,
                page: &page,
                bound: &bound,
                mark: if page.offset > 0 {
                    marks.take(recipient, &message_box)
                } else {
                    None
                },
                now: &Now::read(ttl),
            };
            let mut sink = sink();
            let (listed, next) = message_list::list(connection, &query, &mut sink)?;
            if let Some(next) = next {
                marks.keep(recipient, message_box.clone(), next);
            }
            Ok((sink, listed))
        })
        .await
    }
}
