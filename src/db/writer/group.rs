//! Runs the common writes of a group with few statements, however many writes there are.
//!
//! Adjacent common writes form a run. A run takes one lookup, decides its outcomes in memory in write order, and takes
//! one statement per kind of change. A rare write (a payment, a permission, a device) runs its own statements between
//! two runs.

mod lookup;
#[cfg(feature = "mysql")]
mod mysql;
mod new_row;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod state;

use diesel::QueryResult;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::store::command::{Batching, Decided, WriteScope};
use crate::db::store::fees::DeliveryFees;
use crate::db::store::messages::box_ids::BoxIds;
use crate::db::store::messages::catch_up_query::{NewestIds, newest_ids};
use crate::db::store::messages::message_store::expiry;
use crate::db::store::totals::changes::TotalChanges;
use crate::ids::IdentityKey;
use crate::model::{FeeQuote, NewMessage, Quotas, SubmitOutcome};

use super::queued_write::QueuedWrite;
use lookup::{BoxKey, LookupKeys, LookupResults};
use new_row::NewRow;
use state::{GroupPlan, GroupState, Insert};

/// Calls the function of the connection's engine.
macro_rules! on_engine {
    ($connection:expr, $function:ident($($argument:expr),*)) => {
        match $connection {
            AnyConnection::Sqlite(connection) => sqlite::$function(connection, $($argument),*),
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => mysql::$function(connection, $($argument),*),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(connection) => postgres::$function(connection, $($argument),*),
        }
    };
}

/// Maximum bytes of bodies per statement. A MySQL server may refuse packets larger than 1 MiB.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Runs all writes of a group except those with refused requests. Returns the ids of new messages if `returns_ids`.
pub(crate) fn run(
    scope: &mut WriteScope<'_>,
    group: &mut [QueuedWrite],
    returns_ids: bool,
) -> QueryResult<NewestIds> {
    let refusals = scope.sessions;
    for (place, write) in group.iter_mut().enumerate() {
        if let Some(refusal) = refusals.refusal(place) {
            write.refuse(refusal);
        }
    }
    let mut counted: Vec<&mut QueuedWrite> = group
        .iter_mut()
        .enumerate()
        .filter_map(|(place, write)| refusals.refusal(place).is_none().then_some(write))
        .collect();
    let mut ids = Ids::default();
    let mut rest = &mut counted[..];
    while !rest.is_empty() {
        let is_rare = |write: &&mut QueuedWrite| matches!(write.batching(), Batching::Individual);
        let end = rest.iter().position(is_rare).unwrap_or(rest.len());
        let (common, others) = rest.split_at_mut(end);
        run_common(scope, common, others.is_empty(), &mut ids)?;
        let Some((rare, others)) = others.split_first_mut() else {
            break;
        };
        ids.unknown += rare.messages;
        rare.run(scope)?;
        rest = others;
    }
    change_totals(scope)?;
    if !returns_ids || ids.unknown == 0 {
        return Ok(ids.known);
    }
    newest_ids(scope.connection, ids.unknown + ids.known.len())
}

/// Writes the group's changes of totals.
fn change_totals(scope: &mut WriteScope<'_>) -> QueryResult<()> {
    let changes = scope.totals.take();
    if changes.is_empty() {
        return Ok(());
    }
    on_engine!(scope.connection, change_totals(&changes))
}

/// Ids of new messages.
#[derive(Default)]
struct Ids {
    known: NewestIds,
    /// Maximum number of stored messages whose ids the engine did not return.
    unknown: usize,
}

/// `is_last`: no write of the group comes after these.
fn run_common(
    scope: &mut WriteScope<'_>,
    writes: &mut [&mut QueuedWrite],
    is_last: bool,
    ids: &mut Ids,
) -> QueryResult<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let (plan, outcomes) = decide(scope, writes)?;
    carry_out(scope, plan, is_last, ids)?;
    for (write, outcome) in writes.iter_mut().zip(outcomes) {
        match outcome {
            Some(decided) => write.decide(decided),
            None => write.run(scope)?,
        }
    }
    Ok(())
}

/// Runs the lookup and decides. Writes without a statement have no outcome here.
fn decide<'w>(
    scope: &mut WriteScope<'_>,
    writes: &'w [&mut QueuedWrite],
) -> QueryResult<(GroupPlan<'w>, Vec<Option<Decided>>)> {
    let (fees, known, quotas) = (scope.fees, &*scope.boxes, scope.quotas);
    let mut lookup = LookupKeys::default();
    for write in writes {
        match write.batching() {
            Batching::Submission(it) => {
                lookup.ask_for_messages(&it.messages, fees, known, quotas);
            }
            Batching::Acknowledge {
                recipient,
                message_ids,
            } => lookup.ask_for_acknowledgement(recipient, message_ids),
            Batching::NoStatements | Batching::Individual => {}
        }
    }
    let results = look_up(scope.connection, &lookup, scope.now)?;
    let totals = std::mem::take(scope.totals);
    let mut state = GroupState::new(lookup, results, scope.now, quotas, totals);
    let outcomes = writes.iter().map(|write| match write.batching() {
        Batching::Submission(it) => Some(Decided::Submission(state.submit(it, fees, known))),
        Batching::Acknowledge {
            recipient,
            message_ids,
        } => Some(Decided::Acknowledged(
            state.acknowledge(recipient, message_ids),
        )),
        Batching::NoStatements | Batching::Individual => None,
    });
    let outcomes = outcomes.collect();
    let (plan, totals) = state.into_plan();
    *scope.totals = totals;
    Ok((plan, outcomes))
}

/// The price of a message from `sender` to these recipients.
pub(crate) fn quote(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    sender: &IdentityKey,
    recipients: &[IdentityKey],
    message_box: &str,
) -> QueryResult<FeeQuote> {
    let mut lookup = LookupKeys::default();
    lookup.ask_for_quote(sender, recipients, message_box, fees);
    let now = Now::read(None);
    let results = look_up(connection, &lookup, &now)?;
    let mut state = without_earlier_changes(lookup, results, &now, &Quotas::NONE);
    Ok(state.quote(sender, recipients, message_box, fees))
}

/// Predicts the outcome of these messages without storing them. Duplicates give `Stored`. Messages that could be
/// stored give `Due`, with a price that may be zero.
pub(crate) fn inspect(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    messages: &[NewMessage],
    quotas: &Quotas,
    now: &Now,
) -> QueryResult<SubmitOutcome> {
    let known = BoxIds::default();
    let mut lookup = LookupKeys::default();
    lookup.ask_for_messages(messages, fees, &known, quotas);
    let results = look_up(connection, &lookup, now)?;
    let mut state = without_earlier_changes(lookup, results, now, quotas);
    let Some(quote) = state.quote_of(messages, fees) else {
        return Ok(SubmitOutcome::Stored(Vec::new()));
    };
    let outcome = state.refuse(messages, quote, &known);
    // No sender should pay for a message that cannot be stored.
    let exceeded = match outcome {
        SubmitOutcome::Due(_) => state.would_exceed(messages, &known),
        _ => None,
    };
    Ok(exceeded.map_or(outcome, SubmitOutcome::Full))
}

/// A state without earlier changes in its transaction.
fn without_earlier_changes<'a>(
    lookup: LookupKeys<'a>,
    results: LookupResults,
    now: &Now,
    quotas: &Quotas,
) -> GroupState<'a> {
    GroupState::new(lookup, results, now, quotas, TotalChanges::default())
}

/// Looks all keys up with one statement. SQLite takes one statement for each key, because it has no round trips.
fn look_up(
    connection: &mut AnyConnection,
    lookup: &LookupKeys<'_>,
    now: &Now,
) -> QueryResult<LookupResults> {
    if lookup.is_empty() {
        return Ok(LookupResults::none(lookup));
    }
    match connection {
        AnyConnection::Sqlite(_) => sqlite::look_up(connection, lookup, now),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => mysql::look_up(connection, lookup, now),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => postgres::look_up(connection, lookup, now),
    }
}

fn carry_out(
    scope: &mut WriteScope<'_>,
    mut plan: GroupPlan<'_>,
    is_last: bool,
    ids: &mut Ids,
) -> QueryResult<()> {
    if !plan.deletes.is_empty() {
        on_engine!(scope.connection, delete(&plan.deletes))?;
    }
    create_boxes(scope, &mut plan)?;
    // Each recipient's row has its own body, so the rows of only one statement are in memory at a time.
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for insert in &plan.inserts {
        let row = new_row(scope, *insert, &plan.boxes);
        if !rows.is_empty() && bytes + row.body.len() > MAX_BODY_BYTES {
            insert_rows(scope, &rows, false, ids)?;
            rows.clear();
            bytes = 0;
        }
        bytes += row.body.len();
        rows.push(row);
    }
    insert_rows(scope, &rows, is_last, ids)
}

/// Inserts rows. With the last rows of the group, PostgreSQL writes the totals too.
#[cfg_attr(
    not(feature = "postgres"),
    expect(
        unused_variables,
        reason = "only PostgreSQL asks whether they are the last"
    )
)]
fn insert_rows(
    scope: &mut WriteScope<'_>,
    rows: &[NewRow<'_>],
    is_last: bool,
    ids: &mut Ids,
) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    match scope.connection {
        AnyConnection::Sqlite(connection) => sqlite::insert(connection, rows, scope.now)?,
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => mysql::insert(connection, rows, scope.now)?,
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let changes = if is_last {
                scope.totals.take()
            } else {
                Vec::new()
            };
            let inserted = postgres::insert(connection, rows, &changes, scope.now)?;
            let keys = rows
                .iter()
                .map(|row| (row.recipient.clone(), row.message_id.to_owned()));
            ids.known.extend(keys.zip(inserted));
            return Ok(());
        }
    }
    ids.unknown += rows.len();
    Ok(())
}

/// Creates the new boxes. MySQL does not return their ids.
fn create_boxes(scope: &mut WriteScope<'_>, plan: &mut GroupPlan<'_>) -> QueryResult<()> {
    let new = plan.new_boxes.iter();
    let keys: Vec<BoxKey<'_>> = new
        .filter_map(|index| plan.boxes.get(*index).map(|(key, _)| *key))
        .collect();
    if !keys.is_empty() {
        let ids = on_engine!(scope.connection, create_boxes(&keys, scope.now))?;
        for (index, id) in plan.new_boxes.iter().zip(ids) {
            if let Some(created) = plan.boxes.get_mut(*index) {
                created.1 = Some(id);
            }
        }
    }
    for ((owner, name), id) in &plan.boxes {
        if let Some(id) = id {
            scope.boxes.insert(owner, name, *id);
        }
    }
    Ok(())
}

fn new_row<'a>(
    scope: &WriteScope<'_>,
    insert: Insert<'a>,
    boxes: &[(BoxKey<'a>, Option<i64>)],
) -> NewRow<'a> {
    let message = insert.message;
    NewRow {
        message_id: &message.message_id,
        sender: message.sender.to_hex(),
        recipient: message.recipient.to_hex(),
        box_key: (message.recipient, &message.message_box),
        box_id: boxes.get(insert.box_index).and_then(|(_, id)| *id),
        body: message.body.wrapped(message.payment.as_deref()),
        expires_at: expiry(scope, message),
    }
}

#[cfg(test)]
mod tests;
