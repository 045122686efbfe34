//! A BRC-100 wallet that takes JSON over HTTP: each method is a path, and its arguments are the body.

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

/// Bytes that an answer without transactions may have.
const MAX_SMALL: usize = 1024 * 1024;
/// Bytes that an answer with transactions may have. As JSON a byte of a transaction takes up to four.
const MAX_TRANSACTIONS: usize = 64 * 1024 * 1024;

/// A wallet did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{failure}")]
pub struct WalletFailure {
    /// What went wrong; may be logged.
    pub failure: RemoteFailure,
    /// The wallet's own words, if it had any. For its user: they may tell what a log must not.
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

/// A wallet at an address.
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

impl WalletHttp {
    /// The wallet at `url`, which may take as long as `timeout` for each answer. `originator` tells the wallet which
    /// program is asking.
    #[must_use]
    pub fn new(originator: &str, url: &str, timeout: Duration) -> Self {
        Self {
            service: Service::default(),
            url: url.trim_end_matches('/').to_owned(),
            originator: originator.to_owned(),
            timeout,
        }
    }

    /// Asks whether the wallet works, and can act for its user.
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

    /// Asks for a key: the identity's, or a derived one.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn get_public_key(
        &self,
        arguments: &GetPublicKeyArgs,
    ) -> Result<GetPublicKeyResult, WalletFailure> {
        self.ask("getPublicKey", arguments, MAX_SMALL).await
    }

    /// Asks for a signature.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn create_signature(
        &self,
        arguments: &CreateSignatureArgs,
    ) -> Result<CreateSignatureResult, WalletFailure> {
        self.ask("createSignature", arguments, MAX_SMALL).await
    }

    /// Lists the outputs in a basket.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn list_outputs(
        &self,
        arguments: &ListOutputsArgs,
    ) -> Result<ListOutputsResult, WalletFailure> {
        self.ask("listOutputs", arguments, MAX_TRANSACTIONS).await
    }

    /// Has the wallet make and pay a transaction.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn create_action(
        &self,
        arguments: &CreateActionArgs,
    ) -> Result<CreateActionResult, WalletFailure> {
        self.ask("createAction", arguments, MAX_TRANSACTIONS).await
    }

    /// Has the wallet complete a transaction with unlocking scripts.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn sign_action(
        &self,
        arguments: &SignActionArgs,
    ) -> Result<SignActionResult, WalletFailure> {
        self.ask("signAction", arguments, MAX_TRANSACTIONS).await
    }

    /// Has the wallet give up a transaction that was not completed, so that it may spend its coins again.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn abort_action(
        &self,
        arguments: &AbortActionArgs,
    ) -> Result<AbortActionResult, WalletFailure> {
        self.ask("abortAction", arguments, MAX_SMALL).await
    }

    /// Gives the wallet a transaction that pays it.
    ///
    /// # Errors
    /// [`WalletFailure`].
    pub async fn internalize_action(
        &self,
        arguments: &InternalizeActionArgs,
    ) -> Result<InternalizeActionResult, WalletFailure> {
        self.ask("internalizeAction", arguments, MAX_SMALL).await
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
