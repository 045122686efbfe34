//! Frames that come again: on their own socket, on another's, and back at the end that sent them.

use std::time::Duration;

use messagebox::engineio::CloseReason;

use crate::member::{Greeting, Member, Process};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[actix_web::test]
async fn a_frame_that_is_replayed_on_its_own_socket_counts_once() {
    let process = Process::start();
    let mut pair = process.authenticated();
    let join = pair.client.party.join("inbox");
    pair.send(&join);
    pair.run_for(ms(50));
    let (request, confirm) = (
        pair.client.party.sent[0].clone(),
        pair.client.party.sent[1].clone(),
    );
    for _ in 0..3 {
        pair.send(&confirm);
        pair.send(&join);
        pair.run_for(ms(50));
    }
    assert_eq!(
        (process.events("authenticated"), process.events("joinRoom")),
        (1, 1)
    );
    assert_eq!(process.refused(), 6);
    assert_eq!(process.service().counters.replayed.get(), 6);
    // A handshake request that comes again begins a session that nobody can use.
    pair.send(&request);
    pair.run_for(ms(50));
    assert_eq!(pair.client.party.refused, 1);
    let leave = pair.client.party.join("other");
    pair.send(&leave);
    pair.run_for(ms(50));
    let expected = ["authenticationSuccess", "joinedRoom", "joinedRoom"];
    assert_eq!(pair.client.party.names(), expected);
    assert!(pair.server().end.is_none());
}

#[actix_web::test]
async fn a_whole_conversation_that_is_replayed_on_another_socket_proves_nothing() {
    let process = Process::with(|settings| settings.auth_timeout = Duration::from_secs(30));
    let mut victim = process.authenticated();
    let join = victim.client.party.join("inbox");
    victim.send(&join);
    victim.run_for(ms(50));
    let mut frames = victim.client.party.sent.clone();
    frames.push(join);
    let mut thief = Member::new(Greeting::Frames(frames));
    thief.answers_handshakes = false;
    let mut thief = process.pair(thief);
    thief.run_for(ms(200));
    // The replayed request gets an answer, and the unknown session a handshake.
    assert_eq!(
        (
            thief.client.party.refused,
            thief.client.party.handshakes.len()
        ),
        (1, 1)
    );
    assert_eq!(thief.server().end, None);
    thief.run_for(Duration::from_secs(60));
    assert_eq!(thief.server().end, Some(CloseReason::ForcedClose));
    assert!(thief.client.party.events.is_empty());
    assert_eq!(
        (process.events("authenticated"), process.events("joinRoom")),
        (1, 1)
    );
}

#[actix_web::test]
async fn a_frame_that_counted_before_the_loss_does_not_count_after_it() {
    let process = Process::start();
    let mut pair = process.authenticated();
    let join = pair.client.party.join("inbox");
    pair.send(&join);
    pair.run_for(ms(50));
    pair.reset();
    pair.come_back(Greeting::Frames(vec![join]));
    pair.run_for(ms(200));
    assert!(pair.is_authenticated());
    assert_eq!((process.events("joinRoom"), process.refused()), (1, 1));
    assert_eq!(pair.client.party.names(), ["authenticationSuccess"]);
}

#[actix_web::test]
async fn frames_of_the_server_prove_nothing_to_it() {
    let process = Process::start();
    let mut pair = process.authenticated();
    let incoming = pair.client.party.incoming.clone();
    assert_eq!(
        incoming.len(),
        2,
        "its answer to the handshake, and an event"
    );
    for json in &incoming {
        pair.send(json);
    }
    pair.run_for(ms(50));
    assert_eq!(process.refused(), 2);
    assert_eq!(process.events("authenticated"), 1);
    let join = pair.client.party.join("inbox");
    pair.send(&join);
    pair.run_for(ms(50));
    assert_eq!(process.events("joinRoom"), 1);
}
