//! `--export-payments`: the payments that the server keeps, one line of JSON each, in the form that a wallet takes.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::config::{Settings, load_identity};
use crate::db::DbHandle;
use crate::model::KeptPayment;

use crate::server::error::ServerError;
use crate::server::layer_settings::db_settings;

const PAGE: i64 = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentLine<'a> {
    id: i64,
    created_at: &'a str,
    payer: &'a str,
    state: &'a str,
    satoshis: u64,
    outpoint: String,
    /// The arguments of `internalizeAction` of a BRC-100 wallet.
    internalize_action: InternalizeAction<'a>,
}

#[derive(Serialize)]
struct InternalizeAction<'a> {
    tx: Vec<u8>,
    outputs: [WalletPayment<'a>; 1],
    description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WalletPayment<'a> {
    output_index: u32,
    protocol: &'static str,
    payment_remittance: Remittance<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Remittance<'a> {
    derivation_prefix: &'a str,
    derivation_suffix: &'a str,
    sender_identity_key: String,
}

/// Writes the payments after the one with this id to `out`, and gives their number. Must be called inside an actix system.
///
/// # Errors
/// [`ServerError`].
pub async fn export_payments(
    settings: &Settings,
    after: i64,
    out: &mut impl Write,
) -> Result<usize, ServerError> {
    let (identity, _) = load_identity(settings)?;
    let db = DbHandle::open(&db_settings(settings)?, None)?;
    let mut after = after;
    let mut count = 0;
    loop {
        let page = db.payments(identity.identity_key(), after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        after = last.id;
        count += page.len();
        for payment in &page {
            write(payment, out).map_err(ServerError::Broken)?;
        }
    }
}

fn write(payment: &KeptPayment, out: &mut impl Write) -> std::io::Result<()> {
    let output = &payment.output;
    let transaction = output.transaction.as_deref().unwrap_or_default();
    let line = PaymentLine {
        id: payment.id,
        created_at: &payment.created_at,
        payer: &payment.payer,
        state: &payment.state,
        satoshis: output.satoshis,
        outpoint: output.outpoint.to_string(),
        internalize_action: InternalizeAction {
            tx: STANDARD.decode(transaction).unwrap_or_default(),
            outputs: [WalletPayment {
                output_index: output.outpoint.index,
                protocol: "wallet payment",
                payment_remittance: Remittance {
                    derivation_prefix: &output.derivation_prefix,
                    derivation_suffix: &output.derivation_suffix,
                    sender_identity_key: output.sender_identity_key.to_hex(),
                },
            }],
            description: "MessageBox payment",
        },
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
