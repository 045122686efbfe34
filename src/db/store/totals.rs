//! What each identity has stored: the rows of `stored_totals`, and their changes in one transaction.
//!
//! A group collects its changes and writes them with one statement at its end. Totals are sums of changes, so a
//! correction computed earlier stays right.

pub(crate) mod changes;
pub(crate) mod recount;

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::directly;
use crate::db::engine::schema::stored_totals;
use crate::ids::IdentityKey;
use crate::model::{NewMessage, QuotaExceeded, Quotas, Role, StoredTotal};

use self::changes::TotalChange;
use super::command::{WriteCommand, WriteScope};

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
