//! What keeps a session alive, what replaces it, and what ends a socket that does nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use messagebox::auth::PeerConfig;
use messagebox::engineio::CloseReason;
use serde_json::json;

use crate::member::{Greeting, Member, Process};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A process whose sessions remember 40 nonces, and are renewed after 30.
fn forgetful() -> Process {
    Process::with(|settings| {
        settings.peer = PeerConfig {
            max_seen_nonces: 40,
            renew_after_received: 30,
            ..PeerConfig::default()
        };
    })
}

#[actix_web::test]
async fn a_quiet_socket_is_sent_a_keep_alive_every_ten_minutes_once_it_is_authenticated() {
    let process = Process::start();
    let mut pair = process.authenticated();
    pair.run_for(Duration::from_secs(60 * 60));
    let member = &pair.client.party;
    let sent: Vec<_> = member.events.iter().collect();
    // Ten minutes and up to a random quarter of them, which differs between sockets.
    assert!((4..=6).contains(&(sent.len() - 1)), "{}", sent.len());
    for pair in sent.windows(2) {
        let quiet = pair[1].at - pair[0].at;
        let expected = Duration::from_secs(600)..=Duration::from_secs(751);
        assert!(expected.contains(&quiet), "{quiet:?}");
        assert_eq!((&*pair[1].name, &pair[1].data), ("keepAlive", &json!({})));
    }

    let mut stranger = Member::new(Greeting::Silence);
    stranger.answers_handshakes = false;
    let mut stranger = process.pair(stranger);
    stranger.run_for(Duration::from_secs(60 * 60));
    assert!(stranger.client.party.events.is_empty());
}

/// Each end remembers the nonces of a session, and only so many.
#[actix_web::test]
async fn a_session_is_renewed_before_its_nonces_run_out_and_the_old_one_still_verifies() {
    let process = forgetful();
    let mut pair = process.authenticated();
    // With `authenticated` it is the 30th that makes the server begin.
    for n in 0..28 {
        let join = pair.client.party.join(&n.to_string());
        pair.send(&join);
        pair.run_for(ms(100));
    }
    let old = pair.client.party.events[0].session.clone();
    assert!(pair.client.party.handshakes.is_empty());
    let member = &pair.client.party;
    let room = json!(member.room("last").as_str());
    let (join, late) = (member.join("last"), member.signed("leaveRoom", &room));
    pair.send(&join);
    pair.run_for(ms(100));
    let member = &pair.client.party;
    assert_eq!(member.handshakes.len(), 1);
    let [.., joined, first] = &*member.events else {
        panic!("an answer, and the first event of the new session");
    };
    assert_eq!((&*joined.name, &joined.session), ("joinedRoom", &old));
    assert_eq!(first.name, "keepAlive");
    assert_ne!(first.session, old);
    let new = first.session.clone();
    // The old session verifies, and the answer comes in the new one.
    pair.send(&late);
    for n in 0..20 {
        let join = pair.client.party.join(&n.to_string());
        pair.send(&join);
        pair.run_for(ms(100));
    }
    let answers = &pair.client.party.events[31..];
    assert_eq!(answers[0].name, "leftRoom");
    assert_eq!(answers.len(), 21);
    assert!(answers[1..].iter().all(|event| event.name == "joinedRoom"));
    assert!(answers.iter().all(|event| event.session == new));
    assert_eq!(process.refused(), 0);
}

#[actix_web::test]
async fn a_retired_session_verifies_for_a_minute() {
    for (seconds, refused) in [(59, 0), (61, 1)] {
        let process = forgetful();
        let mut pair = process.authenticated();
        let late = pair.client.party.join("late");
        for n in 0..29 {
            let join = pair.client.party.join(&n.to_string());
            pair.send(&join);
            pair.run_for(ms(100));
        }
        assert_eq!(pair.client.party.handshakes.len(), 1);
        pair.run_for(Duration::from_secs(seconds));
        pair.send(&late);
        pair.run_for(ms(50));
        let joined = process.events("joinRoom");
        assert_eq!(
            (joined, process.refused()),
            (30 - refused, refused),
            "{seconds}"
        );
    }
}

#[actix_web::test]
async fn a_client_that_never_answers_a_renewal_is_closed_once_its_session_is_used_up() {
    let process = forgetful();
    let mut pair = process.authenticated();
    pair.client.party.answers_handshakes = false;
    for n in 0..60 {
        let join = pair.client.party.join(&n.to_string());
        pair.send(&join);
        pair.run_for(ms(100));
    }
    assert_eq!(pair.client.party.handshakes.len(), 1);
    // `authenticated` was the first of the 40. The next eight wait for the handshake.
    let held = process.service().counters.held.load(Ordering::Relaxed);
    assert_eq!(
        (process.events("joinRoom"), held, process.refused()),
        (39, 8, 13)
    );
    assert_eq!(pair.server().end, None);
    pair.run_for(Duration::from_secs(30));
    assert_eq!(pair.server().end, Some(CloseReason::ForcedClose));
}

#[actix_web::test]
async fn a_socket_that_proves_nothing_is_closed_in_time() {
    let process = Process::with(|settings| settings.auth_timeout = Duration::from_secs(30));
    let mut stranger = Member::new(Greeting::Silence);
    stranger.answers_handshakes = false;
    let mut pair = process.pair(stranger);
    pair.run_for(Duration::from_secs(25));
    assert_eq!(pair.server().end, None);
    pair.run_for(Duration::from_secs(15));
    assert_eq!(pair.server().end, Some(CloseReason::ForcedClose));
    assert!(pair.client.end.is_some());
}
