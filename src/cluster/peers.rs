//! The other nodes, as far as they were heard. Pure: the clock is an argument.
//!
//! Each greets all others now and then. That says who is there to people; nothing that is delivered depends on it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::envelope::NodeId;

/// How often a node greets the others.
pub(super) const GREETING_INTERVAL: Duration = Duration::from_secs(5);

/// Who has said nothing for so long is not there any more, as far as can be told.
const MAX_SILENCE: Duration = Duration::from_secs(16);

/// How long it is listed all the same: whoever looks wants to know who is missing.
const REMEMBERED: Duration = Duration::from_secs(600);

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
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub silent_for: Duration,
    /// Whether that is not long ago.
    pub present: bool,
}

#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<NodeId, (Greeting, Instant)>);

impl Peers {
    /// Takes a greeting in; gives it back where it is the node's first.
    pub(super) fn hear(&mut self, node: NodeId, greeting: &[u8], now: Instant) -> Option<Greeting> {
        let mut greeting: Greeting = serde_json::from_slice(greeting).ok()?;
        for text in [&mut greeting.name, &mut greeting.version] {
            *text = text.chars().take(MAX_CHARS).collect();
        }
        self.0
            .retain(|_, (_, heard)| now.saturating_duration_since(*heard) < REMEMBERED);
        let is_new = !self.0.contains_key(&node);
        if is_new && self.0.len() >= MAX_PEERS {
            return None;
        }
        self.0.insert(node, (greeting.clone(), now));
        is_new.then_some(greeting)
    }

    /// Who was heard, by name and start.
    pub(super) fn list(&self, now: Instant) -> Vec<Peer> {
        let peer = |(node, (greeting, heard)): (&NodeId, &(Greeting, Instant))| {
            let silent_for = now.saturating_duration_since(*heard);
            Peer {
                node: hex::encode(node),
                name: greeting.name.clone(),
                version: greeting.version.clone(),
                started: greeting.started,
                silent_for,
                present: silent_for < MAX_SILENCE,
            }
        };
        let mut peers: Vec<Peer> = self.0.iter().map(peer).collect();
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
        };
        serde_json::to_vec(&greeting).unwrap()
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
