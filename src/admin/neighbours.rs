//! What is said of the other nodes: the part of the status, and the same as metrics.

use serde::Serialize;
use utoipa::ToSchema;

use crate::cluster::{Cluster, ClusterPeer, NonceStatus};

use super::families::Families;

/// What goes on between this node and the others. Events count once for each node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPart {
    /// Whether Redis answers: else events do not cross.
    pub connected: bool,
    /// Connections after the first.
    pub reconnects: u64,
    /// Events that Redis has taken of this node.
    pub published: u64,
    /// Events that came from other nodes.
    pub received: u64,
    /// Those of them that were not delivered before.
    pub delivered: u64,
    /// What was published and is no event of a node: forged, repeated, or of another version.
    pub refused: u64,
    /// Events that had no room on their way, in or out; they are read from the database later.
    pub dropped: u64,
    /// Events for other nodes that had no room even there: their recipients find them by listing.
    pub lost: u64,
    /// Events that were read from the database and delivered, here or to other nodes.
    pub caught_up: u64,
    /// Nonces of requests; null where no session goes on at another node, so that none are shared.
    pub nonces: Option<NoncesPart>,
    /// The other nodes that were heard in the last ten minutes, by name.
    pub peers: Vec<PeerPart>,
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerPart {
    /// Names one run of it: 32 hexadecimal digits.
    pub node: String,
    /// What its operator calls it (`cluster.node_name`).
    pub name: String,
    /// Of its program.
    pub version: String,
    /// When it started: seconds since 1970.
    pub started: u64,
    /// Seconds since it was heard. Each greets the others every five.
    pub silent_seconds: u64,
    /// Whether that is less than 16.
    pub present: bool,
}

/// What this node and the others tell each other of requests that were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoncesPart {
    /// Whether Redis answers in time.
    pub connected: bool,
    /// Requests of which Redis said whether a node had served them.
    pub checked: u64,
    /// Those that one had.
    pub repeated: u64,
    /// Requests of which that was not known, because Redis did not answer in time.
    pub unchecked: u64,
    /// Those that Redis is told of once it is back.
    pub waiting: usize,
    /// Those for which there was no room to remember them until then.
    pub forgotten: u64,
}

impl From<&Cluster> for ClusterPart {
    fn from(cluster: &Cluster) -> Self {
        let status = cluster.status();
        Self {
            connected: status.connected,
            reconnects: status.reconnects,
            published: status.published,
            received: status.received,
            delivered: status.delivered,
            refused: status.refused,
            dropped: status.dropped,
            lost: status.lost,
            caught_up: status.caught_up,
            nonces: cluster.nonce_status().map(NoncesPart::from),
            peers: cluster.peers().into_iter().map(PeerPart::from).collect(),
        }
    }
}

impl From<ClusterPeer> for PeerPart {
    fn from(peer: ClusterPeer) -> Self {
        Self {
            node: peer.node,
            name: peer.name,
            version: peer.version,
            started: peer.started,
            silent_seconds: peer.silent_for.as_secs(),
            present: peer.present,
        }
    }
}

impl From<NonceStatus> for NoncesPart {
    fn from(status: NonceStatus) -> Self {
        Self {
            connected: status.connected,
            checked: status.checked,
            repeated: status.repeated,
            unchecked: status.unchecked,
            waiting: status.waiting,
            forgotten: status.forgotten,
        }
    }
}

/// Nothing where there are no other nodes.
pub(super) fn metrics(families: &mut Families, cluster: Option<&ClusterPart>) {
    let Some(cluster) = cluster else {
        return;
    };
    let nonces = cluster.nonces.as_ref();
    let connected = [
        Some(("events", cluster.connected)),
        nonces.map(|nonces| ("nonces", nonces.connected)),
    ];
    families.gauges(
        "cluster_connected",
        "Whether Redis answers, by what it is asked for.",
        connected
            .into_iter()
            .flatten()
            .map(|(kind, connected)| (Some(("kind", kind)), connected.into())),
    );
    let present = cluster.peers.iter().filter(|peer| peer.present).count();
    families.gauges(
        "cluster_peers",
        "Other nodes that were heard in the last ten minutes, by whether they still are.",
        [
            ("present", present),
            ("silent", cluster.peers.len() - present),
        ]
        .map(|(state, count)| (Some(("state", state)), count.into())),
    );
    families.counter(
        "cluster_reconnects_total",
        "Connections to Redis for events after the first.",
        cluster.reconnects,
    );
    let outcomes = [
        ("published", cluster.published),
        ("received", cluster.received),
        ("delivered", cluster.delivered),
        ("refused", cluster.refused),
        ("dropped", cluster.dropped),
        ("lost", cluster.lost),
        ("caught_up", cluster.caught_up),
    ];
    families.counters(
        "cluster_events_total",
        "Events of rooms between nodes, by what became of them.",
        outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count.into())),
    );
    let Some(nonces) = nonces else {
        return;
    };
    let outcomes = [
        ("checked", nonces.checked),
        ("repeated", nonces.repeated),
        ("unchecked", nonces.unchecked),
        ("forgotten", nonces.forgotten),
    ];
    families.counters(
        "cluster_nonces_total",
        "Nonces of requests, by what Redis has said of them.",
        outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count.into())),
    );
    families.gauge(
        "cluster_nonces_waiting",
        "Nonces that Redis is told of once it is back.",
        nonces.waiting,
    );
}
