//! A stream of messages from one sender to one room, with its progress.

use std::sync::atomic::{AtomicU64, Ordering};

use messagebox::ids::{IdentityKey, RoomId};

use super::source::Source;
use crate::run::Run;

/// When a message is done, so that the next one may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompletedBy {
    /// When its ack has arrived.
    Ack,
    /// When every member has it.
    Deliveries,
}

/// A stream, which its sender and the members of its room share.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) number: u32,
    pub(crate) room: RoomId,
    pub(crate) recipient: IdentityKey,
    pub(crate) source: Source,
    pub(crate) completed_by: CompletedBy,
    /// Members of the room; fixed before the first message.
    pub(crate) members: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
    /// Deliveries to all members; those of refused messages count as done.
    delivered: AtomicU64,
}

impl Stream {
    pub(crate) fn new(
        run: &Run,
        room: RoomId,
        recipient: IdentityKey,
        source: Source,
        completed_by: CompletedBy,
    ) -> Self {
        Self {
            number: run.next_stream(),
            room,
            recipient,
            source,
            completed_by,
            members: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
        }
    }

    /// Takes the next number of the stream, and expects its ack and deliveries.
    pub(crate) fn take_place(&self, run: &Run) -> u64 {
        let members = self.members.load(Ordering::Relaxed);
        run.issued.fetch_add(1 + members, Ordering::AcqRel);
        self.sent.fetch_add(1, Ordering::AcqRel)
    }

    /// Counts a first delivery to one member.
    pub(crate) fn delivered(&self, run: &Run) {
        run.settled.fetch_add(1, Ordering::AcqRel);
        self.count_deliveries(1);
    }

    /// Counts the ack of a message.
    pub(crate) fn acked(&self, run: &Run) {
        run.settled.fetch_add(1, Ordering::AcqRel);
        let members = self.members.load(Ordering::Relaxed);
        if self.completed_by == CompletedBy::Ack || members == 0 {
            self.source.completed();
        }
    }

    /// Counts a refused message, which will not be delivered.
    pub(crate) fn refused(&self, run: &Run) {
        let members = self.members.load(Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::AcqRel);
        run.settled.fetch_add(members, Ordering::AcqRel);
        self.count_deliveries(members);
    }

    /// Whether the message with this number was sent.
    pub(crate) fn has_sent(&self, sequence: u64) -> bool {
        sequence < self.sent.load(Ordering::Acquire)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Messages that each member should have.
    pub(crate) fn due(&self) -> u64 {
        self.sent()
            .saturating_sub(self.refused.load(Ordering::Acquire))
    }

    /// Each time that the deliveries reach a multiple of the members, a message is done.
    fn count_deliveries(&self, more: u64) {
        let members = self.members.load(Ordering::Relaxed);
        if self.completed_by != CompletedBy::Deliveries || members == 0 {
            return;
        }
        let before = self.delivered.fetch_add(more, Ordering::AcqRel);
        for _ in before / members..(before + more) / members {
            self.source.completed();
        }
    }
}
