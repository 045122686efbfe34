//! Who takes what is paid to the server: a wallet, or nobody, and then it is kept.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bsv::primitives::public_key::PublicKey;
use bsv::wallet::interfaces::{InternalizeActionArgs, InternalizeOutput, Payment as Remittance};
use bsv::wallet::types::BooleanDefaultTrue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::model::{PaymentOutput, PaymentState};
use crate::outbound::{RemoteFailure, WalletHttp};

use super::brc29::canonical_base64;

/// What a wallet is told a payment is for, where its sender does not say.
const DESCRIPTION: &str = "MessageBox delivery payment (batch)";

/// A verified output that pays the server, with its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPayment {
    /// Which, and how its key is derived.
    pub output: PaymentOutput,
    /// What it is for, in the sender's words.
    pub description: Option<String>,
}

/// Why a payment was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CashierError {
    /// The wallet does not want it.
    #[error("Payment was not accepted by the server.")]
    Refused,
    /// The wallet could not be asked, or did not answer.
    #[error("Failed to internalize payment: {0}")]
    Failed(String),
}

/// Takes verified payments to the server.
pub trait Cashier: Send + Sync + fmt::Debug {
    /// Takes one; says what became of it.
    fn take<'a>(
        &'a self,
        payment: &'a ServerPayment,
    ) -> BoxFuture<'a, Result<PaymentState, CashierError>>;

    /// Whether somebody else is asked, so that the outputs must be claimed before.
    fn asks(&self) -> bool;
}

/// Takes payments by leaving them where they are: the database keeps them, with all that is needed to spend them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keeper;

impl Cashier for Keeper {
    fn take<'a>(
        &'a self,
        _payment: &'a ServerPayment,
    ) -> BoxFuture<'a, Result<PaymentState, CashierError>> {
        futures_util::future::ready(Ok(PaymentState::Kept)).boxed()
    }

    fn asks(&self) -> bool {
        false
    }
}

/// Gives payments to a BRC-100 wallet over HTTP, which spends from then on.
#[derive(Debug)]
pub struct WalletClient {
    wallet: WalletHttp,
}

impl WalletClient {
    /// Asks the wallet at this URL, and waits so long for its answer.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Self {
        Self {
            wallet: WalletHttp::new("messagebox-server", url, timeout),
        }
    }
}

impl Cashier for WalletClient {
    fn take<'a>(
        &'a self,
        payment: &'a ServerPayment,
    ) -> BoxFuture<'a, Result<PaymentState, CashierError>> {
        async move {
            let arguments = arguments(payment).ok_or(CashierError::Refused)?;
            match self.wallet.internalize_action(&arguments).await {
                Ok(result) if result.accepted => Ok(PaymentState::Internalized),
                Ok(_) => Err(CashierError::Refused),
                Err(error) if error.failure == RemoteFailure::Late => {
                    Err(CashierError::Failed("the wallet did not answer".into()))
                }
                Err(error) => {
                    log::error!("the wallet did not take a payment: {}", error.failure);
                    Err(CashierError::Failed(
                        "the wallet answered with an error".into(),
                    ))
                }
            }
        }
        .boxed()
    }

    fn asks(&self) -> bool {
        true
    }
}

/// `None` for what the wallet's interface cannot carry: it takes derivations in base64, byte for byte.
fn arguments(payment: &ServerPayment) -> Option<InternalizeActionArgs> {
    let output = &payment.output;
    Some(InternalizeActionArgs {
        tx: STANDARD.decode(output.transaction.as_deref()?).ok()?,
        description: description(payment.description.as_deref()),
        labels: None,
        seek_permission: BooleanDefaultTrue(None),
        outputs: vec![InternalizeOutput::WalletPayment {
            output_index: output.outpoint.index,
            payment: Remittance {
                derivation_prefix: canonical_base64(&output.derivation_prefix)?,
                derivation_suffix: canonical_base64(&output.derivation_suffix)?,
                sender_identity_key: PublicKey::from_string(&output.sender_identity_key.to_hex())
                    .ok()?,
            },
        }],
    })
}

/// Wallets take 5 to 50 characters; a published client sends whatever comes to hand.
fn description(given: Option<&str>) -> String {
    let given: String = given.unwrap_or_default().chars().take(50).collect();
    if (5..=50).contains(&given.len()) {
        given
    } else {
        DESCRIPTION.to_owned()
    }
}
