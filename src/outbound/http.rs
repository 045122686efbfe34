//! Creates all HTTP clients, and reads answers within a bound.

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, ClientBuilder, Response};
use thiserror::Error;

use super::failure::RemoteFailure;
use super::tls;

/// Redirects that are followed in a row.
const MAX_REDIRECTS: usize = 5;

/// Creates a client with the TLS configuration of this program. Otherwise it has the defaults of reqwest: ten redirects to
/// any host, and no time limit.
pub fn client() -> Client {
    built(builder())
}

/// Starts to build such a client, for callers that change more.
pub fn builder() -> ClientBuilder {
    Client::builder().use_preconfigured_tls((*tls::client_config()).clone())
}

/// Creates a client that follows no redirect to another host. Bodies may hold payments, and the operator named one host.
pub(super) fn faithful_client() -> Client {
    built(builder().redirect(Policy::custom(stay)))
}

fn built(builder: ClientBuilder) -> Client {
    builder.build().unwrap_or_else(|error| {
        // No setting of this program can fail. The replacement trusts no certificate.
        log::error!("an HTTP client was not created: {error}");
        Client::default()
    })
}

/// Follows a redirect to the same host, unless it would leave TLS. Any other redirect is returned as the answer.
fn stay(attempt: Attempt<'_>) -> Action {
    let [.., from] = attempt.previous() else {
        return attempt.stop();
    };
    let to = attempt.url();
    let same_host = from.host_str() == to.host_str();
    let keeps_tls = from.scheme() == to.scheme() || to.scheme() == "https";
    if same_host && keeps_tls && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Why the body of an answer could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The body exceeds the bound of the caller.
    #[error("the answer is too long")]
    TooLong,
    /// The body ended early.
    #[error("{0}")]
    Broken(#[source] reqwest::Error),
}

impl From<ReadError> for RemoteFailure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLong => Self::TooLong,
            ReadError::Broken(_) => Self::Unreadable,
        }
    }
}

/// Reads the body of an answer of at most `max` bytes.
///
/// # Errors
/// [`ReadError`].
pub async fn read(mut answer: Response, max: usize) -> Result<Vec<u8>, ReadError> {
    let announced = answer.content_length().unwrap_or_default();
    if usize::try_from(announced).unwrap_or(usize::MAX) > max {
        return Err(ReadError::TooLong);
    }
    let mut body = Vec::new();
    loop {
        let Some(chunk) = answer.chunk().await.map_err(ReadError::Broken)? else {
            return Ok(body);
        };
        if body.len().saturating_add(chunk.len()) > max {
            return Err(ReadError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
}
