//! The changes of totals in one transaction.

use std::collections::HashMap;

use crate::model::{Role, StoredTotal};

/// One message that is added or removed.
#[derive(Debug)]
struct Step {
    recipient: String,
    sender: String,
    change: StoredTotal,
}

/// The change of one total.
pub(crate) type TotalChange = (String, Role, StoredTotal);

/// The changes of a transaction.
#[derive(Debug, Default)]
pub(crate) struct TotalChanges {
    inboxes: HashMap<String, StoredTotal>,
    senders: HashMap<String, StoredTotal>,
    /// Steps since the last mark.
    steps: Vec<Step>,
}

impl TotalChanges {
    /// Sets the mark for [`take_back`](Self::take_back).
    pub(crate) fn mark(&mut self) {
        self.steps.clear();
    }

    /// Undoes all steps since the mark.
    pub(crate) fn take_back(&mut self) {
        for step in std::mem::take(&mut self.steps) {
            self.apply(&step.recipient, &step.sender, step.change.negated());
        }
    }

    /// Counts a new message.
    pub(crate) fn add(&mut self, recipient: String, sender: String, bytes: i64) {
        self.step(recipient, sender, StoredTotal { messages: 1, bytes });
    }

    /// Subtracts a deleted message.
    pub(crate) fn remove(&mut self, recipient: String, sender: String, bytes: i64) {
        let change = StoredTotal { messages: 1, bytes };
        self.step(recipient, sender, change.negated());
    }

    /// Changes one total, independent of the mark.
    pub(super) fn correct(&mut self, identity: &str, role: Role, change: StoredTotal) {
        let changes = match role {
            Role::Inbox => &mut self.inboxes,
            Role::Sender => &mut self.senders,
        };
        plus(changes, identity, change);
    }

    fn step(&mut self, recipient: String, sender: String, change: StoredTotal) {
        self.apply(&recipient, &sender, change);
        self.steps.push(Step {
            recipient,
            sender,
            change,
        });
    }

    fn apply(&mut self, recipient: &str, sender: &str, change: StoredTotal) {
        plus(&mut self.inboxes, recipient, change);
        plus(&mut self.senders, sender, change);
    }

    /// The change of one total so far.
    pub(crate) fn of(&self, identity: &str, role: Role) -> StoredTotal {
        let changes = match role {
            Role::Inbox => &self.inboxes,
            Role::Sender => &self.senders,
        };
        changes.get(identity).copied().unwrap_or_default()
    }

    /// Takes out all changes that are not zero.
    pub(crate) fn take(&mut self) -> Vec<TotalChange> {
        let changes = std::mem::take(self);
        let rows = |changes: HashMap<String, StoredTotal>, role| {
            let changes = changes.into_iter();
            changes.map(move |(identity, change)| (identity, role, change))
        };
        let all = rows(changes.inboxes, Role::Inbox).chain(rows(changes.senders, Role::Sender));
        all.filter(|(_, _, change)| *change != StoredTotal::default())
            .collect()
    }
}

fn plus(changes: &mut HashMap<String, StoredTotal>, identity: &str, change: StoredTotal) {
    if let Some(total) = changes.get_mut(identity) {
        *total = total.plus(change);
    } else {
        changes.insert(identity.to_owned(), change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_changes_nothing() {
        let mut changes = TotalChanges::default();
        let text = |text: &str| text.to_owned();
        changes.add(text("r"), text("s"), 10);
        changes.mark();
        changes.remove(text("r"), text("s"), 10);
        changes.add(text("r"), text("t"), 7);
        assert_eq!(changes.of("r", Role::Inbox).bytes, 7);
        assert_eq!(changes.of("s", Role::Sender).messages, 0);
        changes.take_back();
        let mut rows = changes.take();
        rows.sort_by_key(|(_, role, _)| *role);
        let total = StoredTotal {
            messages: 1,
            bytes: 10,
        };
        let expected = [
            (text("r"), Role::Inbox, total),
            (text("s"), Role::Sender, total),
        ];
        assert_eq!(rows, expected);
        assert!(changes.take().is_empty());
    }
}
