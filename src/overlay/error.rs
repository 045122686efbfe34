//! Errors of advertising and revoking.

use thiserror::Error;

use crate::outbound::{RemoteFailure, WalletFailure};

/// Why a lookup failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LookupFailure {
    #[error("no tracker answered; the last failure: {0}")]
    Trackers(RemoteFailure),
    /// Trackers answered, but none names a service.
    #[error("no tracker names a service that finds advertisements")]
    NoService,
    /// None of the named services answered.
    #[error("no service answered; the last failure: {0}")]
    Services(RemoteFailure),
}

/// Why no overlay service has a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitFailure {
    /// The services could not be found.
    #[error("{0}")]
    Lookup(#[from] LookupFailure),
    /// No tracker names a service that takes advertisements.
    #[error("no tracker names a service that takes advertisements")]
    NoService,
    /// Every service failed; the text lists the failures.
    #[error("{0}")]
    Refused(String),
    /// Services answered, but none used the transaction.
    #[error("no service acknowledged it")]
    Unacknowledged,
}

/// A failure of the wallet or of the overlay network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverlayError {
    /// The wallet refused or failed.
    #[error("the wallet: {failure}")]
    Wallet {
        /// The failure; may be logged.
        failure: RemoteFailure,
        /// The wallet's own error text, if any. For its user only: it may be confidential.
        said: Option<String>,
    },
    /// The wallet did not answer in time.
    #[error("the wallet: it did not answer in time")]
    WalletSilent,
    /// The wallet's answer is unusable.
    #[error("the wallet: it returned {0}")]
    WalletAnswer(&'static str),
    /// The wallet belongs to another identity.
    #[error("the wallet: it belongs to another identity, {0}")]
    OtherIdentity(crate::ids::IdentityKey),
    /// The overlay network could not be asked.
    #[error("the overlay network could not be asked for advertisements: {0}")]
    Lookup(#[from] LookupFailure),
    /// The transaction was created, but no overlay service has it.
    #[error("transaction {txid} was made, and the overlay network did not take it: {cause}")]
    Submit {
        /// Hexadecimal, in display order.
        txid: String,
        cause: SubmitFailure,
    },
}

/// Kinds of failures, for callers that map each to a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayFailure {
    /// A service or the wallet is unreachable or silent.
    Unreachable,
    /// A service or the wallet refused.
    Refused,
    /// An answer is malformed.
    Protocol,
    /// The wallet belongs to another identity.
    Identity,
}

impl From<WalletFailure> for OverlayError {
    fn from(failed: WalletFailure) -> Self {
        match failed.failure {
            RemoteFailure::Late => Self::WalletSilent,
            failure => Self::Wallet {
                failure,
                said: failed.words,
            },
        }
    }
}

impl OverlayError {
    #[must_use]
    pub const fn kind(&self) -> OverlayFailure {
        match self {
            Self::WalletSilent | Self::Lookup(_) => OverlayFailure::Unreachable,
            Self::Wallet { failure, .. } => match failure {
                RemoteFailure::Unreachable | RemoteFailure::Late => OverlayFailure::Unreachable,
                RemoteFailure::Unreadable | RemoteFailure::TooLong | RemoteFailure::Insecure => {
                    OverlayFailure::Protocol
                }
                RemoteFailure::Status(_) | RemoteFailure::Undecided => OverlayFailure::Refused,
            },
            Self::WalletAnswer(_) => OverlayFailure::Protocol,
            Self::OtherIdentity(_) => OverlayFailure::Identity,
            Self::Submit { .. } => OverlayFailure::Refused,
        }
    }

    /// Advice for the operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Wallet { .. } | Self::WalletSilent | Self::WalletAnswer(_) => {
                "WALLET_URL must name a BRC-100 wallet with JSON over HTTP. The wallet must be unlocked, hold some satoshis, and grant the requested permissions."
            }
            Self::OtherIdentity(_) => {
                "The advertised identity signs its advertisement: WALLET_URL must name the wallet of this identity."
            }
            Self::Lookup(_) => {
                "BSV_NETWORK selects the overlay network, and SLAP_TRACKERS its trackers."
            }
            Self::Submit { .. } => {
                "Try again later: the wallet's transaction is submitted again, and not paid for again."
            }
        }
    }
}
