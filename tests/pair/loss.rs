//! Packets that are lost, and connections that end at every step: a session has no gap, and no end outlives its heartbeat.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use messagebox::engineio::{CloseReason, EngineConfig, Frame, TransportKind};

use crate::client::ClientEnd;
use crate::log::{Log, pair};
use crate::pair::{Fate, Pair, Wire};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The sum of `ping_interval` and `ping_timeout`.
const HEARTBEAT: Duration = Duration::from_secs(45);

/// Numbers both ways, with a move to a websocket in between if the session begins over polling.
fn exchange(pair: &mut Pair<Log, Log>, upgrades: bool) {
    pair.run_for(ms(6));
    for number in 0..20 {
        if upgrades && number == 8 && pair.client.is_on_polling() {
            pair.client.upgrade();
        }
        pair.exchange(number);
        pair.run_for(ms(4));
    }
}

/// How many things are sent when nothing is lost.
fn sent(transport: TransportKind, upgrades: bool) -> usize {
    let mut pair = pair(transport, EngineConfig::default());
    exchange(&mut pair, upgrades);
    pair.run_for(ms(100));
    pair.assert_exchanged(20);
    pair.sent()
}

#[test]
fn a_lost_request_or_answer_ends_a_polling_session_without_a_gap() {
    let all = sent(TransportKind::Polling, false);
    assert!(all > 40, "{all}");
    // Without the first request there is no session.
    for lost in 1..all {
        let network = move |number, _: &Wire| {
            if number == lost {
                Fate::Lost
            } else {
                Fate::Arrives
            }
        };
        let mut pair = pair(TransportKind::Polling, EngineConfig::default()).with_network(network);
        exchange(&mut pair, false);
        pair.run_for(HEARTBEAT + ms(100));
        pair.assert_beginnings();
        assert_eq!(pair.server().end, Some(CloseReason::PingTimeout), "{lost}");
        assert!(pair.client.end.is_some(), "{lost}");
    }
}

#[test]
fn a_connection_cut_at_any_step_ends_both_ends_after_their_heartbeat_without_a_gap() {
    for (transport, upgrades) in [
        (TransportKind::Polling, false),
        (TransportKind::Polling, true),
        (TransportKind::Websocket, false),
    ] {
        for cut in 1..sent(transport, upgrades) {
            let network = move |number, _: &Wire| {
                if number < cut {
                    Fate::Arrives
                } else {
                    Fate::Cut
                }
            };
            let mut pair = pair(transport, EngineConfig::default()).with_network(network);
            exchange(&mut pair, upgrades);
            pair.run_for(HEARTBEAT + ms(100));
            pair.assert_beginnings();
            assert_eq!(pair.server().end, Some(CloseReason::PingTimeout), "{cut}");
            assert_eq!(pair.client.end, Some(ClientEnd::Silence), "{cut}");
        }
    }
}

#[test]
fn a_connection_reset_at_any_time_ends_both_ends_without_a_gap() {
    for transport in TransportKind::ALL {
        for time in 0..60 {
            let mut pair = pair(transport, EngineConfig::default());
            pair.run_for(ms(6));
            for number in 0..10 {
                pair.exchange(number);
            }
            if pair.client.is_on_polling() {
                pair.client.upgrade();
            }
            pair.run_for(ms(time));
            pair.reset();
            assert_eq!(pair.client.end, Some(ClientEnd::Transport));
            // Where no poll was parked, only the heartbeat tells the server.
            pair.run_for(HEARTBEAT);
            let end = pair.server().end;
            let expected = [CloseReason::TransportClose, CloseReason::PingTimeout];
            assert!(end.is_some_and(|end| expected.contains(&end)), "{end:?}");
            if transport == TransportKind::Websocket {
                assert_eq!(end, Some(CloseReason::TransportClose));
            }
            pair.assert_beginnings();
        }
    }
}

#[test]
fn a_lost_ping_or_pong_ends_the_session_exactly_after_its_heartbeat() {
    for lost in ["2", "3"] {
        for transport in TransportKind::ALL {
            let network = move |_, wire: &Wire| {
                let is_lost = match wire {
                    Wire::Up(_, frame) | Wire::Down(_, frame) => *frame == Frame::Text(lost.into()),
                    Wire::GetAnswer(Some(body)) | Wire::Post(body) => body == lost,
                    _ => false,
                };
                if is_lost { Fate::Lost } else { Fate::Arrives }
            };
            let mut pair = pair(transport, EngineConfig::default()).with_network(network);
            // The session begins when the first request arrives.
            pair.run_for(HEARTBEAT + ms(2));
            assert_eq!((pair.server().end, pair.client.end), (None, None));
            pair.run_for(ms(1));
            assert_eq!(pair.server().end, Some(CloseReason::PingTimeout));
            pair.run_for(ms(3));
            assert!(pair.client.end.is_some(), "{lost} {transport:?}");
        }
    }
}

#[test]
fn pings_and_pongs_keep_an_idle_session_for_an_hour() {
    for transport in TransportKind::ALL {
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let network = move |_, wire: &Wire| {
            let is_ping = match wire {
                Wire::Down(_, frame) => *frame == Frame::Text("2".into()),
                Wire::GetAnswer(Some(body)) => body == "2",
                _ => false,
            };
            counted.set(counted.get() + u32::from(is_ping));
            Fate::Arrives
        };
        let mut pair = pair(transport, EngineConfig::default()).with_network(network);
        pair.run_for(Duration::from_secs(60 * 60));
        assert_eq!((pair.server().end, pair.client.end), (None, None));
        // One ping in 25 s, after the pong of the one before.
        assert_eq!(count.get(), 143);
        pair.exchange(0);
        pair.run_for(ms(20));
        pair.assert_exchanged(1);
    }
}

#[test]
fn a_session_that_the_server_closes_ends_after_everything_has_arrived() {
    for transport in TransportKind::ALL {
        let mut pair = pair(transport, EngineConfig::default());
        pair.run_for(ms(6));
        pair.exchange(0);
        let now = pair.now;
        pair.server().engine.close(CloseReason::ForcedClose, now);
        pair.run_for(ms(10));
        assert_eq!(pair.client.party.0, ["0"]);
        assert_eq!(pair.server().end, Some(CloseReason::ForcedClose));
        let expected = match transport {
            TransportKind::Polling => ClientEnd::ClosedByServer,
            TransportKind::Websocket => ClientEnd::Transport,
        };
        assert_eq!(pair.client.end, Some(expected));
    }
}
