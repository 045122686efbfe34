//! Receives payments to the server: a wallet takes them, or the database keeps them.

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

/// The description for the wallet if the sender gives none.
const DESCRIPTION: &str = "MessageBox delivery payment (batch)";

/// A verified output that pays the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPayment {
    pub output: PaymentOutput,
    pub description: Option<String>,
}

/// Why a payment was not received.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiveError {
    /// The wallet refused it.
    #[error("Payment was not accepted by the server.")]
    Refused,
    /// The wallet could not be reached, or did not answer.
    #[error("Failed to internalize payment: {0}")]
    Failed(String),
}

/// The new state of a payment that is being received.
pub type Received<'a> = BoxFuture<'a, Result<PaymentState, ReceiveError>>;

/// Receives verified payments to the server.
pub trait PaymentReceiver: Send + Sync + fmt::Debug {
    /// Receives a payment and returns its new state.
    fn receive<'a>(&'a self, payment: &'a ServerPayment) -> Received<'a>;

    /// Whether this asks an external service. Then the outputs must be claimed first.
    fn is_external(&self) -> bool;
}

/// Leaves payments in the database, with everything that is needed to spend them.
#[derive(Debug, Clone, Copy, Default)]
pub struct PaymentStore;

impl PaymentReceiver for PaymentStore {
    fn receive<'a>(&'a self, _payment: &'a ServerPayment) -> Received<'a> {
        futures_util::future::ready(Ok(PaymentState::Kept)).boxed()
    }

    fn is_external(&self) -> bool {
        false
    }
}

/// Sends payments to a BRC-100 wallet over HTTP. The wallet can spend them from then on.
#[derive(Debug)]
pub struct WalletClient {
    wallet: WalletHttp,
}

impl WalletClient {
    /// Uses the wallet at this URL, with this timeout per answer.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Self {
        Self {
            wallet: WalletHttp::new("messagebox-server", url, timeout),
        }
    }
}

impl PaymentReceiver for WalletClient {
    fn receive<'a>(&'a self, payment: &'a ServerPayment) -> Received<'a> {
        async move {
            let arguments = arguments(payment).ok_or(ReceiveError::Refused)?;
            match self.wallet.internalize_action(&arguments).await {
                Ok(result) if result.accepted => Ok(PaymentState::Internalized),
                Ok(_) => Err(ReceiveError::Refused),
                Err(error) if error.failure == RemoteFailure::Late => {
                    Err(ReceiveError::Failed("the wallet did not answer".into()))
                }
                Err(error) => {
                    log::error!("the wallet failed to receive a payment: {}", error.failure);
                    Err(ReceiveError::Failed(
                        "the wallet answered with an error".into(),
                    ))
                }
            }
        }
        .boxed()
    }

    fn is_external(&self) -> bool {
        true
    }
}

/// Returns `None` if the wallet's interface cannot carry the payment: it needs derivations in base64.
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

/// Wallets accept 5 to 50 characters; a published client sends arbitrary text.
fn description(given: Option<&str>) -> String {
    let given: String = given.unwrap_or_default().chars().take(50).collect();
    if (5..=50).contains(&given.len()) {
        given
    } else {
        DESCRIPTION.to_owned()
    }
}
