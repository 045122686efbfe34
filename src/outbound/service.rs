//! One request to a service and its answer, within a bound of bytes and of time.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;

use super::clock_offset::ClockOffset;
use super::failure::RemoteFailure;
use super::http::{faithful_client, read};

/// Bytes that are read of an answer that is a failure.
const MAX_REFUSAL: usize = 64 * 1024;
/// Longest part of a service's own words that is kept, in characters.
const MAX_WORDS: usize = 200;

/// A request, with the bounds of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Posted<'a> {
    /// An `http` or `https` address.
    pub url: &'a str,
    /// Headers; nothing is added but those that HTTP needs.
    pub headers: &'a [(&'a str, &'a str)],
    /// The request's body.
    pub body: &'a [u8],
    /// Bytes that the answer may have.
    pub max_answer: usize,
    /// How long the whole may take: connecting, sending, waiting and reading.
    pub timeout: Duration,
}

/// A service's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    /// `Content-Type`, empty where there is none.
    pub content_type: String,
    /// The answer's body; empty where the status is a failure and the body is too long.
    pub body: Vec<u8>,
    /// What its `Date` tells of this machine's clock.
    pub clock: Option<ClockOffset>,
}

impl Answer {
    /// The status, if it is a failure.
    #[must_use]
    pub const fn failure(&self) -> Option<RemoteFailure> {
        match self.status {
            200..=299 => None,
            status => Some(RemoteFailure::Status(status)),
        }
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`RemoteFailure::Status`] where the status is a failure, [`RemoteFailure::Unreadable`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, RemoteFailure> {
        match self.failure() {
            Some(failure) => Err(failure),
            None => serde_json::from_slice(&self.body).map_err(|_| RemoteFailure::Unreadable),
        }
    }

    /// The message in a JSON body, shortened. For the user of the service: it may tell what a log must not.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let message = ["message", "description", "error"]
            .iter()
            .find_map(|key| body.get(key)?.as_str())?;
        Some(message.chars().take(MAX_WORDS).collect())
    }
}

/// Posts to services. Clones share their connections.
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
    /// Posts a body and reads the answer, whatever its status.
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
            // The status is what counts.
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
