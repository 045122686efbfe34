//! A list in memory, for tests.

use super::{ListBound, ListSink, NoMemory, OversizedMessage, StoredMessage};

/// A page of messages of a box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MessagePage {
    pub messages: Vec<StoredMessage>,
    /// Messages of this page that are too large for any page. They count as listed.
    pub oversized: Vec<OversizedMessage>,
    /// The `id` of the last message, listed or too large.
    pub last: Option<i64>,
    /// Whether there are more messages.
    pub more: bool,
}

impl MessagePage {
    /// The number of messages, listed and too large.
    #[must_use]
    pub(crate) const fn count(&self) -> usize {
        self.messages.len() + self.oversized.len()
    }
}

impl ListSink for MessagePage {
    fn message(&mut self, message: StoredMessage, _bytes: usize) -> Result<(), NoMemory> {
        self.messages.push(message);
        Ok(())
    }

    fn oversized(&mut self, message: OversizedMessage, _bytes: usize) -> Result<(), NoMemory> {
        self.oversized.push(message);
        Ok(())
    }
}

/// Bytes that a message takes in memory beside its body.
pub(crate) const MESSAGE_OVERHEAD: usize = 512;

impl ListBound {
    /// A bound on stored bytes.
    pub(crate) fn stored(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            measure: |message| message.body.len() + MESSAGE_OVERHEAD,
            overhead: MESSAGE_OVERHEAD,
            name: None,
        }
    }
}
