//! Overlay services: which there are, what they know of an identity, and what they are given.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bsv::services::overlay_tools::{
    LookupAnswer, LookupQuestion, LookupResolver, LookupResolverConfig, Network, TopicBroadcaster,
    TopicBroadcasterConfig,
};
use serde_json::json;
use thiserror::Error;
use url::Url;

use crate::ids::IdentityKey;

use super::advertisement::{Advertisement, SERVICE, TOPIC};
use super::error::OverlayError;

/// Which overlay network, as the published clients name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlayNetwork {
    /// That of the main chain.
    #[default]
    Mainnet,
    /// That of the test chain.
    Testnet,
    /// One service at `http://localhost:8080`, for development.
    Local,
}

/// A text names no network.
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

/// Where it is asked which services there are (SLAP): an address that begins with `https://`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker(String);

/// A text is no tracker's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an address such as https://overlay.example")]
pub struct NoTracker;

impl FromStr for Tracker {
    type Err = NoTracker;

    fn from_str(text: &str) -> Result<Self, NoTracker> {
        let url = Url::parse(text.trim()).map_err(|_| NoTracker)?;
        // The SDK asks no others.
        if url.scheme() != "https" {
            return Err(NoTracker);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// The services of a network.
#[derive(Debug, Clone)]
pub struct Overlay {
    network: Network,
    timeout: Duration,
}

impl Overlay {
    /// The services of this network, found through these trackers or, where there are none, through its own. Each
    /// question may take as long as `timeout`.
    #[must_use]
    pub fn new(network: OverlayNetwork, trackers: &[Tracker], timeout: Duration) -> Self {
        let network = match network {
            _ if !trackers.is_empty() => {
                Network::Custom(trackers.iter().map(|tracker| tracker.0.clone()).collect())
            }
            OverlayNetwork::Mainnet => Network::Mainnet,
            OverlayNetwork::Testnet => Network::Testnet,
            OverlayNetwork::Local => Network::Local,
        };
        Self { network, timeout }
    }

    /// What they know of an identity, in the order of transactions and outputs.
    ///
    /// # Errors
    /// [`OverlayError::Lookup`].
    pub async fn advertisements(
        &self,
        identity: &IdentityKey,
    ) -> Result<Vec<Advertisement>, OverlayError> {
        let question = LookupQuestion {
            service: SERVICE.to_owned(),
            query: json!({ "identityKey": identity.to_hex() }),
        };
        let resolver = self.resolver();
        // Finding the services comes before the question.
        let asked = tokio::time::timeout(self.timeout, resolver.query(&question, None)).await;
        let answer = asked
            .map_err(|_| OverlayError::Lookup("no answer came in time".to_owned()))?
            .map_err(|error| OverlayError::Lookup(error.to_string()))?;
        let LookupAnswer::OutputList { outputs } = answer else {
            let what = "the answer is no list of outputs";
            return Err(OverlayError::Lookup(what.to_owned()));
        };
        let mut found: Vec<Advertisement> = outputs
            .iter()
            .flat_map(|output| Advertisement::read(identity, &output.beef, output.output_index))
            .collect();
        found.sort_by(|a, b| (&a.txid, a.output_index).cmp(&(&b.txid, b.output_index)));
        found.dedup_by(|a, b| a.outpoint() == b.outpoint());
        Ok(found)
    }

    /// Gives a transaction, as a plain BEEF, to all of them that take advertisements.
    ///
    /// # Errors
    /// [`OverlayError::Submit`] unless one of them has taken it.
    pub(super) async fn submit(&self, txid: &str, beef: Vec<u8>) -> Result<(), OverlayError> {
        let refused = |cause: String| OverlayError::Submit {
            txid: txid.to_owned(),
            cause,
        };
        let config = TopicBroadcasterConfig {
            network: self.network.clone(),
            ..TopicBroadcasterConfig::default()
        };
        let broadcaster = TopicBroadcaster::new(vec![TOPIC.to_owned()], config, self.resolver())
            .map_err(|error| refused(error.to_string()))?;
        // The SDK would wait for ever.
        let sent = tokio::time::timeout(self.timeout, broadcaster.broadcast_beef(beef)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => Err(refused(failure.description)),
            Err(_) => Err(refused("no answer came in time".to_owned())),
        }
    }

    /// A new one each time: it would keep what it learnt of services that were away.
    fn resolver(&self) -> LookupResolver {
        LookupResolver::new(LookupResolverConfig {
            network: self.network.clone(),
            ..LookupResolverConfig::default()
        })
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.network {
            Network::Mainnet => f.write_str("mainnet"),
            Network::Testnet => f.write_str("testnet"),
            Network::Local => f.write_str("local"),
            Network::Custom(trackers) => f.write_str(&trackers.join(", ")),
        }
    }
}
