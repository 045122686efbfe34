//! The answers to a socket's messages, in the order in which the messages came.
//!
//! A refusal is known at once and an ack only after a commit. The published clients take the first answer in a room
//! for the answer to whatever they sent there first, so no answer may overtake another.

use std::collections::VecDeque;

use crate::delivery::SendStatus;
use crate::events::SendRefused;
use crate::ids::RoomId;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::authsocket) enum Reply {
    /// It is stored.
    Acked {
        /// Its room as its sender wrote it.
        room: RoomId,
        /// Its id.
        message_id: String,
        /// Whether it is small enough to be delivered live.
        is_live: bool,
        /// Whether it was stored now, or when it was sent before.
        sent: SendStatus,
    },
    /// It is not.
    Refused(SendRefused),
}

/// Names a message among those that are not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::authsocket) struct Ticket(u64);

/// Messages that are not answered yet, oldest first.
#[derive(Debug, Default)]
pub(in crate::authsocket) struct ReplyQueue {
    waiting: VecDeque<Option<Reply>>,
    /// The ticket of the oldest.
    oldest: u64,
}

impl ReplyQueue {
    /// Messages without an answer.
    pub(in crate::authsocket) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A message came that will be answered later.
    pub(in crate::authsocket) fn expect(&mut self) -> Ticket {
        self.waiting.push_back(None);
        let behind = u64::try_from(self.waiting.len() - 1).unwrap_or(u64::MAX);
        Ticket(self.oldest + behind)
    }

    /// The answer to a message is known.
    pub(in crate::authsocket) fn resolve(&mut self, ticket: Ticket, answer: Reply) {
        let index = ticket
            .0
            .checked_sub(self.oldest)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(slot) = index.and_then(|index| self.waiting.get_mut(index)) {
            *slot = Some(answer);
        }
    }

    /// The next answer whose turn it is.
    pub(in crate::authsocket) fn next(&mut self) -> Option<Reply> {
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
        let mut answers = ReplyQueue::default();
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
