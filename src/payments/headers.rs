//! Asks a block headers service whether proofs lead to mined blocks, if the operator configures one.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::outbound::{Answer, Posted, Probed, RemoteFailure, Service};

use super::error::PaymentError;

/// Maximum bytes of an answer: a state, and the confirming block.
const MAX_ANSWER: usize = 64 * 1024;

/// The merkle root of the first block, which is the same on every chain.
const FIRST_ROOT: &str = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";

/// A client of a block headers service.
pub struct BlockHeaders {
    service: Service,
    url: String,
    timeout: Duration,
}

impl fmt::Debug for BlockHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockHeaders")
    }
}

/// The service's answer for one root.
#[derive(Deserialize)]
struct Verdict {
    #[serde(rename = "confirmationState")]
    state: String,
}

/// One verdict for all roots, or a list with one per root.
#[derive(Deserialize)]
#[serde(untagged)]
enum Verdicts {
    One(Verdict),
    Each(Vec<Verdict>),
}

impl BlockHeaders {
    /// Uses the service at this URL. `timeout` covers all requests for one payment.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Self {
        let url = url.trim_end_matches('/');
        Self {
            service: Service::default(),
            url: format!("{url}/api/v1/chain/merkleroot/verify"),
            timeout,
        }
    }

    /// Checks that each merkle root belongs to the block at its height.
    ///
    /// # Errors
    /// [`PaymentError::Invalid`] for a wrong root, [`PaymentError::Headers`] if the service has no answer.
    pub async fn check(&self, roots: &[(u32, String)]) -> Result<(), PaymentError> {
        tokio::time::timeout(self.timeout, self.check_each(roots))
            .await
            .unwrap_or_else(|_| Err(PaymentError::Headers("no answer in time".into())))
    }

    async fn check_each(&self, roots: &[(u32, String)]) -> Result<(), PaymentError> {
        for (height, root) in roots {
            match self.is_root_of_height(root, *height).await {
                Ok(true) => {}
                Ok(false) => {
                    let reason = format!("its proof does not lead to the block at height {height}");
                    return Err(PaymentError::Invalid(reason));
                }
                Err(failure) => {
                    log::error!("the block headers service failed: {failure}");
                    return Err(PaymentError::Headers("the service failed".into()));
                }
            }
        }
        Ok(())
    }

    /// Checks that the service works: it must confirm the first block.
    pub async fn probe(&self) -> Probed {
        let answer = self.ask(FIRST_ROOT, 0).await;
        Probed::judge(answer, |answer| verdict(answer).map(drop))
    }

    async fn is_root_of_height(&self, root: &str, height: u32) -> Result<bool, RemoteFailure> {
        verdict(&self.ask(root, height).await?)
    }

    async fn ask(&self, root: &str, height: u32) -> Result<Answer, RemoteFailure> {
        let body = json!([{ "merkleroot": root, "blockHeight": height }]).to_string();
        let posted = Posted {
            url: &self.url,
            headers: &[("content-type", "application/json")],
            body: body.as_bytes(),
            max_answer: MAX_ANSWER,
            timeout: self.timeout,
        };
        self.service.post(posted).await
    }
}

fn verdict(answer: &Answer) -> Result<bool, RemoteFailure> {
    let verdict = match answer.json()? {
        Verdicts::One(verdict) => verdict,
        Verdicts::Each(verdicts) => verdicts
            .into_iter()
            .next()
            .ok_or(RemoteFailure::Unreadable)?,
    };
    is_confirmed(&verdict)
}

/// A service that is behind the chain answers `UNABLE_TO_VERIFY`, which is no verdict on the payment.
fn is_confirmed(verdict: &Verdict) -> Result<bool, RemoteFailure> {
    match verdict.state.as_str() {
        "CONFIRMED" => Ok(true),
        "UNABLE_TO_VERIFY" => Err(RemoteFailure::Undecided),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::outbound::stand::Stand;

    fn stand(body: &'static str) -> Stand {
        Stand::start(move |stream, _| {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    async fn check(body: &'static str) -> Result<(), PaymentError> {
        let service = stand(body);
        let headers = BlockHeaders::new(&service.url, Duration::from_secs(20));
        headers.check(&[(7, "ab".repeat(32))]).await
    }

    #[tokio::test]
    async fn only_a_verdict_makes_a_payment_valid_or_invalid() {
        for confirmed in [
            r#"{"confirmationState":"CONFIRMED","confirmations":[{"blockHeight":7}]}"#,
            r#"[{"confirmationState":"CONFIRMED"}]"#,
        ] {
            assert_eq!(check(confirmed).await, Ok(()));
        }
        for invalid in [
            r#"{"confirmationState":"INVALID"}"#,
            r#"[{"confirmationState":"INVALID"},{"confirmationState":"CONFIRMED"}]"#,
        ] {
            let checked = check(invalid).await;
            assert!(
                matches!(checked, Err(PaymentError::Invalid(_))),
                "{checked:?}"
            );
        }
        for unknown in [
            r#"{"confirmationState":"UNABLE_TO_VERIFY"}"#,
            "{}",
            "[]",
            "null",
            "hello",
        ] {
            let checked = check(unknown).await;
            assert!(
                matches!(checked, Err(PaymentError::Headers(_))),
                "{checked:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_service_works_that_has_a_verdict_on_the_first_block() {
        for (body, expected) in [
            (r#"{"confirmationState":"CONFIRMED"}"#, None),
            (r#"{"confirmationState":"INVALID"}"#, None),
            (
                r#"{"confirmationState":"UNABLE_TO_VERIFY"}"#,
                Some("it cannot tell"),
            ),
            ("hello", Some("its answer could not be read")),
        ] {
            let service = stand(body);
            let headers = BlockHeaders::new(&service.url, Duration::from_secs(20));
            assert_eq!(headers.probe().await.failure.as_deref(), expected, "{body}");
            let (_, asked) = service.asked.recv().unwrap();
            let asked = String::from_utf8(asked).unwrap();
            assert!(asked.contains(FIRST_ROOT) && asked.contains("\"blockHeight\":0"));
        }
    }
}
