//! The outcomes of a run of writes, decided in memory in write order.
//!
//! The writer's lock is held, so nothing changes between the lookup and the statements that carry this out.

mod storing;

use crate::db::engine::clock::{self, Now, Timestamp};
use crate::db::store::fees::{DeliveryFees, default_recipient_fee};
use crate::db::store::messages::box_ids::BoxIds;
use crate::db::store::totals::changes::TotalChanges;
use crate::ids::IdentityKey;
use crate::model::{
    FeeQuote, NewMessage, Quota, Quotas, Role, StoreOutcome, Submission, SubmitOutcome,
};

use super::super::submission::refusal;
use super::lookup::{BoxKey, FoundMessage, LookupKeys, LookupResults};

/// The state of one message id of one recipient.
#[derive(Debug, Clone)]
enum Slot {
    /// No message has this id.
    Free,
    /// A stored message has it.
    Row(FoundMessage),
    /// A message of this run has it: its index in `inserts`.
    New(usize),
}

/// A box, with its id once it is known.
#[derive(Debug)]
struct KnownBox<'a> {
    key: BoxKey<'a>,
    id: Option<i64>,
    /// Whether this run stores a message in it.
    is_used: bool,
}

/// A message to insert, the size of its stored body in bytes, and the index of its box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Insert<'a> {
    pub(super) message: &'a NewMessage,
    bytes: i64,
    pub(super) box_index: usize,
}

/// The changes that carry out a run of writes.
#[derive(Debug)]
pub(super) struct GroupPlan<'a> {
    /// Ids of rows to delete. They go first, because a new row may have the same message id.
    pub(super) deletes: Vec<i64>,
    pub(super) boxes: Vec<(BoxKey<'a>, Option<i64>)>,
    /// Indexes of the boxes to create.
    pub(super) new_boxes: Vec<usize>,
    /// In the order of acceptance.
    pub(super) inserts: Vec<Insert<'a>>,
}

/// The state of everything that a run of writes may change.
#[derive(Debug)]
pub(super) struct GroupState<'a> {
    lookup: LookupKeys<'a>,
    results: LookupResults,
    slots: Vec<Slot>,
    boxes: Vec<KnownBox<'a>>,
    inserts: Vec<Option<Insert<'a>>>,
    deletes: Vec<i64>,
    now: Timestamp,
    quotas: Quotas,
    totals: TotalChanges,
}

impl<'a> LookupKeys<'a> {
    pub(super) fn ask_for_quote(
        &mut self,
        sender: &IdentityKey,
        recipients: &[IdentityKey],
        message_box: &'a str,
        fees: &DeliveryFees,
    ) {
        // The operator's fees override the table.
        if fees.own(message_box).is_none() {
            self.fees.insert(message_box);
        }
        for recipient in recipients {
            self.permissions.insert((*recipient, *sender, message_box));
        }
    }

    /// Adds the lookups of a submission's messages. Known boxes need none.
    pub(super) fn ask_for_messages(
        &mut self,
        messages: &'a [NewMessage],
        fees: &DeliveryFees,
        known: &BoxIds,
        quotas: &Quotas,
    ) {
        let Some(first) = messages.first() else {
            return;
        };
        let recipients: Vec<IdentityKey> = messages.iter().map(|it| it.recipient).collect();
        self.ask_for_quote(&first.sender, &recipients, &first.message_box, fees);
        if quotas.of(Role::Sender) != Quota::NONE {
            self.totals.insert((first.sender, Role::Sender));
        }
        for message in messages {
            if quotas.of(Role::Inbox) != Quota::NONE {
                self.totals.insert((message.recipient, Role::Inbox));
            }
            self.messages
                .insert((message.recipient, &message.message_id));
            if known
                .get(&message.recipient, &message.message_box)
                .is_none()
            {
                self.boxes.insert((message.recipient, &message.message_box));
            }
        }
    }

    pub(super) fn ask_for_acknowledgement(
        &mut self,
        recipient: IdentityKey,
        message_ids: &'a [String],
    ) {
        for message_id in message_ids {
            self.messages.insert((recipient, message_id));
        }
    }
}

impl<'a> GroupState<'a> {
    /// `totals`: the changes of the transaction so far.
    pub(super) fn new(
        lookup: LookupKeys<'a>,
        mut results: LookupResults,
        now: &Now,
        quotas: &Quotas,
        totals: TotalChanges,
    ) -> Self {
        let slots = std::mem::take(&mut results.messages).into_iter();
        let boxes = lookup.boxes.iter().zip(&results.boxes);
        let boxes = boxes.map(|(key, id)| KnownBox {
            key: *key,
            id: *id,
            is_used: false,
        });
        Self {
            slots: slots
                .map(|found| found.map_or(Slot::Free, Slot::Row))
                .collect(),
            boxes: boxes.collect(),
            lookup,
            results,
            inserts: Vec::new(),
            deletes: Vec::new(),
            now: now.text.clone(),
            quotas: *quotas,
            totals,
        }
    }

    /// Decides a submission without a payment.
    pub(super) fn submit(
        &mut self,
        submission: &'a Submission,
        fees: &DeliveryFees,
        known: &BoxIds,
    ) -> SubmitOutcome {
        match self.quote_of(&submission.messages, fees) {
            None => SubmitOutcome::Stored(Vec::new()),
            Some(quote) if quote.is_free() => self.store_all(submission, known),
            Some(quote) => self.refuse(&submission.messages, quote, known),
        }
    }

    /// The outcome of unpaid messages.
    pub(super) fn refuse(
        &mut self,
        messages: &'a [NewMessage],
        quote: FeeQuote,
        known: &BoxIds,
    ) -> SubmitOutcome {
        let outcomes: Vec<_> = messages
            .iter()
            .map(|message| {
                let place = self.place_of(message);
                let box_index = self.box_of(message, known);
                self.in_use(place, message, box_index)
            })
            .collect();
        refusal(messages, &outcomes, quote)
    }

    /// The price of a submission; none without messages.
    pub(super) fn quote_of(
        &mut self,
        messages: &'a [NewMessage],
        fees: &DeliveryFees,
    ) -> Option<FeeQuote> {
        let first = messages.first()?;
        let recipients: Vec<IdentityKey> = messages.iter().map(|it| it.recipient).collect();
        Some(self.quote(&first.sender, &recipients, &first.message_box, fees))
    }

    pub(super) fn quote(
        &mut self,
        sender: &IdentityKey,
        recipients: &[IdentityKey],
        message_box: &'a str,
        fees: &DeliveryFees,
    ) -> FeeQuote {
        let delivery_fee = fees.own(message_box).unwrap_or_else(|| {
            let place = self.lookup.fees.insert_full(message_box).0;
            let fee = self.results.fees.get(place).copied().flatten();
            fee.and_then(|fee| u64::try_from(fee).ok()).unwrap_or(0)
        });
        let mut recipient_fees = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let place = self
                .lookup
                .permissions
                .insert_full((*recipient, *sender, message_box))
                .0;
            let fee = self.results.permissions.get(place).copied().flatten();
            recipient_fees.push(fee.unwrap_or_else(|| default_recipient_fee(message_box)));
        }
        fees.quote(delivery_fee, recipient_fees)
    }

    /// Deletes messages and returns their number.
    pub(super) fn acknowledge(
        &mut self,
        recipient: IdentityKey,
        message_ids: &'a [String],
    ) -> usize {
        let mut count = 0;
        for message_id in message_ids {
            let place = self.lookup.messages.insert_full((recipient, message_id)).0;
            match self.set(place, Slot::Free) {
                Slot::Free => continue,
                Slot::Row(row) => {
                    self.deletes.push(row.id);
                    self.uncount(recipient, || row.sender, row.bytes);
                }
                // Stored and deleted in the same transaction, so no reader ever sees it.
                Slot::New(index) => {
                    if let Some(insert) = self.set_insert(index, None) {
                        let sender = || insert.message.sender.to_hex();
                        self.uncount(recipient, sender, insert.bytes);
                    }
                }
            }
            count += 1;
        }
        count
    }

    /// The changes that carry this out, and the changes of totals.
    pub(super) fn into_plan(self) -> (GroupPlan<'a>, TotalChanges) {
        let inserts: Vec<Insert<'a>> = self.inserts.into_iter().flatten().collect();
        let is_new = |known: &KnownBox<'_>| known.is_used && known.id.is_none();
        let boxes = self.boxes.iter().enumerate();
        let new_boxes = boxes.filter_map(|(index, known)| is_new(known).then_some(index));
        let plan = GroupPlan {
            deletes: self.deletes,
            new_boxes: new_boxes.collect(),
            boxes: self.boxes.iter().map(|it| (it.key, it.id)).collect(),
            inserts,
        };
        (plan, self.totals)
    }

    /// The outcome of a message whose id is in use; none if it is free.
    fn in_use(&self, place: usize, message: &NewMessage, box_index: usize) -> Option<StoreOutcome> {
        let is_same = match self.slots.get(place)? {
            Slot::Free => return None,
            Slot::Row(row) if row.is_past => return None,
            Slot::Row(row) => {
                let box_id = self.boxes.get(box_index).and_then(|known| known.id);
                row.sender == message.sender.to_hex() && box_id.is_some() && row.box_id == box_id
            }
            Slot::New(index) => {
                let first = self.inserts.get(*index).copied().flatten()?;
                let expires_at = first.message.expires_at.map(clock::text);
                if expires_at.is_some_and(|at| at <= self.now) {
                    return None;
                }
                first.message.sender == message.sender && first.box_index == box_index
            }
        };
        Some(if is_same {
            StoreOutcome::Duplicate
        } else {
            StoreOutcome::Taken
        })
    }

    fn place_of(&mut self, message: &'a NewMessage) -> usize {
        let key = (message.recipient, &*message.message_id);
        self.lookup.messages.insert_full(key).0
    }

    /// The index of a message's box.
    fn box_of(&mut self, message: &'a NewMessage, known: &BoxIds) -> usize {
        let key = (message.recipient, &*message.message_box);
        let index = self.lookup.boxes.insert_full(key).0;
        if index == self.boxes.len() {
            self.boxes.push(KnownBox {
                key,
                id: known.get(&message.recipient, &message.message_box),
                is_used: false,
            });
        }
        index
    }

    fn set_insert(&mut self, index: usize, insert: Option<Insert<'a>>) -> Option<Insert<'a>> {
        let current = self.inserts.get_mut(index)?;
        std::mem::replace(current, insert)
    }

    fn set(&mut self, place: usize, slot: Slot) -> Slot {
        match self.slots.get_mut(place) {
            Some(current) => std::mem::replace(current, slot),
            None => Slot::Free,
        }
    }
}
