//! Why nothing was advertised or revoked.

use thiserror::Error;

use crate::outbound::{RemoteFailure, WalletFailure};

/// Why a look-up has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LookupFailure {
    /// Nothing came from any tracker.
    #[error("no tracker gave an answer; the last failure: {0}")]
    Trackers(RemoteFailure),
    /// Trackers answered, and none names a service.
    #[error("no tracker names a service that finds advertisements")]
    NoService,
    /// Nothing came from any service that the trackers name.
    #[error("no service gave an answer; the last failure: {0}")]
    Services(RemoteFailure),
}

/// Why no overlay service has a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitFailure {
    /// The services could not be found.
    #[error("{0}")]
    Lookup(#[from] LookupFailure),
    /// No tracker names one.
    #[error("no tracker names a service that takes advertisements")]
    NoService,
    /// All that were given the transaction failed; the text says how.
    #[error("{0}")]
    Refused(String),
    /// Services answered, and none did anything with the transaction.
    #[error("no service acknowledged it")]
    Unacknowledged,
}

/// A failure of the wallet or of the overlay network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverlayError {
    /// The wallet did not do what it was asked for.
    #[error("the wallet: {failure}")]
    Wallet {
        /// What went wrong; may be logged.
        failure: RemoteFailure,
        /// The wallet's own words, if it had any. For its user: they may say what nobody else should read.
        said: Option<String>,
    },
    /// Nothing came from the wallet in time.
    #[error("the wallet: it did not answer in time")]
    WalletSilent,
    /// What came from the wallet is not what it was asked for.
    #[error("the wallet: it gave {0}")]
    WalletAnswer(&'static str),
    /// The wallet is somebody else's.
    #[error("the wallet: it is the wallet of another identity, {0}")]
    OtherIdentity(crate::ids::IdentityKey),
    /// The overlay network was not asked, or did not answer.
    #[error("the overlay network could not be asked for advertisements: {0}")]
    Lookup(#[from] LookupFailure),
    /// The transaction is made, and no overlay service has it.
    #[error("transaction {txid} was made, and the overlay network did not take it: {cause}")]
    Submit {
        /// Which transaction, as it is displayed.
        txid: String,
        /// Why.
        cause: SubmitFailure,
    },
}

/// Kinds of failures, for who has a code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayFailure {
    /// Somebody is not there, or does not answer.
    Unreachable,
    /// Somebody says no.
    Refused,
    /// An answer is not what it should be.
    Protocol,
    /// The wallet is another's.
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
    /// Of which kind it is.
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

    /// What to do about it, for who advertises.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Wallet { .. } | Self::WalletSilent | Self::WalletAnswer(_) => {
                "WALLET_URL must name a BRC-100 wallet that speaks JSON over HTTP; it must be unlocked, have some satoshis, and allow what it is asked for."
            }
            Self::OtherIdentity(_) => {
                "An advertisement is signed by whom it is for: WALLET_URL must name the wallet of this identity."
            }
            Self::Lookup(_) => {
                "BSV_NETWORK says which overlay network is asked, SLAP_TRACKERS through which trackers."
            }
            Self::Submit { .. } => {
                "Try again later: what the wallet has made and the overlay network does not know is told it, and not paid for again."
            }
        }
    }
}
