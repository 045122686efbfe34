//! Stores the messages of a submission: all of them, or none if an id is taken or a quota is exceeded.

use std::convert::Infallible;

use crate::db::store::messages::box_ids::BoxIds;
use crate::db::store::totals;
use crate::ids::IdentityKey;
use crate::json_text::encoded_len;
use crate::model::{
    MessageBody, NewMessage, QuotaExceeded, StoreOutcome, StoredTotal, Submission, SubmitOutcome,
};

use super::{GroupState, Insert, Slot};

/// The changes of a submission so far, for undoing them.
struct Undo<'a> {
    /// The lengths before the submission.
    inserts: usize,
    deletes: usize,
    /// Changed slots with their previous content.
    slots: Vec<(usize, Slot, Option<Insert<'a>>)>,
    /// The body of its last message without a payment, and its stored size in bytes.
    body: Option<(&'a MessageBody, i64)>,
}

/// The length of [`MessageBody::wrapped`], in bytes.
fn wrapped_len(body: &MessageBody, payment: Option<&str>) -> usize {
    let json = match body {
        MessageBody::Text(text) => encoded_len(text),
        MessageBody::Json(json) => json.len(),
    };
    let payment = payment.map_or(0, |payment| r#","payment":"#.len() + payment.len());
    r#"{"message":}"#.len() + json + payment
}

/// Whether both are the same text in memory.
fn is_same(one: &MessageBody, other: &MessageBody) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
        && std::ptr::eq(one.live(), other.live())
}

impl<'a> Undo<'a> {
    /// The size of a message's stored body, in bytes. Recipients share one body, which is measured once.
    fn bytes_of(&mut self, message: &'a NewMessage) -> i64 {
        let measure = |payment| {
            let bytes = wrapped_len(&message.body, payment);
            i64::try_from(bytes).unwrap_or(i64::MAX)
        };
        if let Some(payment) = &message.payment {
            return measure(Some(&**payment));
        }
        match self.body {
            Some((body, bytes)) if is_same(body, &message.body) => bytes,
            _ => {
                let bytes = measure(None);
                self.body = Some((&message.body, bytes));
                bytes
            }
        }
    }
}

impl<'a> GroupState<'a> {
    fn begin(&mut self) -> Undo<'a> {
        self.totals.mark();
        Undo {
            inserts: self.inserts.len(),
            deletes: self.deletes.len(),
            slots: Vec::new(),
            body: None,
        }
    }

    /// Stores all messages or none.
    pub(super) fn store_all(
        &mut self,
        submission: &'a Submission,
        known: &BoxIds,
    ) -> SubmitOutcome {
        let mut done = self.begin();
        let mut outcomes = Vec::with_capacity(submission.messages.len());
        for message in &submission.messages {
            let place = self.place_of(message);
            let box_index = self.box_of(message, known);
            match self.in_use(place, message, box_index) {
                Some(StoreOutcome::Taken) => {
                    self.take_back(done);
                    return SubmitOutcome::Taken(message.recipient);
                }
                Some(outcome) => outcomes.push(outcome),
                None => {
                    self.store(place, message, box_index, &mut done);
                    outcomes.push(StoreOutcome::Stored);
                }
            }
        }
        if let Some(exceeded) = self.exceeded(&submission.messages, &outcomes) {
            self.take_back(done);
            return SubmitOutcome::Full(exceeded);
        }
        for insert in self.inserts.iter().skip(done.inserts).flatten() {
            if let Some(used) = self.boxes.get_mut(insert.box_index) {
                used.is_used = true;
            }
        }
        SubmitOutcome::Stored(outcomes)
    }

    /// Stores a message whose id is free or belongs to an expired message.
    fn store(
        &mut self,
        place: usize,
        message: &'a NewMessage,
        box_index: usize,
        done: &mut Undo<'a>,
    ) {
        let slot = self.set(place, Slot::New(self.inserts.len()));
        let expired = match &slot {
            Slot::Free => None,
            Slot::Row(row) => {
                self.deletes.push(row.id);
                self.uncount(message.recipient, || row.sender.clone(), row.bytes);
                None
            }
            Slot::New(index) => self.set_insert(*index, None),
        };
        if let Some(expired) = &expired {
            let sender = || expired.message.sender.to_hex();
            self.uncount(message.recipient, sender, expired.bytes);
        }
        let insert = Insert {
            message,
            bytes: if self.quotas.are_none() {
                0
            } else {
                done.bytes_of(message)
            },
            box_index,
        };
        if !self.quotas.are_none() {
            let (recipient, sender) = (message.recipient.to_hex(), message.sender.to_hex());
            self.totals.add(recipient, sender, insert.bytes);
        }
        done.slots.push((place, slot, expired));
        self.inserts.push(Some(insert));
    }

    pub(super) fn uncount(
        &mut self,
        recipient: IdentityKey,
        sender: impl FnOnce() -> String,
        bytes: i64,
    ) {
        if !self.quotas.are_none() {
            self.totals.remove(recipient.to_hex(), sender(), bytes);
        }
    }

    fn take_back(&mut self, done: Undo<'a>) {
        for (place, slot, insert) in done.slots.into_iter().rev() {
            if let Slot::New(index) = slot {
                self.set_insert(index, insert);
            }
            self.set(place, slot);
        }
        self.inserts.truncate(done.inserts);
        self.deletes.truncate(done.deletes);
        self.totals.take_back();
    }

    /// The first quota that the newly stored messages exceed.
    fn exceeded(
        &mut self,
        messages: &'a [NewMessage],
        outcomes: &[StoreOutcome],
    ) -> Option<QuotaExceeded> {
        if self.quotas.are_none() {
            return None;
        }
        let new = messages.iter().zip(outcomes);
        let new = new.filter(|(_, outcome)| **outcome == StoreOutcome::Stored);
        let (quotas, changes) = (self.quotas, &self.totals);
        let (lookup, results) = (&mut self.lookup, &self.results);
        let total = |identity: &IdentityKey, role| {
            let place = lookup.totals.insert_full((*identity, role)).0;
            let before = results.totals.get(place).copied().unwrap_or_default();
            let change = changes.of(&identity.to_hex(), role);
            Ok::<StoredTotal, Infallible>(before.plus(change))
        };
        let Ok(exceeded) = totals::exceeded(&quotas, new.map(|(message, _)| message), total);
        exceeded
    }

    /// The quota that these messages would exceed if they were stored now.
    pub(in crate::db::writer::group) fn would_exceed(
        &mut self,
        messages: &'a [NewMessage],
        known: &BoxIds,
    ) -> Option<QuotaExceeded> {
        let mut done = self.begin();
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            let place = self.place_of(message);
            let box_index = self.box_of(message, known);
            let in_use = self.in_use(place, message, box_index);
            if in_use.is_none() {
                self.store(place, message, box_index, &mut done);
            }
            outcomes.push(in_use.unwrap_or(StoreOutcome::Stored));
        }
        let exceeded = self.exceeded(messages, &outcomes);
        self.take_back(done);
        exceeded
    }
}
