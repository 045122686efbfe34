//! Runs the writes of a group with a constant number of statements.
//!
//! Adjacent common writes form a run. A run takes one lookup, decides its outcomes in memory in write order, and takes
//! one statement per kind of change. A rare write (a payment, a permission, a device) runs its own statements between
//! two runs.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod questions;
mod settlement;
mod sqlite;

use diesel::QueryResult;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::timestamp::Timestamp;
use crate::db::store::command::{Part, Settled, Work};
use crate::db::store::fees::DeliveryFees;
use crate::db::store::message_store::{BoxIds, expiry};
use crate::db::store::missed::{NewestIds, newest_ids};
use crate::db::store::totals::TotalChanges;
use crate::ids::IdentityKey;
use crate::model::{NewMessage, Quotas, Quote, SubmitOutcome};

use super::write::Write;
use questions::{Answers, BoxKey, Questions};
use settlement::{Insert, Plan, Settlement};

/// A new row of `messages`.
struct NewRow<'a> {
    message_id: &'a str,
    sender: String,
    recipient: String,
    #[cfg_attr(
        not(feature = "mysql"),
        expect(dead_code, reason = "only MySQL gives no ids of new boxes")
    )]
    box_key: BoxKey<'a>,
    /// None if the engine returned no id for a new box. The statement looks it up.
    box_id: Option<i64>,
    body: String,
    expires_at: Option<Timestamp>,
}

/// Maximum bytes of bodies per statement. A MySQL server may refuse packets larger than 1 MiB.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Runs all writes of a group except those with refused requests. Returns the ids of new messages if `tells_ids`.
pub(in crate::db) fn run(
    work: &mut Work<'_>,
    group: &mut [Box<dyn Write>],
    tells_ids: bool,
) -> QueryResult<NewestIds> {
    let refusals = work.sessions;
    for (place, write) in group.iter_mut().enumerate() {
        if let Some(refusal) = refusals.refusal(place) {
            write.refuse(refusal);
        }
    }
    let mut counted: Vec<&mut Box<dyn Write>> = group
        .iter_mut()
        .enumerate()
        .filter_map(|(place, write)| refusals.refusal(place).is_none().then_some(write))
        .collect();
    let mut ids = Ids::default();
    let mut rest = &mut counted[..];
    while !rest.is_empty() {
        let is_rare = |write: &&mut Box<dyn Write>| matches!(write.part(), Part::Rare);
        let end = rest.iter().position(is_rare).unwrap_or(rest.len());
        let (common, others) = rest.split_at_mut(end);
        run_common(work, common, &mut ids)?;
        let Some((rare, others)) = others.split_first_mut() else {
            break;
        };
        ids.unknown += rare.messages();
        rare.run(work)?;
        rest = others;
    }
    change_totals(work)?;
    if !tells_ids || ids.unknown == 0 {
        return Ok(ids.known);
    }
    newest_ids(work.connection, ids.unknown + ids.known.len())
}

/// Writes the group's changes of totals.
fn change_totals(work: &mut Work<'_>) -> QueryResult<()> {
    let changes = work.totals.take();
    if changes.is_empty() {
        return Ok(());
    }
    match work.connection {
        AnyConnection::Sqlite(connection) => sqlite::change_totals(connection, &changes),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => mysql::change_totals(connection, &changes),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => postgres::change_totals(connection, &changes),
    }
}

/// Ids of new messages.
#[derive(Default)]
struct Ids {
    known: NewestIds,
    /// Maximum number of stored messages whose ids the engine did not return.
    unknown: usize,
}

fn run_common(
    work: &mut Work<'_>,
    writes: &mut [&mut Box<dyn Write>],
    ids: &mut Ids,
) -> QueryResult<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let (plan, outcomes) = settle(work, writes)?;
    carry_out(work, plan, ids)?;
    for (write, outcome) in writes.iter_mut().zip(outcomes) {
        match outcome {
            Some(settled) => write.settle(settled),
            None => write.run(work)?,
        }
    }
    Ok(())
}

/// Runs the lookup and decides. Writes without a statement have no outcome here.
fn settle<'w>(
    work: &mut Work<'_>,
    writes: &'w [&mut Box<dyn Write>],
) -> QueryResult<(Plan<'w>, Vec<Option<Settled>>)> {
    let (fees, known, quotas) = (work.fees, &*work.boxes, work.quotas);
    let mut questions = Questions::default();
    for write in writes {
        match write.part() {
            Part::Submission(it) => {
                questions.ask_for_messages(&it.messages, fees, known, quotas);
            }
            Part::Acknowledge(it) => questions.ask_for_acknowledgement(it),
            Part::Stateless | Part::Rare => {}
        }
    }
    let answers = look_up(work.connection, &questions, work.now)?;
    let totals = std::mem::take(work.totals);
    let mut settlement = Settlement::new(questions, answers, work.now, quotas, totals);
    let outcomes = writes.iter().map(|write| match write.part() {
        Part::Submission(it) => Some(Settled::Submission(settlement.submit(it, fees, known))),
        Part::Acknowledge(it) => Some(Settled::Acknowledged(settlement.acknowledge(it))),
        Part::Stateless | Part::Rare => None,
    });
    let outcomes = outcomes.collect();
    let (plan, totals) = settlement.into_plan();
    *work.totals = totals;
    Ok((plan, outcomes))
}

/// The price of a message from `sender` to these recipients.
pub(in crate::db) fn quote(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    sender: &IdentityKey,
    recipients: &[IdentityKey],
    message_box: &str,
) -> QueryResult<Quote> {
    let mut questions = Questions::default();
    questions.ask_for_quote(sender, recipients, message_box, fees);
    let now = Now::read(None);
    let answers = look_up(connection, &questions, &now)?;
    let mut settlement = without_totals(questions, answers, &now, &Quotas::NONE);
    Ok(settlement.quote(sender, recipients, message_box, fees))
}

/// Predicts the outcome of these messages without storing them. Duplicates give `Stored`. Messages that could be
/// stored give `Due`, with a price that may be zero.
pub(in crate::db) fn inspect(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    messages: &[NewMessage],
    quotas: &Quotas,
    now: &Now,
) -> QueryResult<SubmitOutcome> {
    let known = BoxIds::default();
    let mut questions = Questions::default();
    questions.ask_for_messages(messages, fees, &known, quotas);
    let answers = look_up(connection, &questions, now)?;
    let mut settlement = without_totals(questions, answers, now, quotas);
    let Some(quote) = settlement.quote_of(messages, fees) else {
        return Ok(SubmitOutcome::Stored(Vec::new()));
    };
    let outcome = settlement.refuse(messages, quote, &known);
    // No sender should pay for a message that cannot be stored.
    let exceeded = match outcome {
        SubmitOutcome::Due(_) => settlement.would_exceed(messages, &known),
        _ => None,
    };
    Ok(exceeded.map_or(outcome, SubmitOutcome::Full))
}

/// A settlement without earlier changes in its transaction.
fn without_totals<'a>(
    questions: Questions<'a>,
    answers: Answers,
    now: &Now,
    quotas: &Quotas,
) -> Settlement<'a> {
    Settlement::new(questions, answers, now, quotas, TotalChanges::default())
}

/// Answers all questions with one statement. SQLite takes one statement each, because it has no round trips.
fn look_up(
    connection: &mut AnyConnection,
    questions: &Questions<'_>,
    now: &Now,
) -> QueryResult<Answers> {
    if questions.is_empty() {
        return Ok(Answers::none(questions));
    }
    match connection {
        AnyConnection::Sqlite(_) => sqlite::look_up(connection, questions, now),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => mysql::look_up(connection, questions, now),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => postgres::look_up(connection, questions, now),
    }
}

fn carry_out(work: &mut Work<'_>, mut plan: Plan<'_>, ids: &mut Ids) -> QueryResult<()> {
    if !plan.deletes.is_empty() {
        match work.connection {
            AnyConnection::Sqlite(connection) => sqlite::delete(connection, &plan.deletes)?,
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => mysql::delete(connection, &plan.deletes)?,
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(connection) => postgres::delete(connection, &plan.deletes)?,
        }
    }
    create_boxes(work, &mut plan)?;
    // Each recipient's row has its own body, so only one statement's bodies exist at a time.
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for insert in &plan.inserts {
        let row = new_row(work, *insert, &plan.boxes);
        if !rows.is_empty() && bytes + row.body.len() > MAX_BODY_BYTES {
            insert_rows(work, &rows, ids)?;
            rows.clear();
            bytes = 0;
        }
        bytes += row.body.len();
        rows.push(row);
    }
    insert_rows(work, &rows, ids)
}

fn insert_rows(work: &mut Work<'_>, rows: &[NewRow<'_>], ids: &mut Ids) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    match work.connection {
        AnyConnection::Sqlite(connection) => sqlite::insert(connection, rows, work.now)?,
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => mysql::insert(connection, rows, work.now)?,
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let inserted = postgres::insert(connection, rows, work.now)?;
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
fn create_boxes(work: &mut Work<'_>, plan: &mut Plan<'_>) -> QueryResult<()> {
    let new = plan.new_boxes.iter();
    let keys: Vec<BoxKey<'_>> = new
        .filter_map(|index| plan.boxes.get(*index).map(|(key, _)| *key))
        .collect();
    if !keys.is_empty() {
        let ids = match work.connection {
            AnyConnection::Sqlite(connection) => sqlite::create_boxes(connection, &keys, work.now)?,
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => mysql::create_boxes(connection, &keys, work.now)?,
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(connection) => {
                postgres::create_boxes(connection, &keys, work.now)?
            }
        };
        for (index, id) in plan.new_boxes.iter().zip(ids) {
            if let Some(created) = plan.boxes.get_mut(*index) {
                created.1 = Some(id);
            }
        }
    }
    for ((owner, name), id) in &plan.boxes {
        if let Some(id) = id {
            work.boxes.insert(owner, name, *id);
        }
    }
    Ok(())
}

fn new_row<'a>(
    work: &Work<'_>,
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
        expires_at: expiry(work, message),
    }
}

#[cfg(test)]
mod tests;
