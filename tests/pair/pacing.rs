//! Clients are sent no more frames than their wallets verify in time, and are read no faster than they are answered.

use std::time::Duration;

use messagebox::authsocket::AuthSocketSession;
use messagebox::engineio::EngineConfig;
use messagebox::throttle::Throttle;
use serde_json::json;

use crate::member::{Greeting, Member, Process};
use crate::pair::Pair;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn paced(pace: Throttle) -> Process {
    Process::with(|settings| settings.pace = pace)
}

/// The client sends so many requests at once.
fn flood(pair: &mut Pair<AuthSocketSession, Member>, count: usize) {
    for n in 0..count {
        let join = pair.client.party.join(&n.to_string());
        pair.send(&join);
    }
}

/// All were answered, in their order.
fn assert_answered(pair: &Pair<AuthSocketSession, Member>, count: usize) {
    let member = &pair.client.party;
    let answers = member.events.iter().skip(1);
    let rooms: Vec<_> = answers.map(|event| event.data["roomId"].clone()).collect();
    let expected: Vec<_> = (0..count)
        .map(|n| json!(member.room(&n.to_string()).as_str()))
        .collect();
    assert_eq!(rooms, expected);
}

/// A wallet that takes half a second for a call takes a second for a frame. The client gives up at the 33rd in work.
#[actix_web::test]
async fn a_slow_wallet_never_has_too_many_frames_in_work_and_loses_nothing() {
    for per_frame in [100, 400, 1_000].map(ms) {
        let process = Process::start();
        let mut pair = process.authenticated();
        flood(&mut pair, 200);
        pair.run_for(Duration::from_secs(10));
        assert_answered(&pair, 200);
        let arrived: Vec<_> = pair
            .client
            .party
            .events
            .iter()
            .map(|event| event.at)
            .collect();
        for (index, at) in arrived.iter().enumerate() {
            let before = arrived[..=index].iter();
            let in_work = before.filter(|before| **before + per_frame > *at).count();
            assert!(in_work <= 24, "{in_work} at {per_frame:?}");
        }
    }
}

#[actix_web::test]
async fn a_client_gets_the_pace_that_it_names_and_0_turns_pacing_off() {
    let slow = paced("1/1".parse().unwrap());
    let off = paced(Throttle::OFF);
    for (process, pace) in [(&slow, Some("0")), (&slow, Some("9/9")), (&off, None)] {
        let mut pair = process.pair(Member::new(Greeting::Authenticates(pace)));
        pair.run_for(ms(3_000));
        flood(&mut pair, 120);
        // Two and a half minutes would pass at one a second.
        let time = if pace == Some("9/9") { 14_000 } else { 6 };
        pair.run_for(ms(time));
        assert_answered(&pair, 120);
    }
}

#[actix_web::test]
async fn a_client_is_read_no_faster_than_its_answers_leave() {
    let process = paced("2/20".parse().unwrap());
    let mut pair = process.authenticated();
    flood(&mut pair, 40);
    for _ in 0..300 {
        pair.run_for(ms(10));
        let read = usize::try_from(process.events("joinRoom")).unwrap();
        let answered = pair.client.party.events.len() - 1;
        let ahead = read - answered;
        assert!(ahead <= 8, "{ahead} were read whose answers wait");
    }
    assert_answered(&pair, 40);
}

/// Its pongs wait behind its requests.
#[actix_web::test]
async fn a_client_that_is_left_unread_outlives_its_heartbeat() {
    let config = EngineConfig {
        ping_interval: ms(2_000),
        ping_timeout: ms(500),
        ..EngineConfig::default()
    };
    let process = Process::start();
    let mut pair = process.pair_with(config, Member::new(Greeting::Authenticates(None)));
    pair.run_for(ms(100));
    flood(&mut pair, 600);
    pair.run_for(Duration::from_secs(30));
    assert_eq!((pair.server().end, pair.client.end), (None, None));
    assert_answered(&pair, 600);
}
