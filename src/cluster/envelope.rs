//! The envelopes of messages between nodes: events and greetings. Pure.
//!
//! ```text
//! version 1   node 16   sequence 8   mac 16   kind 1   body
//! event:      key 16    id 8         trace 4   length of room 4   room   event
//! greeting:   text
//! ```
//!
//! The MAC is the first half of an HMAC-SHA256 over everything else. Only holders of the server's private key can derive its
//! key. The sequence of a node ascends, so a recorded message cannot be replayed to a node that received it.
//! The id is that of the message and the trace that of its log lines. Unknown ones are 0.

use std::num::NonZeroUsize;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lru::LruCache;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::ids::RoomId;
use crate::rooms::{ClusterEvent, EventKey};
use crate::telemetry::TraceId;

const VERSION: u8 = 1;
const NODE: usize = 16;
const MAC: usize = 16;
/// The length of version, node and sequence.
const HEAD: usize = 1 + NODE + 8;

/// Nodes whose last sequences are kept. Each start of a server makes a new node.
const MAX_NODES: NonZeroUsize = match NonZeroUsize::new(4_096) {
    Some(max) => max,
    None => NonZeroUsize::MIN,
};

/// The kinds of content. Openers track the sequences of each kind, so greetings need not wait behind events.
const EVENT: u8 = 0;
const GREETING: u8 = 1;

/// The id of one run of one server.
pub(super) type NodeId = [u8; NODE];

/// Why an envelope is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum EnvelopeError {
    #[error("not an envelope")]
    Shape,
    #[error("version {0}; this server knows {VERSION}")]
    Version(u8),
    #[error("not made with this server's private key")]
    Mac,
    #[error("repeated")]
    Repeated,
}

/// The content of an opened envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// Our own message, sent back by Redis.
    Own,
    /// An event of another node.
    Event(ClusterEvent),
    /// A greeting of another node.
    Greeting(NodeId, Bytes),
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key).expect("any length")
}

fn mac(mac: &Hmac<Sha256>, head: &[u8], rest: &[u8]) -> [u8; MAC] {
    let mut mac = mac.clone();
    mac.update(head);
    mac.update(rest);
    let full: [u8; 32] = mac.finalize().into_bytes().into();
    let mut half = [0; MAC];
    half.copy_from_slice(full.split_at(MAC).0);
    half
}

/// Seals the envelopes of one node.
#[derive(Debug)]
pub(super) struct Sealer {
    mac: Hmac<Sha256>,
    node: NodeId,
    /// The last sequence.
    sequence: u64,
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32], node: NodeId) -> Self {
        Self {
            mac: keyed(key),
            node,
            sequence: 0,
        }
    }

    /// Seals an event under the next sequence.
    pub(super) fn seal(&mut self, event: &ClusterEvent) -> Vec<u8> {
        let room = event.room.as_str().as_bytes();
        // A room id came in one packet, so its length fits.
        let room_length = u32::try_from(room.len()).unwrap_or(u32::MAX);
        self.envelope(
            EVENT,
            &[
                event.key.as_bytes(),
                &event.id.unwrap_or(0).to_be_bytes(),
                &TraceId::to_bytes(event.trace),
                &room_length.to_be_bytes(),
                room,
                &event.event,
            ],
        )
    }

    /// Seals a greeting under the next sequence.
    pub(super) fn seal_greeting(&mut self, greeting: &[u8]) -> Vec<u8> {
        self.envelope(GREETING, &[greeting])
    }

    fn envelope(&mut self, kind: u8, body: &[&[u8]]) -> Vec<u8> {
        self.sequence += 1;
        let length: usize = body.iter().map(|part| part.len()).sum();
        let mut sealed = Vec::with_capacity(HEAD + MAC + 1 + length);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.node);
        sealed.extend_from_slice(&self.sequence.to_be_bytes());
        sealed.extend_from_slice(&[0; MAC]);
        sealed.push(kind);
        for part in body {
            sealed.extend_from_slice(part);
        }
        let (head, rest) = sealed.split_at_mut(HEAD);
        let (place, rest) = rest.split_at_mut(MAC);
        place.copy_from_slice(&mac(&self.mac, head, rest));
        sealed
    }
}

/// Opens the envelopes of other nodes.
#[derive(Debug)]
pub(super) struct Opener {
    mac: Hmac<Sha256>,
    own: NodeId,
    sequences: LruCache<(NodeId, u8), u64>,
}

impl Opener {
    pub(super) fn new(key: &[u8; 32], own: NodeId) -> Self {
        Self {
            mac: keyed(key),
            own,
            sequences: LruCache::new(MAX_NODES),
        }
    }

    /// Checks an envelope and returns its content without copying it.
    pub(super) fn open(&mut self, sealed: &Bytes) -> Result<Opened, EnvelopeError> {
        let version = *sealed.first().ok_or(EnvelopeError::Shape)?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let (head, rest) = sealed.split_at_checked(HEAD).ok_or(EnvelopeError::Shape)?;
        let (node, sequence) = head
            .get(1..)
            .and_then(|head| head.split_first_chunk::<NODE>())
            .ok_or(EnvelopeError::Shape)?;
        if *node == self.own {
            return Ok(Opened::Own);
        }
        let (given, rest) = rest
            .split_first_chunk::<MAC>()
            .ok_or(EnvelopeError::Shape)?;
        let expected = mac(&self.mac, head, rest);
        if !bool::from(expected.as_slice().ct_eq(given)) {
            return Err(EnvelopeError::Mac);
        }
        let sequence = sequence.try_into().map_err(|_| EnvelopeError::Shape)?;
        let sequence = u64::from_be_bytes(sequence);
        let (kind, opened) = match rest.split_first() {
            Some((&EVENT, body)) => (EVENT, Opened::Event(event(sealed, body)?)),
            Some((&GREETING, body)) => (GREETING, Opened::Greeting(*node, sealed.slice_ref(body))),
            _ => return Err(EnvelopeError::Shape),
        };
        let series = (*node, kind);
        let last = self.sequences.get(&series);
        if last.is_some_and(|last| sequence <= *last) {
            return Err(EnvelopeError::Repeated);
        }
        self.sequences.put(series, sequence);
        Ok(opened)
    }
}

fn event(sealed: &Bytes, body: &[u8]) -> Result<ClusterEvent, EnvelopeError> {
    let (key, rest) = body.split_first_chunk().ok_or(EnvelopeError::Shape)?;
    let (id, rest) = rest.split_first_chunk().ok_or(EnvelopeError::Shape)?;
    let id = i64::from_be_bytes(*id);
    let (trace, rest) = rest.split_first_chunk().ok_or(EnvelopeError::Shape)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(EnvelopeError::Shape)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| EnvelopeError::Shape)?;
    let (room, event) = rest.split_at_checked(length).ok_or(EnvelopeError::Shape)?;
    let room = std::str::from_utf8(room).map_err(|_| EnvelopeError::Shape)?;
    Ok(ClusterEvent {
        room: RoomId::new(room),
        key: EventKey::from_bytes(*key),
        id: (id != 0).then_some(id),
        trace: TraceId::from_bytes(*trace),
        event: sealed.slice_ref(event),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(room: &str, text: &str) -> ClusterEvent {
        ClusterEvent {
            room: RoomId::new(room),
            key: EventKey::of_message(room, text, ""),
            id: text.bytes().next().map(i64::from),
            trace: text
                .bytes()
                .last()
                .and_then(|byte| TraceId::from_bytes([0, 0, 0, byte])),
            event: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[test]
    fn what_was_sealed_is_opened_once_by_every_other_node() {
        let mut sealer = Sealer::new(&[7; 32], [1; NODE]);
        let mut openers = [2, 3].map(|node| Opener::new(&[7; 32], [node; NODE]));
        for text in ["", "a", "some event"] {
            let envelope: Bytes = sealer.seal(&event("room", text)).into();
            for opener in &mut openers {
                assert_eq!(
                    opener.open(&envelope),
                    Ok(Opened::Event(event("room", text)))
                );
                assert_eq!(opener.open(&envelope), Err(EnvelopeError::Repeated));
            }
            let own = Opener::new(&[7; 32], [1; NODE]).open(&envelope);
            assert_eq!(own, Ok(Opened::Own));
        }
    }

    #[test]
    fn what_was_recorded_earlier_is_not_taken_later() {
        let mut sealer = Sealer::new(&[7; 32], [1; NODE]);
        let mut opener = Opener::new(&[7; 32], [2; NODE]);
        let [first, second] = ["1", "2"].map(|text| Bytes::from(sealer.seal(&event("r", text))));
        assert!(opener.open(&second).is_ok());
        assert_eq!(opener.open(&first), Err(EnvelopeError::Repeated));
    }

    #[test]
    fn another_key_or_version_is_refused_and_says_nothing_of_a_sequence() {
        let mut opener = Opener::new(&[7; 32], [2; NODE]);
        let mut forged = Sealer::new(&[8; 32], [1; NODE]);
        forged.sequence = 1_000;
        let forged: Bytes = forged.seal(&event("r", "x")).into();
        assert_eq!(opener.open(&forged), Err(EnvelopeError::Mac));
        let good = Sealer::new(&[7; 32], [1; NODE]).seal(&event("r", "x"));
        let mut later = good.clone();
        later[0] = 2;
        assert_eq!(opener.open(&later.into()), Err(EnvelopeError::Version(2)));
        assert!(opener.open(&good.into()).is_ok());
    }

    #[test]
    fn greetings_and_events_do_not_hold_each_other_up() {
        let mut sealer = Sealer::new(&[7; 32], [1; NODE]);
        let mut opener = Opener::new(&[7; 32], [2; NODE]);
        let waiting: Bytes = sealer.seal(&event("r", "first")).into();
        let greetings = [(); 2].map(|()| Bytes::from(sealer.seal_greeting(b"hello")));
        let hello = || Ok(Opened::Greeting([1; NODE], Bytes::from_static(b"hello")));
        assert_eq!(opener.open(&greetings[1]), hello());
        assert_eq!(opener.open(&greetings[0]), Err(EnvelopeError::Repeated));
        assert_eq!(
            opener.open(&waiting),
            Ok(Opened::Event(event("r", "first")))
        );
    }

    proptest! {
        #[test]
        fn no_byte_can_be_changed(room in ".{0,9}", text in ".{0,40}", at: proptest::sample::Index, bit in 0..8_u8) {
            let mut sealed = Sealer::new(&[7; 32], [1; NODE]).seal(&event(&room, &text));
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(Opener::new(&[7; 32], [2; NODE]).open(&sealed.into()).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(Opener::new(&[7; 32], [2; NODE]).open(&bytes.into()).is_err());
        }
    }
}
