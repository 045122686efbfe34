//! Submits transactions to the overlay services that take advertisements.

use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use tokio::time::Instant;

use crate::outbound::{Posted, RemoteFailure};

use super::advertisement::TOPIC;
use super::error::{OverlayError, SubmitFailure};
use super::network::Overlay;

/// Maximum concurrent submissions, as in the SDK.
const MAX_SENT: usize = 16;
/// Maximum bytes of an acknowledgement.
const MAX_ANSWER: usize = 1024 * 1024;
/// Maximum refusals quoted in an error.
const MAX_REFUSALS: usize = 4;

/// A service's result for one topic, as indexes of outputs and inputs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Admittance {
    outputs_to_admit: Vec<u32>,
    coins_to_retain: Vec<u32>,
    coins_removed: Option<Vec<u32>>,
}

impl Admittance {
    /// Whether the service used the transaction.
    fn is_acknowledgement(&self) -> bool {
        let removed = self.coins_removed.as_deref().unwrap_or_default();
        [&self.outputs_to_admit, &self.coins_to_retain, removed]
            .iter()
            .any(|numbers: &&[u32]| !numbers.is_empty())
    }
}

/// The reply of one service.
enum SubmitReply {
    Acknowledged,
    /// It answered, but did not use the transaction.
    Nothing,
    Refused(String),
}

impl Overlay {
    /// Submits a transaction, as a plain BEEF, to all services that take advertisements.
    ///
    /// # Errors
    /// [`OverlayError::Submit`] unless at least one of them acknowledges it.
    pub(super) async fn submit(&self, txid: &str, beef: &[u8]) -> Result<(), OverlayError> {
        let deadline = self.deadline();
        let sent = match self.topic_hosts(deadline).await {
            Ok(hosts) => self.send_to_all(&hosts, beef, deadline).await,
            Err(failure) => Err(failure.into()),
        };
        sent.map_err(|cause| OverlayError::Submit {
            txid: txid.to_owned(),
            cause,
        })
    }

    async fn send_to_all(
        &self,
        hosts: &[String],
        beef: &[u8],
        deadline: Instant,
    ) -> Result<(), SubmitFailure> {
        if hosts.is_empty() {
            return Err(SubmitFailure::NoService);
        }
        // Every service gets the transaction, even after one has acknowledged it.
        let sent = hosts.iter().map(|host| self.send(host, beef, deadline));
        let replies: Vec<SubmitReply> = stream::iter(sent)
            .buffer_unordered(MAX_SENT)
            .collect()
            .await;
        if replies
            .iter()
            .any(|reply| matches!(reply, SubmitReply::Acknowledged))
        {
            return Ok(());
        }
        if replies
            .iter()
            .any(|reply| matches!(reply, SubmitReply::Nothing))
        {
            return Err(SubmitFailure::Unacknowledged);
        }
        let refusals = replies.into_iter().filter_map(|reply| match reply {
            SubmitReply::Refused(refusal) => Some(refusal),
            SubmitReply::Acknowledged | SubmitReply::Nothing => None,
        });
        let refusals: Vec<String> = refusals.take(MAX_REFUSALS).collect();
        Err(SubmitFailure::Refused(refusals.join("; ")))
    }

    async fn send(&self, host: &str, beef: &[u8], deadline: Instant) -> SubmitReply {
        let refused = |failure: RemoteFailure| SubmitReply::Refused(format!("{host}: {failure}"));
        if let Err(failure) = self.check_secure(host) {
            return refused(failure);
        }
        let posted = Posted {
            url: &format!("{host}/submit"),
            headers: &[
                ("content-type", "application/octet-stream"),
                ("x-topics", &json!([TOPIC]).to_string()),
            ],
            body: beef,
            max_answer: MAX_ANSWER,
            timeout: deadline.saturating_duration_since(Instant::now()),
        };
        let answer = match self.service().post(posted).await {
            Ok(answer) => answer,
            Err(failure) => return refused(failure),
        };
        match answer.json::<HashMap<String, Admittance>>() {
            Ok(topics)
                if topics
                    .get(TOPIC)
                    .is_some_and(Admittance::is_acknowledgement) =>
            {
                SubmitReply::Acknowledged
            }
            Ok(_) => SubmitReply::Nothing,
            Err(failure) => match answer.failure().and_then(|_| answer.words()) {
                // The text is untrusted, but may be logged.
                Some(words) => SubmitReply::Refused(format!(
                    "{host}: {failure}, and says: {}",
                    words.escape_debug()
                )),
                None => refused(failure),
            },
        }
    }
}

#[cfg(test)]
mod tests;
