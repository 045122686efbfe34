//! The replies to the messages of a socket, in the order of the messages. Pure.
//!
//! A refusal is known at once, an ack only after a commit. The published clients match replies in a room to messages by
//! their order, so no reply may overtake another.

use std::collections::VecDeque;

use crate::delivery::SendStatus;
use crate::events::SendRefused;
use crate::ids::RoomId;

/// The reply to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The message is stored.
    Acked {
        /// The room as the sender wrote it.
        room: RoomId,
        /// The sender's id of the message.
        message_id: String,
        /// Whether the message is small enough for live delivery.
        is_live: bool,
        /// Whether the message is new or a repetition.
        sent: SendStatus,
    },
    /// The message was refused.
    Refused(SendRefused),
}

/// The place of a message in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Unanswered messages, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct ReplyQueue {
    waiting: VecDeque<Option<Reply>>,
    /// The ticket of the oldest message.
    oldest: u64,
}

impl ReplyQueue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a message that will be answered later.
    pub(crate) fn expect(&mut self) -> Ticket {
        self.waiting.push_back(None);
        let behind = u64::try_from(self.waiting.len() - 1).unwrap_or(u64::MAX);
        Ticket(self.oldest + behind)
    }

    /// Sets the reply to a message.
    pub(crate) fn resolve(&mut self, ticket: Ticket, reply: Reply) {
        let index = ticket
            .0
            .checked_sub(self.oldest)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(slot) = index.and_then(|index| self.waiting.get_mut(index)) {
            *slot = Some(reply);
        }
    }

    /// Takes the next reply, if it is known.
    pub(crate) fn next(&mut self) -> Option<Reply> {
        if self.waiting.front()?.is_none() {
            return None;
        }
        self.oldest += 1;
        self.waiting.pop_front().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acked(id: &str) -> Reply {
        Reply::Acked {
            room: RoomId::new("room"),
            message_id: id.to_owned(),
            is_live: true,
            sent: SendStatus::Stored,
        }
    }

    #[test]
    fn no_answer_overtakes_another() {
        let mut replies = ReplyQueue::default();
        let tickets: Vec<Ticket> = (0..3).map(|_| replies.expect()).collect();
        replies.resolve(tickets[2], acked("2"));
        replies.resolve(tickets[1], acked("1"));
        assert_eq!(replies.next(), None);
        replies.resolve(tickets[0], acked("0"));
        let later = replies.expect();
        for id in ["0", "1", "2"] {
            assert_eq!(replies.next(), Some(acked(id)));
        }
        assert_eq!((replies.next(), replies.len()), (None, 1));
        replies.resolve(tickets[0], acked("answered already"));
        replies.resolve(later, acked("3"));
        assert_eq!(replies.next(), Some(acked("3")));
    }
}
