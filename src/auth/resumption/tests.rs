//! What a nonce gives back, and every way in which it may not.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::auth::{AuthError, AuthMessage, InitialResponse, Peer, PeerConfig, Session};

const HOUR: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds)
}

fn server() -> Identity {
    let mut bytes = [0; 32];
    bytes[31] = 5;
    Identity::from_bytes(bytes).unwrap()
}

/// A process of the server: what it has in memory is its own.
fn process() -> Resumption {
    remembering(100)
}

fn remembering(max: usize) -> Resumption {
    Resumption::new(&server(), HOUR, NonZeroUsize::new(max).unwrap()).unwrap()
}

fn begin(process: &Resumption, peer: &IdentityKey, peer_nonce: &[u8]) -> String {
    let peer_nonce = STANDARD.encode(peer_nonce);
    let nonce = process.nonce(Purpose::Requests, peer, &peer_nonce, at(0));
    nonce.unwrap()
}

fn open(process: &Resumption, nonce: &str, peer: IdentityKey, now: u64) -> Option<Resumable> {
    process.open(Purpose::Requests, nonce, peer, at(now))
}

#[test]
fn another_process_reads_what_the_session_is() {
    let (first, second) = (process(), process());
    let peer = Identity::random().identity_key();
    for length in 1..=MAX_PEER_NONCE_BYTES {
        let bytes: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        let nonce = begin(&first, &peer, &bytes);
        // One decoding of both nonces together must not end at ours, whoever comes first.
        assert!(nonce.len().is_multiple_of(4) && !nonce.contains('='));
        assert!(STANDARD.decode(&nonce).unwrap().len() <= MAX_NONCE_BYTES);
        let opened = open(&second, &nonce, peer, 1).unwrap();
        assert_eq!(opened.own_nonce, nonce);
        assert_eq!(opened.peer_nonce, STANDARD.encode(&bytes));
        assert_eq!(opened.peer, peer);
        // Key ids are at most 800 characters.
        let message_nonce = STANDARD.encode([0; MAX_NONCE_BYTES]);
        assert!(message_nonce.len() + 1 + nonce.len() <= 800);
    }
}

#[test]
fn no_two_nonces_are_alike() {
    let process = process();
    let peer = Identity::random().identity_key();
    assert_ne!(
        begin(&process, &peer, &[1; 48]),
        begin(&process, &peer, &[1; 48])
    );
}

#[test]
fn a_nonce_that_would_not_come_out_as_it_was_written_stays_in_memory() {
    let process = process();
    let peer = Identity::random().identity_key();
    let nonce = |text: &str| process.nonce(Purpose::Requests, &peer, text, at(0));
    let padded = STANDARD.encode([1; 32]);
    assert!(nonce(&padded).is_some());
    assert_eq!(nonce(padded.trim_end_matches('=')), None);
    assert_eq!(nonce(&STANDARD.encode([1; MAX_PEER_NONCE_BYTES + 1])), None);
    assert_eq!(nonce("-_-_"), None);
}

#[test]
fn every_changed_bit_and_every_other_length_is_refused() {
    let (first, second) = (process(), process());
    let peer = Identity::random().identity_key();
    for length in [32, 47, 48] {
        let nonce = begin(&first, &peer, &vec![7; length]);
        assert!(open(&second, &nonce, peer, 0).is_some());
        let bytes = STANDARD.decode(&nonce).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open(&second, &STANDARD.encode(changed), peer, 0),
                None,
                "{bit}"
            );
        }
        for end in 0..bytes.len() {
            let short = STANDARD.encode(&bytes[..end]);
            assert_eq!(open(&second, &short, peer, 0), None, "{end}");
        }
        for more in 1..9 {
            let long = STANDARD.encode([bytes.clone(), vec![0; more]].concat());
            assert_eq!(open(&second, &long, peer, 0), None, "{more}");
        }
        assert_eq!(open(&second, &format!("{nonce}===="), peer, 0), None);
        assert_eq!(open(&second, &format!(" {nonce}"), peer, 0), None);
    }
    let huge = "A".repeat(100_000);
    for text in ["", "=", "!!!!", huge.as_str()] {
        assert_eq!(open(&second, text, peer, 0), None);
    }
}

proptest! {
    /// The form is right, and any length of the counterparty's nonce may be claimed.
    #[test]
    fn nothing_made_up_opens(mut bytes in vec(any::<u8>(), 0..140), any_kind: bool) {
        let peer = server().identity_key();
        if !any_kind && let Some(kind) = bytes.first_mut() {
            *kind = VERSION | Purpose::Requests as u8;
        }
        prop_assert_eq!(open(&process(), &STANDARD.encode(&bytes), peer, 0), None);
    }

    #[test]
    fn no_text_opens(text: String) {
        prop_assert_eq!(open(&process(), &text, server().identity_key(), 0), None);
    }
}

#[test]
fn another_key_another_counterparty_and_another_purpose_are_refused() {
    let (first, second) = (process(), process());
    let peer = Identity::random().identity_key();
    let nonce = begin(&first, &peer, &[7; 48]);
    let other = Resumption::new(&Identity::random(), HOUR, NonZeroUsize::MIN).unwrap();
    assert_eq!(open(&other, &nonce, peer, 0), None);
    let somebody = Identity::random().identity_key();
    assert_eq!(open(&second, &nonce, somebody, 0), None);
    assert_eq!(second.open(Purpose::Socket, &nonce, peer, at(0)), None);
    assert!(open(&second, &nonce, peer, 0).is_some());
}

#[test]
fn it_can_be_resumed_for_its_time_and_clocks_may_differ_a_little() {
    let (first, second) = (process(), process());
    let peer = Identity::random().identity_key();
    let nonce = begin(&first, &peer, &[7; 48]);
    assert!(open(&second, &nonce, peer, 3_599).is_some());
    assert_eq!(open(&second, &nonce, peer, 3_600), None);
    let behind = |by| second.open(Purpose::Requests, &nonce, peer, at(0) - by);
    assert!(behind(CLOCK_SKEW).is_some());
    assert_eq!(behind(CLOCK_SKEW + Duration::from_secs(1)), None);
    assert_eq!(
        second.open(Purpose::Requests, &nonce, peer, UNIX_EPOCH),
        None
    );
}

/// What was kept had a memory of the nonces that it saw: whoever took it up anew would have none.
#[test]
fn a_process_takes_up_each_session_once_and_never_its_own() {
    let (first, second) = (process(), process());
    let peer = Identity::random().identity_key();
    let nonce = begin(&first, &peer, &[7; 48]);
    assert_eq!(open(&first, &nonce, peer, 0), None);
    let resumable = open(&second, &nonce, peer, 0).unwrap();
    assert!(second.take_up(&resumable, at(0)));
    assert!(!second.take_up(&resumable, at(0)));
    assert_eq!(open(&second, &nonce, peer, 0), None);
    assert!(open(&process(), &nonce, peer, 0).is_some());
}

/// A session may be in use at a node for longer than it can be resumed, and another may keep it as long.
#[test]
fn nonces_are_remembered_for_as_long_as_a_session_can_be_used_anywhere() {
    let process = process();
    let peer = Identity::random().identity_key();
    let nonce = begin(&process, &peer, &[7; 48]);
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let remembered = |now, ttl| {
        let whole = process.remember_for(&nonce, ttl, at(now)).unwrap();
        whole.checked_sub(CLOCK_SKEW).unwrap()
    };
    assert_eq!(remembered(0, Some(minutes(10))), HOUR);
    assert_eq!(remembered(600, Some(minutes(10))), minutes(50));
    assert_eq!(remembered(3_599, Some(minutes(10))), minutes(10));
    assert_eq!(remembered(900_000, Some(minutes(10))), minutes(10));
    assert_eq!(remembered(900_000, None), HOUR);
    // The usual nonce: no other process takes its session up.
    let usual = server().session_nonce(rand::random()).unwrap();
    assert_eq!(process.remember_for(&usual, None, at(0)), None);
    assert_eq!(process.remember_for("", None, at(0)), None);
}

#[test]
fn what_is_not_remembered_any_more_counts_as_taken_up() {
    let (first, second) = (process(), remembering(2));
    let peer = Identity::random().identity_key();
    let nonces: Vec<String> = (0..4)
        .map(|second| {
            let peer_nonce = STANDARD.encode([7; 48]);
            let now = at(second);
            first
                .nonce(Purpose::Requests, &peer, &peer_nonce, now)
                .unwrap()
        })
        .collect();
    let take_up = |index: usize, now| {
        let resumable = open(&second, &nonces[index], peer, now);
        resumable.is_some_and(|resumable| second.take_up(&resumable, at(now)))
    };
    assert!(take_up(1, 9) && take_up(2, 9) && take_up(3, 9));
    // The session that began at 1 had to be forgotten, and with it all that is as old.
    for index in 0..4 {
        assert!(!take_up(index, 9), "{index}");
    }
    assert!(second.taken_up().sessions.len() <= 2);
    // What has expired makes room, and a clock that is set back brings none of it back.
    let peer_nonce = STANDARD.encode([7; 48]);
    let late = first.nonce(Purpose::Requests, &peer, &peer_nonce, at(4_000));
    let late = open(&second, &late.unwrap(), peer, 4_000).unwrap();
    assert!(second.take_up(&late, at(4_000)));
    assert_eq!(second.taken_up().sessions.len(), 1);
    for index in 0..4 {
        assert!(!take_up(index, 9), "{index}");
    }
}

fn handshake(server: &Identity, process: &Resumption, client: Identity) -> (Session, Session) {
    let mut client = Peer::new(Arc::new(client), PeerConfig::default());
    let request = client.start_handshake().unwrap();
    let request = AuthMessage::parse(&request).unwrap();
    let beginning = Beginning {
        resumption: process,
        purpose: Purpose::Requests,
        now: at(0),
    };
    let (session, InitialResponse { json, .. }) =
        Session::respond_resumable(server, &request, None, 9, Some(beginning)).unwrap();
    client.handle(&AuthMessage::parse(&json).unwrap()).unwrap();
    (session, client.into_proven_sessions().pop().unwrap())
}

#[test]
fn a_resumed_session_verifies_and_signs_like_the_one_that_was_begun() {
    let server = server();
    let (first, second) = (process(), process());
    let (begun, client) = handshake(&server, &first, Identity::random());
    let resumable = open(&second, begun.own_nonce(), begun.peer(), 1).unwrap();
    let resumed = Session::resume(&server, &resumable, 9).unwrap();
    let digest = sha256(b"hello");
    let signature = client.sign("n1", &digest).unwrap();
    assert_eq!(resumed.verify("n1", &digest, &signature), Ok(()));
    assert_eq!(
        resumed.verify("n1", &digest, &signature),
        Err(AuthError::Replayed)
    );
    let signature = client.sign("n2", &sha256(b"other")).unwrap();
    assert_eq!(
        resumed.verify("n2", &digest, &signature),
        Err(AuthError::Signature)
    );
    let signature = resumed.sign("n3", &digest).unwrap();
    assert_eq!(client.verify("n3", &digest, &signature), Ok(()));
}

/// Where nothing asks for more, the nonce is the one that all implementations make.
#[test]
fn without_a_beginning_the_nonce_has_the_usual_form() {
    let server = server();
    let mut client = Peer::new(Arc::new(Identity::random()), PeerConfig::default());
    let request = client.start_handshake().unwrap();
    let request = AuthMessage::parse(&request).unwrap();
    let (session, _) = Session::respond(&server, &request, None, 9).unwrap();
    assert_eq!(session.own_nonce().len(), 64);
    assert_eq!(server.verify_session_nonce(session.own_nonce()), Ok(()));
    assert_eq!(
        open(&process(), session.own_nonce(), session.peer(), 0),
        None
    );
}

/// Nodes of another release have to agree on it.
#[test]
fn the_form_does_not_change_unnoticed() {
    let peer = server().identity_key();
    let mut process = process();
    process.process = *b"process1";
    let nonce = begin(
        &process,
        &peer,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv",
    );
    let bytes = STANDARD.decode(&nonce).unwrap();
    assert_eq!(bytes.len(), 111);
    let (head, tail) = bytes.split_at(62);
    assert_eq!(head[..5], [0x11, 0x71, 0x3f, 0xb3, 0x00]);
    assert_eq!(
        &head[5..],
        b"process1\x30ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
    );
    let mac = process.mac_of(b"golden", &peer);
    // Computed by other means: the key is that of `[2, "session resumption"]`, "1" and `self` (BRC-42).
    assert_eq!(
        hex::encode(mac),
        "336e434f267975ea21d3c6a70928be486afec32787a3516a874dff3d64a93df6"
    );
    assert_eq!(tail.len(), 16 + 1 + 32);
}
