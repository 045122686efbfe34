//! A request to a service and its answer, bounded in bytes and time.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;

use super::clock_offset::ClockOffset;
use super::failure::RemoteFailure;
use super::http::{faithful_client, read};

/// Largest body of an error answer that is read, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;
/// Largest length of an error message that is kept, in characters.
const MAX_WORDS: usize = 200;

/// A request and the bounds of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Posted<'a> {
    /// The `http` or `https` address.
    pub url: &'a str,
    /// The headers. Only those that HTTP needs are added.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body of the request.
    pub body: &'a [u8],
    /// The largest answer in bytes.
    pub max_answer: usize,
    /// The time limit for connecting, sending, waiting and reading together.
    pub timeout: Duration,
}

/// The answer of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    /// The `Content-Type`; empty if there is none.
    pub content_type: String,
    /// The body; empty if the status is an error and the body is too long.
    pub body: Vec<u8>,
    /// The clock difference that its `Date` shows.
    pub clock: Option<ClockOffset>,
}

impl Answer {
    /// The status as an error, if it is one.
    pub const fn failure(&self) -> Option<RemoteFailure> {
        match self.status {
            200..=299 => None,
            status => Some(RemoteFailure::Status(status)),
        }
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// [`RemoteFailure::Status`] if the status is an error, [`RemoteFailure::Unreadable`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, RemoteFailure> {
        match self.failure() {
            Some(failure) => Err(failure),
            None => serde_json::from_slice(&self.body).map_err(|_| RemoteFailure::Unreadable),
        }
    }

    /// The message in a JSON body, shortened. For the user of the service, not for the log: it may hold secrets.
    pub fn words(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let message = ["message", "description", "error"]
            .iter()
            .find_map(|key| body.get(key)?.as_str())?;
        Some(message.chars().take(MAX_WORDS).collect())
    }
}

/// Posts requests to services. Clones share connections.
#[derive(Debug, Clone)]
pub struct Service {
    http: reqwest::Client,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            http: faithful_client(),
        }
    }
}

impl Service {
    /// Posts a body and reads the answer with any status.
    ///
    /// # Errors
    /// [`RemoteFailure`], except [`RemoteFailure::Status`].
    pub async fn post(&self, posted: Posted<'_>) -> Result<Answer, RemoteFailure> {
        tokio::time::timeout(posted.timeout, self.exchange(posted))
            .await
            .unwrap_or(Err(RemoteFailure::Late))
    }

    async fn exchange(&self, posted: Posted<'_>) -> Result<Answer, RemoteFailure> {
        let mut request = self.http.post(posted.url).body(posted.body.to_vec());
        for (name, value) in posted.headers {
            request = request.header(*name, *value);
        }
        let asked = OffsetDateTime::now_utc();
        let answer = request
            .send()
            .await
            .map_err(|_| RemoteFailure::Unreachable)?;
        let status = answer.status();
        let clock = ClockOffset::of_headers(answer.headers(), asked);
        let content_type = answer.headers().get("content-type");
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = if status.is_success() {
            read(answer, posted.max_answer).await?
        } else {
            // The status alone decides if the body cannot be read.
            read(answer, MAX_REFUSAL).await.unwrap_or_default()
        };
        Ok(Answer {
            status: status.as_u16(),
            content_type,
            body,
            clock,
        })
    }
}

#[cfg(test)]
mod tests;
