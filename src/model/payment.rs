//! Payments as they are kept: transaction outputs that were taken, once each.

use std::fmt;

use serde::Serialize;

use crate::ids::IdentityKey;

/// An output of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outpoint {
    /// Hexadecimal, as it is displayed.
    pub txid: String,
    /// Which output.
    pub index: u32,
}

impl fmt::Display for Outpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.txid, self.index)
    }
}

/// An output that pays somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentOutput {
    /// Which.
    pub outpoint: Outpoint,
    /// What it is worth.
    pub satoshis: u64,
    /// Who is paid.
    pub payee: IdentityKey,
    /// With whom the payee's key was derived (BRC-29).
    pub sender_identity_key: IdentityKey,
    /// BRC-29.
    pub derivation_prefix: String,
    /// BRC-29.
    pub derivation_suffix: String,
    /// The `AtomicBEEF` in base64, where the server is the payee.
    pub transaction: Option<String>,
}

/// Without the transaction and the derivation: payments stay out of the log.
impl fmt::Debug for PaymentOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentOutput")
            .field("outpoint", &self.outpoint)
            .field("satoshis", &self.satoshis)
            .field("payee", &self.payee)
            .finish_non_exhaustive()
    }
}

impl PaymentOutput {
    /// Whether it pays the server for a delivery or a request: only then its transaction is kept.
    pub(crate) const fn pays_server(&self) -> bool {
        self.transaction.is_some()
    }

    /// What becomes of it: outputs of others are theirs to take, so they are only claimed.
    pub(crate) fn state_of(&self, servers: PaymentState) -> PaymentState {
        if self.pays_server() {
            servers
        } else {
            PaymentState::Claimed
        }
    }
}

/// An output that a transaction spends which is not mined yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpentOutput {
    /// Which.
    pub outpoint: Outpoint,
    /// The transaction that spends it.
    pub by: String,
}

/// Outputs, who paid them, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Who paid.
    pub payer: IdentityKey,
    /// What for. Until that is done, the same purpose may name its outputs again, as a retry does.
    pub purpose: String,
    /// Which outputs.
    pub outputs: Vec<PaymentOutput>,
    /// What the payment spends, itself or by its ancestors: a coin pays in one transaction only.
    pub spends: Vec<SpentOutput>,
}

impl Payment {
    /// Rows that it takes.
    pub(crate) fn rows(&self) -> usize {
        self.outputs.len() + self.spends.len()
    }
}

/// The part of a payment that cannot pay any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SpentPart {
    /// This output has paid for something else.
    Output(Outpoint),
    /// Another transaction has spent this coin, which the payment or an ancestor of it spends.
    Coin(Outpoint),
}

impl fmt::Display for SpentPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(output) => write!(f, "output {output} has been used before"),
            Self::Coin(coin) => {
                write!(
                    f,
                    "it spends the coin {coin}, which another payment has spent"
                )
            }
        }
    }
}

/// What came of taking a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It is taken. `internalized`: a wallet has had what pays the server before, for something that came to nothing.
    Claimed {
        /// Whether no wallet need be asked any more: it has every output that pays the server.
        internalized: bool,
    },
    /// This part of it cannot be taken.
    Spent(SpentPart),
}

/// What became of an output that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentState {
    /// It is taken and can pay for nothing else.
    Claimed,
    /// The server keeps it for its operator to collect.
    Kept,
    /// A wallet has it.
    Internalized,
}

impl PaymentState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Kept => "kept",
            Self::Internalized => "internalized",
        }
    }
}

/// A payment to the server, as its operator gets to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPayment {
    /// Ascending.
    pub id: i64,
    /// ISO 8601.
    pub created_at: String,
    /// Who paid.
    pub payer: String,
    /// `claimed`, `kept` or `internalized`.
    pub state: String,
    /// The output.
    pub output: PaymentOutput,
}
