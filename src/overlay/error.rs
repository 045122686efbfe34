//! Why nothing was advertised or revoked.

use serde_json::Value;
use thiserror::Error;

use crate::payments::RemoteFailure;

/// Longest part of a wallet's own words that is kept, in characters.
const MAX_SAID: usize = 200;

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
    Lookup(String),
    /// The transaction is made, and no overlay service has it.
    #[error("transaction {txid} was made, and the overlay network did not take it: {cause}")]
    Submit {
        /// Which transaction, as it is displayed.
        txid: String,
        /// Why, in the words of the overlay services.
        cause: String,
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

impl OverlayError {
    /// From what the SDK says of a failed request to a wallet.
    pub(super) fn wallet(error: &impl ToString) -> Self {
        Self::Wallet {
            failure: RemoteFailure::of(error),
            said: said(&error.to_string()),
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
                RemoteFailure::Unreachable => OverlayFailure::Unreachable,
                RemoteFailure::Unreadable => OverlayFailure::Protocol,
                RemoteFailure::Status(_) => OverlayFailure::Refused,
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

/// The message in a JSON answer that a text of the SDK ends in.
fn said(text: &str) -> Option<String> {
    let json = text.split_once('{').map(|(_, rest)| format!("{{{rest}"))?;
    let answer: Value = serde_json::from_str(&json).ok()?;
    let message = ["message", "description", "error"]
        .iter()
        .find_map(|key| answer.get(key)?.as_str())?;
    Some(message.chars().take(MAX_SAID).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wallet_says_is_kept_apart_from_what_may_be_logged() {
        let text = "internal error: HTTP request failed with status 400 Bad Request: {\"isError\":true,\"message\":\"no funds for tx 0101\"}";
        let error = OverlayError::wallet(&text);
        assert_eq!(error.to_string(), "the wallet: it answered with status 400");
        let OverlayError::Wallet { said, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(said.as_deref(), Some("no funds for tx 0101"));
        let unreachable =
            OverlayError::wallet(&"error sending request for url (http://me:secret@wallet/)");
        assert_eq!(
            unreachable.to_string(),
            "the wallet: it could not be reached"
        );
        assert!(!format!("{unreachable:?}").contains("secret"));
    }
}
