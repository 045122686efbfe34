//! The tables of payments.
//!
//! A claim reserves an output for a purpose. Settling marks the purpose as done: then the output has paid for good.
//! Until then the same payer may claim it again: for the same purpose, or for any purpose after a release.

use std::time::Duration;

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Timestamp;
use crate::db::engine::dialect::insert_unless_there;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::{payment_inputs, payments};
use crate::ids::IdentityKey;
use crate::model::{
    ClaimOutcome, KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState, SpentOutput,
    SpentPart,
};

use super::payment_replays;
use crate::db::store::command::{Attempt, WriteCommand, WriteScope, all_or_nothing};

/// The purpose of a released claim.
const NO_PURPOSE: &str = "";

/// After this time an open claim counts as abandoned by a server that ended.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = payments)]
struct PaymentRow<'a> {
    #[diesel(skip_update)]
    created_at: &'a Timestamp,
    updated_at: &'a Timestamp,
    #[diesel(skip_update)]
    txid: &'a str,
    #[diesel(skip_update)]
    output_index: i64,
    #[diesel(skip_update)]
    satoshis: i64,
    payer: &'a str,
    payee: &'a str,
    sender_identity_key: &'a str,
    derivation_prefix: &'a str,
    derivation_suffix: &'a str,
    purpose: &'a str,
    state: &'a str,
    settled: bool,
    transaction: Option<&'a str>,
}

/// Claims every output of a payment, or returns the one that is taken. `settled`: this transaction also does the paid
/// action. The caller rolls back after a refusal.
pub(crate) fn claim(
    scope: &mut WriteScope<'_>,
    payment: &Payment,
    state: PaymentState,
    settled: bool,
) -> QueryResult<ClaimOutcome> {
    let payer = payment.payer.to_hex();
    // Each output has its own state: a wallet may hold one of them and not another.
    let mut internalized = payment.outputs.iter().any(PaymentOutput::pays_server);
    for output in &payment.outputs {
        let row = PaymentRow {
            created_at: &scope.now.text,
            updated_at: &scope.now.text,
            txid: &output.outpoint.txid,
            output_index: output.outpoint.index.into(),
            satoshis: i64::try_from(output.satoshis).unwrap_or(i64::MAX),
            payer: &payer,
            payee: &output.payee.to_hex(),
            sender_identity_key: &output.sender_identity_key.to_hex(),
            derivation_prefix: &output.derivation_prefix,
            derivation_suffix: &output.derivation_suffix,
            purpose: &payment.purpose,
            state: output.state_of(state).name(),
            settled,
            transaction: output.transaction.as_deref(),
        };
        let unique = (payments::txid, payments::output_index);
        if !insert_unless_there!(scope.connection, payments::table, &row, unique)? {
            match renew(scope, &row)? {
                Some(known) => internalized &= known || !output.pays_server(),
                None if output.pays_server() && take_over(scope, &row)? => internalized = false,
                None => return Ok(used(output)),
            }
        } else if is_taken_by_another(scope, row.txid)? {
            return Ok(used(output));
        } else {
            internalized &= !output.pays_server();
        }
        if settled {
            payment_replays::note(scope.connection, row.txid, row.created_at)?;
        }
    }
    for spent in &payment.spends {
        if !spend(scope, spent, &payment.purpose, settled)? {
            let coin = SpentPart::Coin(spent.outpoint.clone());
            return Ok(ClaimOutcome::Spent(coin));
        }
    }
    Ok(ClaimOutcome::Claimed { internalized })
}

fn used(output: &PaymentOutput) -> ClaimOutcome {
    ClaimOutcome::Spent(SpentPart::Output(output.outpoint.clone()))
}

/// Whether another kind of server accepted this transaction. The table also records our own transactions, so a second
/// output here does not count.
fn is_taken_by_another(scope: &mut WriteScope<'_>, txid: &str) -> QueryResult<bool> {
    if !payment_replays::is_noted(scope.connection, txid)? {
        return Ok(false);
    }
    let taken = payments::table.filter(payments::txid.eq(txid));
    let outputs: i64 = taken.count().get_result(scope.connection)?;
    Ok(outputs <= 1)
}

/// Claims an output again. Returns none if it is unavailable, or else whether a wallet holds it.
fn renew(scope: &mut WriteScope<'_>, row: &PaymentRow<'_>) -> QueryResult<Option<bool>> {
    let left_behind = scope.now.ago(LEFT_BEHIND);
    let known: Option<(i64, String)> = payments::table
        .filter(payments::txid.eq(row.txid))
        .filter(payments::output_index.eq(row.output_index))
        .filter(payments::payer.eq(row.payer))
        .filter(payments::settled.eq(false))
        .filter(
            payments::purpose
                .eq_any([row.purpose, NO_PURPOSE])
                .or(payments::updated_at.le(left_behind)),
        )
        .select((payments::id, payments::state))
        .first(scope.connection)
        .optional()?;
    let Some((id, state)) = known else {
        return Ok(None);
    };
    // A wallet never returns an output.
    let internalized = state == PaymentState::Internalized.name();
    let state = if internalized { &*state } else { row.state };
    diesel::update(payments::table.find(id))
        .set((
            payments::purpose.eq(row.purpose),
            payments::state.eq(state),
            payments::settled.eq(row.settled),
            payments::updated_at.eq(row.updated_at),
        ))
        .execute(scope.connection)?;
    Ok(Some(internalized))
}

/// Takes over an output that was claimed for the wrong payee: its script pays the server. Earlier releases claimed
/// outputs on the sender's word.
fn take_over(scope: &mut WriteScope<'_>, row: &PaymentRow<'_>) -> QueryResult<bool> {
    let claimed = payments::table
        .filter(payments::txid.eq(row.txid))
        .filter(payments::output_index.eq(row.output_index))
        .filter(payments::payee.ne(row.payee))
        .filter(payments::transaction.is_null());
    let taken = diesel::update(claimed).set(row).execute(scope.connection)?;
    Ok(taken == 1)
}

/// Records that an output is spent. Returns `false` if another transaction spends it.
fn spend(
    scope: &mut WriteScope<'_>,
    spent: &SpentOutput,
    purpose: &str,
    settled: bool,
) -> QueryResult<bool> {
    let (txid, index) = (&spent.outpoint.txid, i64::from(spent.outpoint.index));
    let row = (
        payment_inputs::created_at.eq(&scope.now.text),
        payment_inputs::txid.eq(txid),
        payment_inputs::output_index.eq(index),
        payment_inputs::spent_by.eq(&spent.by),
        payment_inputs::purpose.eq(purpose),
        payment_inputs::settled.eq(settled),
    );
    let unique = (payment_inputs::txid, payment_inputs::output_index);
    if insert_unless_there!(scope.connection, payment_inputs::table, row, unique)? {
        return Ok(true);
    }
    let known: Option<(i64, bool)> = payment_inputs::table
        .filter(payment_inputs::txid.eq(txid))
        .filter(payment_inputs::output_index.eq(index))
        .filter(payment_inputs::spent_by.eq(&spent.by))
        .select((payment_inputs::id, payment_inputs::settled))
        .first(scope.connection)
        .optional()?;
    let Some((id, already)) = known else {
        return Ok(false);
    };
    if !already {
        // The latest claim may free the coin. After settling, nothing frees it.
        diesel::update(payment_inputs::table.find(id))
            .set((
                payment_inputs::purpose.eq(purpose),
                payment_inputs::settled.eq(settled),
            ))
            .execute(scope.connection)?;
    }
    Ok(true)
}

/// Command: claim these outputs, before a wallet is asked or because the action is done.
pub(crate) struct ClaimPayment {
    pub(crate) payment: Payment,
    pub(crate) state: PaymentState,
    pub(crate) settled: bool,
}

impl WriteCommand for ClaimPayment {
    type Output = ClaimOutcome;

    /// A finished action is written as the server's own work, so no quota of the payer refuses it.
    fn owner(&self) -> Option<IdentityKey> {
        (!self.settled).then_some(self.payment.payer)
    }

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<Self::Output> {
        all_or_nothing(scope, |scope| {
            let outcome = claim(scope, &self.payment, self.state, self.settled)?;
            Ok(match outcome {
                ClaimOutcome::Claimed { .. } => Attempt::Done(outcome),
                ClaimOutcome::Spent(_) => Attempt::Refused(outcome),
            })
        })
    }

    fn places(&self) -> usize {
        self.payment.rows().max(1)
    }
}

/// Command: release a payment whose action failed.
pub(crate) struct ReleasePayment {
    pub(crate) payment: Payment,
    /// The new state of the outputs that pay the server. None deletes the claims, which frees the outputs.
    pub(crate) state: Option<PaymentState>,
}

impl WriteCommand for ReleasePayment {
    type Output = ();

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        let payer = self.payment.payer.to_hex();
        for output in &self.payment.outputs {
            let claimed = || {
                payments::table
                    .filter(payments::txid.eq(&output.outpoint.txid))
                    .filter(payments::output_index.eq(i64::from(output.outpoint.index)))
                    .filter(payments::purpose.eq(&self.payment.purpose))
                    .filter(payments::payer.eq(&payer))
                    .filter(payments::settled.eq(false))
            };
            // An output in a wallet stays reserved for its payer.
            let in_wallet = payments::state.eq(PaymentState::Internalized.name());
            diesel::update(claimed().filter(in_wallet))
                .set((
                    payments::purpose.eq(NO_PURPOSE),
                    payments::updated_at.eq(&scope.now.text),
                ))
                .execute(scope.connection)?;
            match self.state {
                None => diesel::delete(claimed()).execute(scope.connection)?,
                Some(state) => diesel::update(claimed())
                    .set((
                        payments::purpose.eq(NO_PURPOSE),
                        payments::state.eq(output.state_of(state).name()),
                        payments::updated_at.eq(&scope.now.text),
                    ))
                    .execute(scope.connection)?,
            };
        }
        if self.state.is_some() || self.has_claims(scope)? {
            return Ok(());
        }
        for spent in &self.payment.spends {
            diesel::delete(
                payment_inputs::table
                    .filter(payment_inputs::txid.eq(&spent.outpoint.txid))
                    .filter(payment_inputs::output_index.eq(i64::from(spent.outpoint.index)))
                    .filter(payment_inputs::purpose.eq(&self.payment.purpose))
                    .filter(payment_inputs::settled.eq(false)),
            )
            .execute(scope.connection)?;
        }
        Ok(())
    }

    fn places(&self) -> usize {
        self.payment.rows().max(1)
    }
}

impl ReleasePayment {
    /// Whether an output of the transaction is still claimed. Then its coins stay spent.
    fn has_claims(&self, scope: &mut WriteScope<'_>) -> QueryResult<bool> {
        let Some(first) = self.payment.outputs.first() else {
            return Ok(false);
        };
        let taken = payments::table.filter(payments::txid.eq(&first.outpoint.txid));
        diesel::select(diesel::dsl::exists(taken)).get_result(scope.connection)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = payments)]
struct Found {
    id: i64,
    created_at: Timestamp,
    payer: String,
    state: String,
    txid: String,
    output_index: i64,
    satoshis: i64,
    payee: String,
    sender_identity_key: String,
    derivation_prefix: String,
    derivation_suffix: String,
    transaction: Option<String>,
}

/// The payments to `payee` with ids above this one, oldest first.
pub(crate) fn list(
    connection: &mut AnyConnection,
    payee: &IdentityKey,
    after: i64,
    limit: i64,
) -> Result<Vec<KeptPayment>, DbError> {
    let found: Vec<Found> = payments::table
        .filter(payments::payee.eq(payee.to_hex()))
        .filter(payments::id.gt(after))
        .order(payments::id.asc())
        .limit(limit)
        .select(Found::as_select())
        .load(connection)?;
    found.into_iter().map(kept).collect()
}

fn kept(found: Found) -> Result<KeptPayment, DbError> {
    let broken = |what: &str| DbError::Unavailable(format!("payment {} has no {what}", found.id));
    let key = |text: &str| text.parse().map_err(|_| broken("readable key"));
    Ok(KeptPayment {
        id: found.id,
        output: PaymentOutput {
            outpoint: Outpoint {
                txid: found.txid.clone(),
                index: u32::try_from(found.output_index).map_err(|_| broken("output"))?,
            },
            satoshis: u64::try_from(found.satoshis).map_err(|_| broken("amount"))?,
            payee: key(&found.payee)?,
            sender_identity_key: key(&found.sender_identity_key)?,
            derivation_prefix: found.derivation_prefix.clone(),
            derivation_suffix: found.derivation_suffix.clone(),
            transaction: found.transaction.clone(),
        },
        created_at: found.created_at.0,
        payer: found.payer,
        state: found.state,
    })
}
