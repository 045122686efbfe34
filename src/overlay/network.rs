//! Overlay services: finding them, asking them about an identity, and submitting to them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;
use url::Url;

use crate::ids::IdentityKey;
use crate::outbound::{Posted, RemoteFailure, Service};

use super::advertisement::{Advertisement, SERVICE, TOPIC};
use super::answer::{self, Outputs};
use super::error::{LookupFailure, OverlayError};
use super::service_token::{ServiceRole, hosts};

/// The published clients' trackers for the main chain.
const MAINNET: [&str; 4] = [
    "https://overlay-us-1.bsvb.tech",
    "https://overlay-eu-1.bsvb.tech",
    "https://overlay-ap-1.bsvb.tech",
    "https://users.bapp.dev",
];
/// The published clients' trackers for the test chain.
const TESTNET: [&str; 1] = ["https://testnet-users.bapp.dev"];
/// The only service of the local network.
const LOCAL: &str = "http://localhost:8080";

/// Timeout of one service for a lookup, as in the published clients.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum bytes of an answer to a lookup.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// Maximum concurrent lookups, as in the SDK.
const MAX_ASKED: usize = 8;

/// An overlay network, by the published clients' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlayNetwork {
    /// The network of the main chain.
    #[default]
    Mainnet,
    /// The network of the test chain.
    Testnet,
    /// One service at `http://localhost:8080`, for development.
    Local,
}

/// The text names no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected mainnet, testnet or local")]
pub struct UnknownNetwork;

impl FromStr for OverlayNetwork {
    type Err = UnknownNetwork;

    fn from_str(text: &str) -> Result<Self, UnknownNetwork> {
        match text {
            "mainnet" | "main" => Ok(Self::Mainnet),
            "testnet" | "test" => Ok(Self::Testnet),
            "local" => Ok(Self::Local),
            _ => Err(UnknownNetwork),
        }
    }
}

/// The address of a service directory (SLAP): `https://` only, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlapTracker(String);

/// The text is not a tracker's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an address such as https://overlay.example")]
pub struct InvalidTracker;

impl FromStr for SlapTracker {
    type Err = InvalidTracker;

    fn from_str(text: &str) -> Result<Self, InvalidTracker> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidTracker)?;
        // HTTPS only: an attacker who can change an answer could choose the services.
        if url.scheme() != "https" {
            return Err(InvalidTracker);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// Where services are found.
#[derive(Debug, Clone)]
enum Discovery {
    /// Through these trackers; the text names the network.
    Trackers(Vec<String>, String),
    /// At one known address.
    Fixed(String),
}

/// The services of a network.
#[derive(Debug, Clone)]
pub struct Overlay {
    found: Discovery,
    service: Service,
    timeout: Duration,
}

impl Overlay {
    /// Services of this network, found through these trackers. Without trackers the network's own are used. `timeout`
    /// covers finding and asking together.
    #[must_use]
    pub fn new(network: OverlayNetwork, trackers: &[SlapTracker], timeout: Duration) -> Self {
        let through = |known: &[&str], name: &str| {
            let known = known.iter().map(|known| (*known).to_owned()).collect();
            Discovery::Trackers(known, name.to_owned())
        };
        let own: Vec<&str> = trackers.iter().map(|tracker| tracker.0.as_str()).collect();
        let found = match network {
            _ if !own.is_empty() => through(&own, &own.join(", ")),
            OverlayNetwork::Mainnet => through(&MAINNET, "mainnet"),
            OverlayNetwork::Testnet => through(&TESTNET, "testnet"),
            OverlayNetwork::Local => Discovery::Fixed(LOCAL.to_owned()),
        };
        Self {
            found,
            service: Service::default(),
            timeout,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    pub(super) const fn service(&self) -> &Service {
        &self.service
    }

    /// The advertisements of an identity, in the order of transactions and outputs.
    ///
    /// # Errors
    /// [`OverlayError::Lookup`].
    pub async fn advertisements(
        &self,
        identity: &IdentityKey,
    ) -> Result<Vec<Advertisement>, OverlayError> {
        let deadline = self.deadline();
        let hosts = self.lookup_hosts(deadline).await?;
        let question = question(SERVICE, &json!({ "identityKey": identity.to_hex() }));
        let answers = self.ask_all(&hosts, &question, deadline).await;
        let answers = answers.map_err(LookupFailure::Services)?;
        let mut found: Vec<Advertisement> = answers
            .iter()
            .flat_map(|outputs| Advertisement::read(identity, outputs))
            .collect();
        found.sort_by(|a, b| (&a.txid, a.output_index).cmp(&(&b.txid, b.output_index)));
        found.dedup_by(|a, b| a.outpoint() == b.outpoint());
        Ok(found)
    }

    /// Services that find advertisements: those of the first tracker that names any.
    async fn lookup_hosts(&self, deadline: Instant) -> Result<Vec<String>, LookupFailure> {
        let trackers = match &self.found {
            Discovery::Fixed(host) => return Ok(vec![host.clone()]),
            Discovery::Trackers(trackers, _) => trackers,
        };
        let question = question("ls_slap", &json!({ "service": SERVICE }));
        let mut failure = None;
        let mut is_answered = false;
        for tracker in trackers {
            match self.ask(tracker, &question, deadline).await {
                Ok(answer) => {
                    let hosts = hosts(ServiceRole::AnswersLookups, SERVICE, &answer);
                    if !hosts.is_empty() {
                        return Ok(hosts);
                    }
                    is_answered = true;
                }
                Err(failed) => failure = Some(failed),
            }
        }
        match failure {
            Some(failure) if !is_answered => Err(LookupFailure::Trackers(failure)),
            _ => Err(LookupFailure::NoService),
        }
    }

    /// Services that take advertisements, of all trackers.
    pub(super) async fn topic_hosts(
        &self,
        deadline: Instant,
    ) -> Result<Vec<String>, LookupFailure> {
        let trackers = match &self.found {
            Discovery::Fixed(host) => return Ok(vec![host.clone()]),
            Discovery::Trackers(trackers, _) => trackers,
        };
        let question = question("ls_ship", &json!({ "topics": [TOPIC] }));
        let answers = self.ask_all(trackers, &question, deadline).await;
        let answers = answers.map_err(LookupFailure::Trackers)?;
        Ok(hosts(ServiceRole::TakesTopic, TOPIC, &answers))
    }

    /// Asks all hosts. One answer is enough; without any, the last failure is returned.
    async fn ask_all(
        &self,
        hosts: &[String],
        question: &str,
        deadline: Instant,
    ) -> Result<Vec<Outputs>, RemoteFailure> {
        let requests = hosts.iter().map(|host| self.ask(host, question, deadline));
        let answers: Vec<_> = stream::iter(requests)
            .buffer_unordered(MAX_ASKED)
            .collect()
            .await;
        let mut found = Vec::new();
        let mut failed = Some(RemoteFailure::Unreachable);
        for answer in answers {
            match (answer, failed) {
                (Ok(outputs), _) => {
                    found.extend(outputs);
                    failed = None;
                }
                (Err(failure), Some(_)) => failed = Some(failure),
                (Err(_), None) => {}
            }
        }
        match failed {
            None => Ok(found),
            Some(failure) => Err(failure),
        }
    }

    async fn ask(
        &self,
        host: &str,
        question: &str,
        deadline: Instant,
    ) -> Result<Vec<Outputs>, RemoteFailure> {
        self.check_secure(host)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = self
            .service
            .post(Posted {
                url: &format!("{host}/lookup"),
                headers: &[
                    ("content-type", "application/json"),
                    ("x-aggregation", "yes"),
                ],
                body: question.as_bytes(),
                max_answer: MAX_ANSWER,
                timeout: left.min(LOOKUP_TIMEOUT),
            })
            .await?;
        match answer.failure() {
            Some(failure) => Err(failure),
            None => {
                answer::read(&answer.content_type, &answer.body).ok_or(RemoteFailure::Unreadable)
            }
        }
    }

    /// Only the local network works without TLS.
    pub(super) fn check_secure(&self, host: &str) -> Result<(), RemoteFailure> {
        match &self.found {
            Discovery::Trackers(..) if !host.starts_with("https:") => Err(RemoteFailure::Insecure),
            _ => Ok(()),
        }
    }
}

fn question(service: &str, query: &Value) -> String {
    json!({ "service": service, "query": query }).to_string()
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.found {
            Discovery::Trackers(_, name) => name,
            Discovery::Fixed(_) => "local",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::outbound::stand::Stand;

    fn answering(body: &'static str) -> Stand {
        Stand::start(move |stream, _| {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    #[tokio::test]
    async fn one_answer_is_enough_and_without_any_the_failure_is_told() {
        let outputs =
            answering(r#"{"type":"output-list","outputs":[{"beef":[1],"outputIndex":2}]}"#);
        let freeform = answering(r#"{"type":"freeform","result":1}"#);
        let overlay = Overlay::new(OverlayNetwork::Local, &[], Duration::from_secs(20));
        let hosts = |stands: &[&Stand]| -> Vec<String> {
            stands.iter().map(|stand| stand.url.clone()).collect()
        };
        for both in [[&freeform, &outputs], [&outputs, &freeform]] {
            let hosts = hosts(&both);
            let found = overlay.ask_all(&hosts, "{}", overlay.deadline()).await;
            assert_eq!(found.unwrap()[0].beef, [1]);
        }
        let hosts = hosts(&[&freeform]);
        let found = overlay.ask_all(&hosts, "{}", overlay.deadline()).await;
        assert_eq!(found, Err(RemoteFailure::Unreadable));
    }

    #[tokio::test]
    async fn only_the_local_network_is_asked_without_tls() {
        let outputs = answering(r#"{"type":"output-list","outputs":[]}"#);
        for network in [OverlayNetwork::Mainnet, OverlayNetwork::Testnet] {
            let overlay = Overlay::new(network, &[], Duration::from_secs(20));
            let asked = overlay.ask(&outputs.url, "{}", overlay.deadline()).await;
            assert_eq!(asked, Err(RemoteFailure::Insecure));
        }
        assert!(outputs.lines().is_empty());
    }
}
