//! The other nodes, as their greetings show them. Pure: the clock is an argument.
//!
//! Each node greets all others regularly and names the nodes that it receives. Operators see which nodes are present. A node
//! also notices when others do not receive its events: its Redis may have been demoted unnoticed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::envelope::NodeId;
use super::timing::{MAX_HEARD_AGO, MAX_SILENCE, REMEMBERED, TIME_TO_HEAR};

/// After so many greetings in a row that do not name this node, their sender does not receive it.
const MISSES: u8 = 2;

/// Largest number of nodes that a greeting names. With more of them it names none.
const MAX_NAMED: usize = 256;

/// Largest number of listed nodes, and of characters of each of their texts.
const MAX_PEERS: usize = 1_024;
const MAX_CHARS: usize = 255;

/// How a node describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// The name that its operator gave it.
    pub(super) name: String,
    /// The version of its program.
    pub(super) version: String,
    /// Its start in seconds since 1970.
    pub(super) started: u64,
    /// The nodes that it receives; `None` if it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hears: Option<Vec<String>>,
}

/// Another node of the cluster, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPeer {
    /// The id of one run of the node: 32 hexadecimal digits.
    pub node: String,
    /// The name that its operator gave it.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Its start in seconds since 1970.
    pub started: u64,
    /// The time since its last greeting.
    #[serde(rename = "silentSeconds", serialize_with = "whole_seconds")]
    #[schema(value_type = u64)]
    pub silent_for: Duration,
    /// Whether that time is short enough.
    pub present: bool,
}

fn whole_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_secs())
}

#[derive(Debug)]
struct KnownNode {
    greeting: Greeting,
    heard: Instant,
    /// The number of its last greetings in a row that did not name this node.
    misses: u8,
}

#[derive(Debug, Default)]
pub(super) struct PeerTable {
    known: HashMap<NodeId, KnownNode>,
    /// This node, as greetings name it.
    own: String,
    /// When this node first greeted since it connected.
    greeted: Option<Instant>,
}

fn named(node: &NodeId) -> String {
    hex::encode(node.split_at(8).0)
}

impl PeerTable {
    /// Sets the id of this node.
    pub(super) fn set_own(&mut self, own: &NodeId) {
        self.own = named(own);
    }

    /// Records the first greeting of this node since it connected.
    pub(super) fn greeted(&mut self, now: Instant) {
        self.greeted = Some(now);
    }

    /// The nodes that are received, as greetings name them.
    pub(super) fn heard(&self, now: Instant) -> Option<Vec<String>> {
        let known = self.known.iter();
        let heard = known
            .filter(|(_, known)| now.saturating_duration_since(known.heard) < MAX_HEARD_AGO)
            .map(|(node, _)| named(node));
        Some(heard.collect::<Vec<_>>()).filter(|heard| heard.len() <= MAX_NAMED)
    }

    /// Whether a present node does not receive this one.
    pub(super) fn is_unheard(&self, now: Instant) -> bool {
        let mut known = self.known.values();
        known.any(|known| {
            known.misses >= MISSES && now.saturating_duration_since(known.heard) < MAX_SILENCE
        })
    }

    /// Records a greeting. Returns it if it is the first one of its node.
    pub(super) fn hear(&mut self, node: NodeId, greeting: &[u8], now: Instant) -> Option<Greeting> {
        let mut greeting: Greeting = serde_json::from_slice(greeting).ok()?;
        for text in [&mut greeting.name, &mut greeting.version] {
            *text = text.chars().take(MAX_CHARS).collect();
        }
        self.known
            .retain(|_, known| now.saturating_duration_since(known.heard) < REMEMBERED);
        let before = self.known.get(&node).map(|known| known.misses);
        if before.is_none() && self.known.len() >= MAX_PEERS {
            return None;
        }
        let misses = before.unwrap_or(0);
        let had_time = self
            .greeted
            .is_some_and(|since| now.saturating_duration_since(since) >= TIME_TO_HEAR);
        let misses = match greeting.hears.take() {
            Some(heard) if !heard.contains(&self.own) => misses.saturating_add(had_time.into()),
            _ => 0,
        };
        let known = KnownNode {
            greeting: greeting.clone(),
            heard: now,
            misses,
        };
        self.known.insert(node, known);
        before.is_none().then_some(greeting)
    }

    /// The known nodes, sorted by name and start.
    pub(super) fn list(&self, now: Instant) -> Vec<ClusterPeer> {
        let peer = |(node, known): (&NodeId, &KnownNode)| {
            let silent_for = now.saturating_duration_since(known.heard);
            let greeting = &known.greeting;
            ClusterPeer {
                node: hex::encode(node),
                name: greeting.name.clone(),
                version: greeting.version.clone(),
                started: greeting.started,
                silent_for,
                present: silent_for < MAX_SILENCE,
            }
        };
        let mut peers: Vec<ClusterPeer> = self.known.iter().map(peer).collect();
        peers.retain(|peer| peer.silent_for < REMEMBERED);
        peers.sort_by_key(|peer| (peer.name.clone(), peer.started, peer.node.clone()));
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(name: &str, started: u64) -> Vec<u8> {
        let greeting = Greeting {
            name: name.to_owned(),
            version: "1".to_owned(),
            started,
            hears: None,
        };
        serde_json::to_vec(&greeting).unwrap()
    }

    #[test]
    fn a_node_that_others_do_not_name_is_unheard_until_they_do() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut peers = PeerTable::default();
        peers.set_own(&[0xab; 16]);
        let hearing = |hears: &[&str]| {
            let hears = hears.iter().map(|node| (*node).to_owned()).collect();
            let greeting = Greeting {
                name: "b".to_owned(),
                version: "1".to_owned(),
                started: 1,
                hears: Some(hears),
            };
            serde_json::to_vec(&greeting).unwrap()
        };
        let own = "abababababababab";
        peers.greeted(at(0));
        // At first the other node has not had the time to receive this one.
        let greetings: [(u64, &[&str], bool); 7] = [
            (5, &[], false),
            (10, &[], false),
            (15, &["0000000000000000"], true),
            (20, &[own], false),
            (25, &[], false),
            (30, &["0000000000000000", own], false),
            (35, &[], false),
        ];
        for (second, hears, expected) in greetings {
            peers.hear([1; 16], &hearing(hears), at(second));
            assert_eq!(peers.is_unheard(at(second)), expected, "{second}");
        }
        peers.hear([1; 16], &hearing(&[]), at(40));
        assert!(peers.is_unheard(at(55)) && !peers.is_unheard(at(56)));
        // A greeting that names no nodes tells nothing about this one.
        peers.hear([1; 16], &greeting("b", 1), at(45));
        assert!(!peers.is_unheard(at(45)));
        assert_eq!(peers.heard(at(55)), Some(vec!["01".repeat(8)]));
        assert_eq!(peers.heard(at(56)), Some(Vec::new()));
    }

    #[test]
    fn who_greets_is_there_and_who_is_silent_is_missed_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut peers = PeerTable::default();
        assert_eq!(peers.list(at(0)), []);
        let first = peers.hear([2; 16], &greeting("b", 7), at(0)).unwrap();
        assert_eq!((&*first.name, first.started), ("b", 7));
        assert!(peers.hear([1; 16], &greeting("a", 9), at(10)).is_some());
        assert_eq!(peers.hear([1; 16], &greeting("a", 9), at(15)), None);
        let seen = |seconds| {
            let peers = peers.list(at(seconds));
            let seen = |peer: ClusterPeer| (peer.name, peer.silent_for.as_secs(), peer.present);
            peers.into_iter().map(seen).collect::<Vec<_>>()
        };
        assert_eq!(
            seen(20),
            [("a".to_owned(), 5, true), ("b".to_owned(), 20, false)]
        );
        assert_eq!(seen(604), [("a".to_owned(), 589, false)]);
        assert_eq!(seen(615), []);
        // A second run under the same name is a node of its own.
        assert!(peers.hear([3; 16], &greeting("b", 8), at(700)).is_some());
        let listed = peers.list(at(700));
        assert_eq!((listed.len(), &*listed[0].node), (1, &*"03".repeat(16)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let now = Instant::now();
        let mut peers = PeerTable::default();
        for text in [&b""[..], b"[]", b"{}", b"{\"name\":7}", b"\xff"] {
            assert_eq!(peers.hear([1; 16], text, now), None);
        }
        assert_eq!(peers.list(now), []);
        for n in 0..u16::try_from(MAX_PEERS).unwrap() + 9 {
            let mut node = [0; 16];
            node[..2].copy_from_slice(&n.to_be_bytes());
            peers.hear(node, &greeting(&"x".repeat(300), 1), now);
        }
        let listed = peers.list(now);
        assert_eq!(listed.len(), MAX_PEERS);
        assert!(listed.iter().all(|peer| peer.name.len() == MAX_CHARS));
    }
}
