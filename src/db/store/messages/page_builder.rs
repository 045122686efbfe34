//! Builds a page of a list. The page ends at its byte limit, its message limit, or the memory limit.

use crate::db::engine::error::DbError;
use crate::model::{ListBound, ListSink, NoMemory, OversizedMessage, Page, PageEnd, StoredMessage};

/// A page under construction. A full page takes no more messages.
pub(super) struct PageBuilder<'a> {
    bound: &'a ListBound,
    /// Maximum number of messages.
    limit: Option<usize>,
    bytes: usize,
    sink: &'a mut dyn ListSink,
    pub(super) listed: PageEnd,
    pub(super) is_full: bool,
}

impl<'a> PageBuilder<'a> {
    pub(super) fn new(page: &Page, bound: &'a ListBound, sink: &'a mut dyn ListSink) -> Self {
        Self {
            bound,
            limit: page.limit.and_then(|limit| usize::try_from(limit).ok()),
            bytes: 0,
            sink,
            listed: PageEnd::default(),
            is_full: false,
        }
    }

    /// Adds a message, or only its name if no page can hold it.
    pub(super) fn list(&mut self, message: StoredMessage) -> Result<(), DbError> {
        let (id, bytes) = (message.id, (self.bound.measure)(&message));
        if self.bound.name.is_some() && bytes > self.bound.max_bytes {
            let named = OversizedMessage {
                message_id: message.message_id,
                sender: message.sender,
                body_bytes: message.body.len(),
                created_at: message.created_at,
            };
            return self.name(id, named);
        }
        self.add(id, bytes, |sink| sink.message(message, bytes))
    }

    /// Adds the name of a message that no page can hold.
    pub(super) fn name(&mut self, id: i64, message: OversizedMessage) -> Result<(), DbError> {
        let bytes = self.bound.name.map_or(0, |bytes| bytes(&message));
        self.add(id, bytes, |sink| sink.oversized(message, bytes))
    }

    /// A client that reads pages asks for the rest of a page that had to end early. An older one never does.
    fn add(
        &mut self,
        id: i64,
        bytes: usize,
        add: impl FnOnce(&mut dyn ListSink) -> Result<(), NoMemory>,
    ) -> Result<(), DbError> {
        let count = self.listed.count;
        let all_bytes = self.bytes.saturating_add(bytes);
        self.is_full |= self.limit.is_some_and(|limit| count >= limit);
        self.is_full |= all_bytes > self.bound.max_bytes && count > 0;
        if !self.is_full
            && let Err(NoMemory) = add(self.sink)
        {
            if count == 0 || self.bound.name.is_none() {
                return Err(DbError::Overloaded);
            }
            self.is_full = true;
        }
        if self.is_full {
            self.listed.more = true;
            return Ok(());
        }
        self.bytes = all_bytes;
        self.listed.count += 1;
        self.listed.last = Some(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::MessagePage;

    /// Has memory for so many messages.
    struct Narrow(MessagePage, usize);

    impl ListSink for Narrow {
        fn message(&mut self, message: StoredMessage, bytes: usize) -> Result<(), NoMemory> {
            self.1 = self.1.checked_sub(1).ok_or(NoMemory)?;
            self.0.message(message, bytes)
        }

        fn oversized(&mut self, message: OversizedMessage, bytes: usize) -> Result<(), NoMemory> {
            self.1 = self.1.checked_sub(1).ok_or(NoMemory)?;
            self.0.oversized(message, bytes)
        }
    }

    fn message(id: i64, body: usize) -> StoredMessage {
        StoredMessage {
            id,
            message_id: id.to_string(),
            sender: String::new(),
            body: "x".repeat(body),
            created_at: String::new(),
            updated_at: String::new(),
        }
    }

    #[test]
    fn without_memory_a_page_ends_early_and_an_older_clients_list_is_refused() {
        for (memory, is_paged, expected) in [
            (2, true, Ok(2)),
            (0, true, Err(DbError::Overloaded)),
            (2, false, Err(DbError::Overloaded)),
            (3, false, Ok(3)),
        ] {
            let bound = ListBound {
                name: is_paged.then_some(|_: &OversizedMessage| 1),
                ..ListBound::stored(10_000)
            };
            let mut sink = Narrow(MessagePage::default(), memory);
            let (page, large) = (Page::default(), 20_000);
            let mut page = PageBuilder::new(&page, &bound, &mut sink);
            let bodies = [1, if is_paged { large } else { 1 }, 1];
            let filled = (1..)
                .zip(bodies)
                .try_for_each(|(id, body)| page.list(message(id, body)));
            let listed = filled.map(|()| page.listed);
            assert_eq!(listed.clone().map(|listed| listed.count), expected);
            if let Ok(listed) = listed {
                let last = i64::try_from(memory).unwrap();
                assert_eq!((listed.last, listed.more), (Some(last), last < 3));
                assert_eq!(sink.0.messages.len() + sink.0.oversized.len(), listed.count);
            }
        }
    }
}
