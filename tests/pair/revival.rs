//! Clients that reconnect: when the server starts a handshake with them, and how it treats frames of the lost session.

use std::time::Duration;

use messagebox::engineio::CloseReason;
use serde_json::json;

use crate::member::{Greeting, Member, Process};
use crate::pair::{Fate, Wire};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const REVIVAL_DELAY: Duration = Duration::from_secs(3);

/// Longer than both ends' heartbeats.
const MINUTE: Duration = Duration::from_secs(60);

#[actix_web::test]
async fn a_client_that_speaks_by_itself_gets_no_handshake() {
    let process = Process::start();
    let mut pair = process.authenticated();
    pair.run_for(MINUTE);
    assert!(pair.client.party.handshakes.is_empty());
}

/// The clients up to 2.5.5 disconnect on a second `authenticationSuccess`.
#[actix_web::test]
async fn a_silent_client_gets_a_handshake_exactly_after_the_delay_and_then_a_harmless_event() {
    for restarts in [false, true] {
        let process = Process::start();
        let mut pair = process.authenticated();
        pair.reset();
        if restarts {
            process.restart();
        }
        pair.come_back(Greeting::Silence);
        pair.run_for(REVIVAL_DELAY);
        assert!(pair.client.party.handshakes.is_empty() && !pair.is_authenticated());
        pair.run_for(ms(100));
        let member = &pair.client.party;
        assert_eq!(member.handshakes, [member.joined.unwrap() + REVIVAL_DELAY]);
        assert_eq!(member.names(), ["keepAlive"]);
        assert_eq!(member.events[0].data, json!({}));
        assert!(pair.is_authenticated());
        // The application's next call finds it well.
        let join = pair.client.party.join("inbox");
        pair.send(&join);
        pair.run_for(ms(50));
        assert_eq!(pair.client.party.names(), ["keepAlive", "joinedRoom"]);
    }
}

#[actix_web::test]
async fn frames_of_a_lost_session_are_held_until_the_handshake_and_then_count_once() {
    let process = Process::start();
    let mut pair = process.authenticated();
    pair.reset();
    let member = &pair.client.party;
    let frames = vec![member.confirm(None), member.join("inbox")];
    pair.come_back(Greeting::Frames(frames));
    pair.run_for(ms(200));
    let member = &pair.client.party;
    // At once: a frame there, a handshake back.
    assert_eq!(member.handshakes, [member.joined.unwrap() + ms(6)]);
    assert_eq!(member.names(), ["authenticationSuccess", "joinedRoom"]);
    assert!(pair.is_authenticated());
    assert_eq!(
        (process.events("authenticated"), process.events("joinRoom")),
        (2, 1)
    );
    assert_eq!(process.refused(), 0);
}

#[actix_web::test]
async fn after_a_restart_the_client_is_confirmed_and_its_old_frames_are_refused() {
    let process = Process::start();
    let mut pair = process.authenticated();
    pair.reset();
    process.restart();
    let member = &pair.client.party;
    let frames = vec![member.confirm(None), member.join("inbox")];
    pair.come_back(Greeting::Frames(frames));
    pair.run_for(ms(200));
    let member = &pair.client.party;
    assert_eq!(member.names(), ["authenticationSuccess"]);
    assert_eq!(member.events[0].data, json!({"status": "success"}));
    assert_eq!((process.refused(), process.events("joinRoom")), (2, 0));
    // It joins its rooms on the confirmation.
    let join = pair.client.party.join("inbox");
    pair.send(&join);
    pair.run_for(ms(50));
    let room = pair.client.party.room("inbox").to_string();
    let answer = pair.client.party.events.pop().unwrap();
    assert_eq!(
        (&*answer.name, answer.data),
        ("joinedRoom", json!({ "roomId": room }))
    );
}

#[actix_web::test]
async fn a_client_that_starts_anew_is_like_any_other() {
    for restarts in [false, true] {
        let process = Process::start();
        let mut pair = process.authenticated();
        pair.reset();
        if restarts {
            process.restart();
        }
        pair.come_back(Greeting::Authenticates(None));
        pair.run_for(MINUTE);
        let member = &pair.client.party;
        assert_eq!(member.names(), ["authenticationSuccess"]);
        assert!(member.handshakes.is_empty() && pair.is_authenticated());
    }
}

#[actix_web::test]
async fn a_thief_of_a_frame_gets_a_handshake_and_changes_nothing() {
    for proves_itself in [false, true] {
        let process = Process::with(|settings| settings.auth_timeout = Duration::from_secs(30));
        let mut victim = process.authenticated();
        let stolen = victim.client.party.join("inbox");
        victim.reset();
        let mut thief = Member::new(Greeting::Frames(vec![stolen.clone()]));
        thief.answers_handshakes = proves_itself;
        let mut thief = process.pair(thief);
        thief.run_for(ms(200));
        assert_eq!(thief.client.party.handshakes.len(), 1);
        assert_eq!(thief.is_authenticated(), proves_itself);
        assert_eq!(process.events("joinRoom"), 0);
        let refused = u64::from(proves_itself);
        assert_eq!(process.refused(), refused);
        thief.run_for(MINUTE);
        let end = (!proves_itself).then_some(CloseReason::ForcedClose);
        assert_eq!(thief.server().end, end);
        // It is not used up by that.
        victim.come_back(Greeting::Frames(vec![stolen]));
        victim.run_for(ms(200));
        assert_eq!(
            victim.client.party.names(),
            ["authenticationSuccess", "joinedRoom"]
        );
        assert_eq!(process.events("joinRoom"), 1);
    }
}

#[actix_web::test]
async fn a_frame_counts_once_wherever_the_connection_of_a_revival_is_cut() {
    let process = Process::start();
    for (cut, joins) in (0..14).zip(1..) {
        let mut pair = process.authenticated();
        pair.reset();
        let join = pair.client.party.join("inbox");
        pair.come_back(Greeting::Frames(vec![join.clone()]));
        let first = pair.sent();
        pair.network = Box::new(move |number, _: &Wire| {
            if number < first + cut {
                Fate::Arrives
            } else {
                Fate::Cut
            }
        });
        pair.run_for(MINUTE);
        pair.come_back(Greeting::Frames(vec![join]));
        pair.run_for(ms(200));
        assert!(pair.is_authenticated(), "{cut}");
        assert_eq!(process.events("joinRoom"), joins, "{cut}");
        // And it is silent the next time.
        pair.reset();
        pair.come_back(Greeting::Silence);
        pair.run_for(MINUTE);
        assert!(pair.is_authenticated(), "{cut}");
        assert_eq!(pair.client.party.names(), ["keepAlive"], "{cut}");
    }
}

#[actix_web::test]
async fn eight_frames_are_held_and_answered_in_their_order() {
    let process = Process::start();
    let mut pair = process.authenticated();
    pair.reset();
    let member = &pair.client.party;
    let frames = (0..20).map(|n| member.join(&format!("box {n}"))).collect();
    pair.come_back(Greeting::Frames(frames));
    pair.run_for(ms(200));
    let member = &pair.client.party;
    let rooms: Vec<_> = member.events[1..]
        .iter()
        .map(|event| event.data["roomId"].clone())
        .collect();
    let expected: Vec<_> = (0..8)
        .map(|n| json!(member.room(&format!("box {n}")).as_str()))
        .collect();
    assert_eq!(rooms, expected);
    assert_eq!(process.refused(), 12);
}

#[actix_web::test]
async fn a_lost_session_is_kept_for_five_minutes() {
    for (seconds, joins) in [(290, 1), (310, 0)] {
        let process = Process::start();
        let mut pair = process.authenticated();
        let join = pair.client.party.join("inbox");
        pair.reset();
        pair.run_for(Duration::from_secs(seconds));
        pair.come_back(Greeting::Frames(vec![join]));
        pair.run_for(ms(200));
        assert!(pair.is_authenticated());
        assert_eq!(process.events("joinRoom"), joins, "{seconds}");
    }
}
