//! The client of a BRC-100 wallet with JSON over HTTP: each method is a path, and its arguments are the body.

use std::fmt;
use std::time::Duration;

use bsv::wallet::interfaces::{
    AbortActionArgs, AbortActionResult, AuthenticatedResult, CreateActionArgs, CreateActionResult,
    CreateSignatureArgs, CreateSignatureResult, GetPublicKeyArgs, GetPublicKeyResult,
    InternalizeActionArgs, InternalizeActionResult, ListOutputsArgs, ListOutputsResult,
    SignActionArgs, SignActionResult,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::failure::RemoteFailure;
use super::probe::Probed;
use super::service::{Answer, Posted, Service};

/// Largest answer without transactions, in bytes.
const MAX_SMALL: usize = 1024 * 1024;
/// Largest answer with transactions, in bytes. A byte of a transaction takes up to four in JSON.
const MAX_TRANSACTIONS: usize = 64 * 1024 * 1024;

/// Why a call of the wallet failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{failure}")]
pub struct WalletFailure {
    /// The failure. Its text may be logged.
    pub failure: RemoteFailure,
    /// The message of the wallet, if any. For its user, not for the log: it may hold secrets.
    pub words: Option<String>,
}

impl From<RemoteFailure> for WalletFailure {
    fn from(failure: RemoteFailure) -> Self {
        Self {
            failure,
            words: None,
        }
    }
}

/// A wallet at an HTTP address.
#[derive(Clone)]
pub struct WalletHttp {
    service: Service,
    url: String,
    originator: String,
    timeout: Duration,
}

impl fmt::Debug for WalletHttp {
    // Its address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WalletHttp")
    }
}

/// Defines a method for each call of the wallet: its arguments, its result, its path, and the largest answer.
macro_rules! calls {
    ($($(#[$comment:meta])* $name:ident($arguments:ty) -> $result:ty = $path:literal, $max:expr;)*) => {
        impl WalletHttp {
            $($(#[$comment])*
            ///
            /// # Errors
            /// [`WalletFailure`].
            pub async fn $name(&self, arguments: &$arguments) -> Result<$result, WalletFailure> {
                self.ask($path, arguments, $max).await
            })*
        }
    };
}

calls! {
    /// Asks for the identity key or a derived key.
    get_public_key(GetPublicKeyArgs) -> GetPublicKeyResult = "getPublicKey", MAX_SMALL;
    /// Asks the wallet to sign.
    create_signature(CreateSignatureArgs) -> CreateSignatureResult = "createSignature", MAX_SMALL;
    /// Lists the outputs in a basket.
    list_outputs(ListOutputsArgs) -> ListOutputsResult = "listOutputs", MAX_TRANSACTIONS;
    /// Asks the wallet to create and fund a transaction.
    create_action(CreateActionArgs) -> CreateActionResult = "createAction", MAX_TRANSACTIONS;
    /// Completes a transaction with unlocking scripts.
    sign_action(SignActionArgs) -> SignActionResult = "signAction", MAX_TRANSACTIONS;
    /// Aborts an incomplete transaction, so that the wallet can spend its coins again.
    abort_action(AbortActionArgs) -> AbortActionResult = "abortAction", MAX_SMALL;
    /// Passes a transaction that pays the wallet.
    internalize_action(InternalizeActionArgs) -> InternalizeActionResult = "internalizeAction", MAX_SMALL;
}

impl WalletHttp {
    /// Creates a client of the wallet at `url` with a time limit for each call. `originator` names this program to the
    /// wallet.
    pub fn new(originator: &str, url: &str, timeout: Duration) -> Self {
        Self {
            service: Service::default(),
            url: url.trim_end_matches('/').to_owned(),
            originator: originator.to_owned(),
            timeout,
        }
    }

    /// Checks that the wallet works and its user is logged in.
    pub async fn probe(&self) -> Probed {
        let answer = self.post("isAuthenticated", b"{}", MAX_SMALL).await;
        Probed::judge(answer, |answer| {
            let result: AuthenticatedResult = answer.json().map_err(|error| error.to_string())?;
            if result.authenticated {
                Ok(())
            } else {
                Err("its user is not logged in".to_owned())
            }
        })
    }

    async fn ask<A: Serialize, R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &A,
        max_answer: usize,
    ) -> Result<R, WalletFailure> {
        let body = serde_json::to_vec(arguments).map_err(|_| RemoteFailure::Unreadable)?;
        let answer = self.post(method, &body, max_answer).await?;
        answer.json().map_err(|failure| WalletFailure {
            failure,
            words: answer.failure().and_then(|_| answer.words()),
        })
    }

    async fn post(
        &self,
        method: &str,
        body: &[u8],
        max_answer: usize,
    ) -> Result<Answer, RemoteFailure> {
        let posted = Posted {
            url: &format!("{}/{method}", self.url),
            headers: &[
                ("accept", "application/json"),
                ("content-type", "application/json"),
                ("originator", &self.originator),
            ],
            body,
            max_answer,
            timeout: self.timeout,
        };
        self.service.post(posted).await
    }
}
