//! Payments: transaction outputs, each of which pays once.

use std::fmt;

use serde::Serialize;

use crate::ids::IdentityKey;

/// An output of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outpoint {
    /// Hexadecimal, in display order.
    pub txid: String,
    pub index: u32,
}

impl fmt::Display for Outpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.txid, self.index)
    }
}

/// An output that pays a party.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentOutput {
    pub outpoint: Outpoint,
    pub satoshis: u64,
    pub payee: IdentityKey,
    /// The counterparty of the payee's key (BRC-29).
    pub sender_identity_key: IdentityKey,
    pub derivation_prefix: String,
    pub derivation_suffix: String,
    /// `AtomicBEEF` in base64, if the payee is the server.
    pub transaction: Option<String>,
}

/// Omits the transaction and the derivation: payments must not reach the log.
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
    /// Whether it pays the server. Only then its transaction is stored.
    pub(crate) const fn pays_server(&self) -> bool {
        self.transaction.is_some()
    }

    /// The state of this output. Outputs of other payees are only claimed, because those payees take them.
    pub(crate) fn state_of(&self, servers: PaymentState) -> PaymentState {
        if self.pays_server() {
            servers
        } else {
            PaymentState::Claimed
        }
    }
}

/// An output that an unmined transaction spends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpentOutput {
    pub outpoint: Outpoint,
    /// The id of the spending transaction.
    pub by: String,
}

/// Outputs with their payer and their purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub payer: IdentityKey,
    /// Identifies the paid action. Until it is done, the same purpose may claim its outputs again, as a retry does.
    pub purpose: String,
    pub outputs: Vec<PaymentOutput>,
    /// Coins that the payment or its unmined ancestors spend. Each coin pays in one transaction only.
    pub spends: Vec<SpentOutput>,
}

impl Payment {
    /// Database rows that it takes.
    pub(crate) fn rows(&self) -> usize {
        self.outputs.len() + self.spends.len()
    }
}

/// The part of a payment that is already spent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SpentPart {
    /// This output has paid for something else.
    Output(Outpoint),
    /// Another transaction has spent this coin, which the payment or an ancestor spends.
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

/// The outcome of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// All outputs are claimed.
    Claimed {
        /// Whether a wallet already holds every output that pays the server, from an earlier purpose.
        internalized: bool,
    },
    /// This part of the payment is unavailable.
    Spent(SpentPart),
}

/// The state of a claimed output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentState {
    /// It is reserved and can pay for nothing else.
    Claimed,
    /// The server stores it for its operator to collect.
    Kept,
    /// A wallet holds it.
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

/// A payment to the server, for its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPayment {
    pub id: i64,
    pub created_at: String,
    pub payer: String,
    /// `claimed`, `kept` or `internalized`.
    pub state: String,
    pub output: PaymentOutput,
}
