//! What each identity has stored: the rows of `stored_totals`, and their changes in one transaction.
//!
//! A group collects its changes and writes them with one statement at its end. Totals are sums of changes, so a
//! correction computed earlier stays right.

pub(crate) mod recount;

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::directly;
use crate::db::engine::schema::stored_totals;
use crate::ids::IdentityKey;
use crate::model::{NewMessage, QuotaExceeded, Quotas, Role, StoredTotal};

use super::command::{WriteCommand, WriteScope};

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
    fn correct(&mut self, identity: &str, role: Role, change: StoredTotal) {
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

/// The first quota that new messages exceed: the sender's, then those of the recipients. The function `total` returns
/// what an identity has stored, new messages included.
pub(crate) fn exceeded<'a, E>(
    quotas: &Quotas,
    new: impl Iterator<Item = &'a NewMessage>,
    mut total: impl FnMut(&'a IdentityKey, Role) -> Result<StoredTotal, E>,
) -> Result<Option<QuotaExceeded>, E> {
    let mut check = |identity: &'a IdentityKey, role: Role| {
        let over = quotas.of(role).exceeded_by(total(identity, role)?);
        Ok(over.map(|(resource, limit)| QuotaExceeded {
            identity: *identity,
            role,
            resource,
            limit,
        }))
    };
    let mut is_sender_checked = false;
    for message in new {
        if !is_sender_checked {
            is_sender_checked = true;
            if let Some(exceeded) = check(&message.sender, Role::Sender)? {
                return Ok(Some(exceeded));
            }
        }
        if let Some(exceeded) = check(&message.recipient, Role::Inbox)? {
            return Ok(Some(exceeded));
        }
    }
    Ok(None)
}

/// What an identity has stored, without the current transaction's changes.
pub(crate) fn total(
    connection: &mut AnyConnection,
    identity: &str,
    role: Role,
) -> QueryResult<StoredTotal> {
    let total = stored_totals::table
        .find((identity, role.word()))
        .select((stored_totals::messages, stored_totals::bytes));
    let found: Option<(i64, i64)> =
        directly!(connection, inner => total.get_result(inner)).optional()?;
    let (messages, bytes) = found.unwrap_or_default();
    Ok(StoredTotal { messages, bytes })
}

/// The first quota that the current transaction's new messages exceed.
pub(crate) fn exceeded_by_stored<'a>(
    scope: &mut WriteScope<'_>,
    new: impl Iterator<Item = &'a NewMessage>,
) -> QueryResult<Option<QuotaExceeded>> {
    if scope.quotas.are_none() {
        return Ok(None);
    }
    let (connection, changes) = (&mut *scope.connection, &*scope.totals);
    exceeded(scope.quotas, new, |identity, role| {
        let identity = identity.to_hex();
        let before = total(connection, &identity, role)?;
        Ok(before.plus(changes.of(&identity, role)))
    })
}

/// Command: add corrections to totals.
pub(crate) struct CorrectTotals(pub(crate) Vec<TotalChange>);

impl WriteCommand for CorrectTotals {
    type Output = ();

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        for (identity, role, change) in &self.0 {
            scope.totals.correct(identity, *role, *change);
        }
        Ok(())
    }
}

/// Command: delete the all-zero rows of these identities.
pub(crate) struct DeleteEmptyTotals(pub(crate) Vec<String>);

impl WriteCommand for DeleteEmptyTotals {
    type Output = usize;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<usize> {
        let rows = stored_totals::table
            .filter(stored_totals::identity_key.eq_any(&self.0))
            .filter(stored_totals::messages.eq(0))
            .filter(stored_totals::bytes.eq(0));
        diesel::delete(rows).execute(scope.connection)
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
