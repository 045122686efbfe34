//! The table of payments.

use diesel::prelude::*;

use crate::ids::IdentityKey;

use super::command::{Command, Work};
use super::connection::DbConnection;
use super::error::DbError;
use super::payment::{KeptPayment, Outpoint, Payment, PaymentOutput, PaymentState};
use super::schema::payments;
use super::submission::all_or_nothing;

#[derive(Insertable)]
#[diesel(table_name = payments)]
struct PaymentRow<'a> {
    created_at: &'a str,
    updated_at: &'a str,
    txid: &'a str,
    output_index: i64,
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

/// Takes every output of a payment, or says which one is taken. `settled`: what is paid for is done in the same
/// transaction. One that is not settled yet may be taken again for the same purpose, as a retry does. What was done
/// before a refusal is the caller's to take back.
pub(super) fn claim(
    work: &mut Work<'_>,
    payment: &Payment,
    state: impl Fn(&PaymentOutput) -> PaymentState,
    settled: bool,
) -> QueryResult<Result<(), Outpoint>> {
    let payer = payment.payer.to_hex();
    for output in &payment.outputs {
        let row = PaymentRow {
            created_at: &work.now.text,
            updated_at: &work.now.text,
            txid: &output.outpoint.txid,
            output_index: output.outpoint.index.into(),
            satoshis: i64::try_from(output.satoshis).unwrap_or(i64::MAX),
            payer: &payer,
            payee: &output.payee.to_hex(),
            sender_identity_key: &output.sender_identity_key.to_hex(),
            derivation_prefix: &output.derivation_prefix,
            derivation_suffix: &output.derivation_suffix,
            purpose: &payment.purpose,
            state: state(output).name(),
            settled,
            transaction: output.transaction.as_deref(),
        };
        let inserted = diesel::insert_into(payments::table)
            .values(&row)
            .on_conflict((payments::txid, payments::output_index))
            .do_nothing()
            .execute(work.connection)?;
        if inserted == 0 && !renew(work.connection, &row)? {
            return Ok(Err(output.outpoint.clone()));
        }
    }
    Ok(Ok(()))
}

/// An output that is taken already: whether it was for the same purpose, and that is not done yet.
fn renew(connection: &mut DbConnection, row: &PaymentRow<'_>) -> QueryResult<bool> {
    let unsettled = payments::table
        .filter(payments::txid.eq(row.txid))
        .filter(payments::output_index.eq(row.output_index))
        .filter(payments::purpose.eq(row.purpose))
        .filter(payments::payer.eq(row.payer))
        .filter(payments::settled.eq(false));
    let renewed = diesel::update(unsettled)
        .set((
            payments::state.eq(row.state),
            payments::settled.eq(row.settled),
            payments::updated_at.eq(row.updated_at),
        ))
        .execute(connection)?;
    Ok(renewed > 0)
}

/// Command: take these outputs, before a wallet is asked to internalize them or because all is done.
pub(super) struct ClaimPayment {
    pub(super) payment: Payment,
    pub(super) state: PaymentState,
    pub(super) settled: bool,
}

impl Command for ClaimPayment {
    type Output = Result<(), Outpoint>;

    fn run(&self, work: &mut Work<'_>) -> QueryResult<Self::Output> {
        let state = |output: &PaymentOutput| output.state_of(self.state);
        all_or_nothing(work, |work| {
            let claimed = claim(work, &self.payment, state, self.settled)?;
            Ok(match claimed {
                Ok(()) => Ok(Ok(())),
                Err(spent) => Err(Err(spent)),
            })
        })
    }

    fn places(&self) -> usize {
        self.payment.outputs.len().max(1)
    }
}

/// Command: let go of what was taken for a purpose that came to nothing, because a wallet refused it.
pub(super) struct ReleasePayment {
    pub(super) purpose: String,
    pub(super) payer: IdentityKey,
}

impl Command for ReleasePayment {
    type Output = usize;

    fn run(&self, work: &mut Work<'_>) -> QueryResult<usize> {
        diesel::delete(
            payments::table
                .filter(payments::purpose.eq(&self.purpose))
                .filter(payments::payer.eq(self.payer.to_hex()))
                .filter(payments::settled.eq(false)),
        )
        .execute(work.connection)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = payments)]
struct Found {
    id: i64,
    created_at: String,
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

/// The payments to `payee` behind the one with this id, oldest first.
pub(super) fn list(
    connection: &mut DbConnection,
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
        created_at: found.created_at,
        payer: found.payer,
        state: found.state,
    })
}
