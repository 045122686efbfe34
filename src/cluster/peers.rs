//! The other nodes, as far as they were heard. Pure: the clock is an argument.
//!
//! Each greets all others now and then, and names the nodes that it hears. That says who is there to people, and tells a node
//! that nobody hears what it publishes: its server may have been demoted behind its back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::envelope::NodeId;

/// How often a node greets the others.
pub(super) const GREETING_INTERVAL: Duration = Duration::from_secs(5);

/// Who has said nothing for so long is not there any more, as far as can be told.
const MAX_SILENCE: Duration = Duration::from_secs(16);

/// How long it is listed all the same: whoever looks wants to know who is missing.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A node that was silent for so long is not named among those that are heard.
const MAX_HEARD_AGO: Duration = Duration::from_secs(11);

/// After its first greeting, a node gives the others so long to hear it.
const TIME_TO_HEAR: Duration = Duration::from_secs(6);

/// So many greetings in a row that do not name this node: its sender does not hear it.
const MISSES: u8 = 2;

/// Nodes that a greeting names. With more of them it names none.
const MAX_NAMED: usize = 256;

/// Nodes that are listed, and characters of what each says of itself.
const MAX_PEERS: usize = 1_024;
const MAX_CHARS: usize = 255;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// What its operator calls it.
    pub(super) name: String,
    /// Of its program.
    pub(super) version: String,
    /// When it started: seconds since 1970.
    pub(super) started: u64,
    /// The nodes that it hears; none where it does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hears: Option<Vec<String>>,
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Names one run of it: 32 hexadecimal digits.
    pub node: String,
    /// What its operator calls it.
    pub name: String,
    /// Of its program.
    pub version: String,
    /// When it started: seconds since 1970.
    pub started: u64,
    /// How long ago it was heard.
    #[serde(rename = "silentSeconds", serialize_with = "whole_seconds")]
    #[schema(value_type = u64)]
    pub silent_for: Duration,
    /// Whether that is not long ago.
    pub present: bool,
}

fn whole_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_secs())
}

#[derive(Debug)]
struct Known {
    greeting: Greeting,
    heard: Instant,
    /// Its last greetings, as far as none of them named this node.
    misses: u8,
}

#[derive(Debug, Default)]
pub(super) struct Peers {
    known: HashMap<NodeId, Known>,
    /// This node, as greetings name it.
    own: String,
    /// When the others could hear it first, since it was connected.
    greeted: Option<Instant>,
}

fn named(node: &NodeId) -> String {
    hex::encode(node.split_at(8).0)
}

impl Peers {
    /// This node has this id.
    pub(super) fn name(&mut self, own: &NodeId) {
        self.own = named(own);
    }

    /// This node has greeted the others for the first time since it was connected.
    pub(super) fn greeted(&mut self, now: Instant) {
        self.greeted = Some(now);
    }

    /// The nodes that are heard, as greetings name them.
    pub(super) fn heard(&self, now: Instant) -> Option<Vec<String>> {
        let known = self.known.iter();
        let heard = known
            .filter(|(_, known)| now.saturating_duration_since(known.heard) < MAX_HEARD_AGO)
            .map(|(node, _)| named(node));
        Some(heard.collect::<Vec<_>>()).filter(|heard| heard.len() <= MAX_NAMED)
    }

    /// Whether a node that is there does not hear this one.
    pub(super) fn is_unheard(&self, now: Instant) -> bool {
        let mut known = self.known.values();
        known.any(|known| {
            known.misses >= MISSES && now.saturating_duration_since(known.heard) < MAX_SILENCE
        })
    }

    /// Takes a greeting in; gives it back where it is the node's first.
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
        let known = Known {
            greeting: greeting.clone(),
            heard: now,
            misses,
        };
        self.known.insert(node, known);
        before.is_none().then_some(greeting)
    }

    /// Who was heard, by name and start.
    pub(super) fn list(&self, now: Instant) -> Vec<Peer> {
        let peer = |(node, known): (&NodeId, &Known)| {
            let silent_for = now.saturating_duration_since(known.heard);
            let greeting = &known.greeting;
            Peer {
                node: hex::encode(node),
                name: greeting.name.clone(),
                version: greeting.version.clone(),
                started: greeting.started,
                silent_for,
                present: silent_for < MAX_SILENCE,
            }
        };
        let mut peers: Vec<Peer> = self.known.iter().map(peer).collect();
        peers.retain(|peer| peer.silent_for < REMEMBERED);
        peers.sort_by(|one, other| {
            let key = |peer: &Peer| (peer.name.clone(), peer.started, peer.node.clone());
            key(one).cmp(&key(other))
        });
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
        let mut peers = Peers::default();
        peers.name(&[0xab; 16]);
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
        // The other has not had the time, then it has.
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
        // A node that does not say whom it hears says nothing of this one.
        peers.hear([1; 16], &greeting("b", 1), at(45));
        assert!(!peers.is_unheard(at(45)));
        assert_eq!(peers.heard(at(55)), Some(vec!["01".repeat(8)]));
        assert_eq!(peers.heard(at(56)), Some(Vec::new()));
    }

    #[test]
    fn who_greets_is_there_and_who_is_silent_is_missed_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut peers = Peers::default();
        assert_eq!(peers.list(at(0)), []);
        let first = peers.hear([2; 16], &greeting("b", 7), at(0)).unwrap();
        assert_eq!((&*first.name, first.started), ("b", 7));
        assert!(peers.hear([1; 16], &greeting("a", 9), at(10)).is_some());
        assert_eq!(peers.hear([1; 16], &greeting("a", 9), at(15)), None);
        let seen = |seconds| {
            let peers = peers.list(at(seconds));
            let seen = |peer: Peer| (peer.name, peer.silent_for.as_secs(), peer.present);
            peers.into_iter().map(seen).collect::<Vec<_>>()
        };
        assert_eq!(
            seen(20),
            [("a".to_owned(), 5, true), ("b".to_owned(), 20, false)]
        );
        assert_eq!(seen(604), [("a".to_owned(), 589, false)]);
        assert_eq!(seen(615), []);
        // Another run under the same name is another node.
        assert!(peers.hear([3; 16], &greeting("b", 8), at(700)).is_some());
        let listed = peers.list(at(700));
        assert_eq!((listed.len(), &*listed[0].node), (1, &*"03".repeat(16)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let now = Instant::now();
        let mut peers = Peers::default();
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
