//! The move from polling to a websocket, with packets in flight in both directions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use messagebox::engineio::{EngineConfig, Frame, TransportKind};

use crate::client::ClientEnd;
use crate::log::{Log, pair};
use crate::pair::{Fate, Pair, Wire};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn polling(http: u64, websocket: u64) -> Pair<Log, Log> {
    let pair = pair(TransportKind::Polling, EngineConfig::default());
    let mut pair = pair.with_latency(ms(http), ms(websocket));
    // Until the session is open.
    pair.run_for(ms(2 * http));
    pair
}

fn has_moved(pair: &mut Pair<Log, Log>) -> bool {
    let server = pair.server().engine.transport() == TransportKind::Websocket;
    server && pair.client.is_on_websocket()
}

/// Keeps everything that is sent from now on.
fn recorded(pair: &mut Pair<Log, Log>) -> Rc<RefCell<Vec<Wire>>> {
    let record = Rc::new(RefCell::new(Vec::new()));
    let sent = Rc::clone(&record);
    pair.network = Box::new(move |_, wire| {
        sent.borrow_mut().push(wire.clone());
        Fate::Arrives
    });
    record
}

#[test]
fn nothing_is_lost_or_repeated_whenever_a_session_moves() {
    for http in [1, 7, 40] {
        for websocket in [1, 7, 40] {
            for start in 0..30 {
                let mut pair = polling(http, websocket);
                for number in 0..60 {
                    if number == start {
                        pair.client.upgrade();
                    }
                    pair.exchange(number);
                    pair.run_for(ms(3));
                }
                pair.run_for(ms(400));
                pair.assert_exchanged(60);
                assert!(has_moved(&mut pair), "{http} {websocket} {start}");
            }
        }
    }
}

#[test]
fn the_probe_ends_the_poll_and_the_session_moves_at_once() {
    let mut pair = polling(3, 3);
    let record = recorded(&mut pair);
    let id = pair.client.upgrade();
    // The websocket opens, then the probe and its answer.
    pair.run_for(ms(12));
    assert!(pair.client.is_on_websocket() && !has_moved(&mut pair));
    pair.run_for(ms(3));
    assert!(has_moved(&mut pair));
    let frame = |text: &'static str| Frame::Text(text.into());
    let expected = [
        Wire::Open(id),
        Wire::Opened(id),
        Wire::Up(id, frame("2probe")),
        Wire::Down(id, frame("3probe")),
        Wire::GetAnswer(Some("6".to_owned())),
        Wire::Up(id, frame("5")),
    ];
    assert_eq!(*record.borrow(), expected);
}

#[test]
fn a_poll_after_the_probe_is_ended_after_50_ms() {
    let mut pair = polling(1, 20);
    pair.client.upgrade();
    // The probe arrives after 60 ms. The end of the poll overtakes the answer, so the client polls once more.
    pair.run_for(ms(62));
    // That poll is ended after 50 ms, and then the client says that it has moved.
    pair.run_for(ms(50 + 1 + 20 - 1));
    assert!(pair.client.is_on_websocket() && !has_moved(&mut pair));
    pair.run_for(ms(1));
    assert!(has_moved(&mut pair));
}

#[test]
fn a_probe_that_is_lost_anywhere_leaves_polling_as_it_was() {
    for lost in 0..4 {
        let mut pair = polling(3, 3);
        let mut seen = 0;
        pair.network = Box::new(move |_, wire| {
            seen += usize::from(!wire.is_http());
            let is_lost = !wire.is_http() && seen == lost + 1;
            if is_lost { Fate::Lost } else { Fate::Arrives }
        });
        pair.client.upgrade();
        for number in 0..20 {
            pair.exchange(number);
            pair.run_for(ms(1_000));
        }
        pair.assert_exchanged(20);
        // By now the server has given that websocket up, and another may come.
        pair.client.upgrade();
        pair.exchange(20);
        pair.run_for(ms(100));
        assert!(has_moved(&mut pair), "{lost}");
        pair.assert_exchanged(21);
    }
}

#[test]
fn a_client_whose_upgrade_packet_is_lost_ends_without_a_gap() {
    let mut pair = polling(3, 3);
    pair.network = Box::new(|_, wire| match wire {
        Wire::Up(_, frame) if *frame == Frame::Text("5".into()) => Fate::Lost,
        _ => Fate::Arrives,
    });
    pair.client.upgrade();
    for number in 0..10 {
        pair.exchange(number);
        pair.run_for(ms(100));
    }
    assert_eq!(
        pair.server().engine.transport(),
        TransportKind::Polling,
        "the server waits for it"
    );
    pair.run_for(ms(60_000));
    assert_eq!(pair.client.end, Some(ClientEnd::Transport));
    assert!(pair.server().end.is_some());
    pair.assert_beginnings();
}

#[test]
fn a_wrong_probe_leaves_polling_as_it_was() {
    for wrong in ["4hello", "5", "2", "1", "abc", ""] {
        let mut pair = polling(3, 3);
        let record = recorded(&mut pair);
        pair.transmit(Wire::Open(9));
        pair.transmit(Wire::Up(9, Frame::Text(wrong.into())));
        pair.run_for(ms(10));
        assert!(
            record.borrow().contains(&Wire::ClosedByServer(9)),
            "{wrong:?}"
        );
        pair.exchange(0);
        pair.run_for(ms(20));
        pair.assert_exchanged(1);
        assert!(pair.client.is_on_polling());
    }
}

#[test]
fn a_websocket_that_leaves_during_the_probe_leaves_polling_as_it_was() {
    let mut pair = polling(3, 3);
    pair.transmit(Wire::Open(9));
    pair.transmit(Wire::Up(9, Frame::Text("2probe".into())));
    pair.exchange(0);
    pair.run_for(ms(10));
    pair.transmit(Wire::ClosedByClient(9));
    pair.exchange(1);
    pair.run_for(ms(100));
    pair.assert_exchanged(2);
    pair.client.upgrade();
    pair.run_for(ms(100));
    assert!(has_moved(&mut pair));
    pair.exchange(2);
    pair.run_for(ms(10));
    pair.assert_exchanged(3);
}

#[test]
fn a_probe_that_does_not_end_is_closed_after_its_time_limit() {
    let mut pair = polling(3, 3);
    let record = recorded(&mut pair);
    let closed = || record.borrow().contains(&Wire::ClosedByServer(9));
    pair.transmit(Wire::Open(9));
    pair.transmit(Wire::Up(9, Frame::Text("2probe".into())));
    pair.run_for(ms(3 + 9_999));
    assert!(!closed());
    pair.run_for(ms(1));
    assert!(closed());
    pair.exchange(0);
    pair.run_for(ms(20));
    pair.assert_exchanged(1);
}

#[test]
fn a_second_websocket_is_closed_while_the_first_goes_on() {
    let mut pair = polling(3, 3);
    let record = recorded(&mut pair);
    pair.client.upgrade();
    pair.run_for(ms(1));
    pair.transmit(Wire::Open(8));
    pair.run_for(ms(6));
    assert!(record.borrow().contains(&Wire::ClosedByServer(8)));
    pair.run_for(ms(20));
    assert!(has_moved(&mut pair));
    pair.transmit(Wire::Open(9));
    pair.exchange(0);
    pair.run_for(ms(20));
    assert!(record.borrow().contains(&Wire::ClosedByServer(9)));
    pair.assert_exchanged(1);
}

#[test]
fn polling_is_over_after_the_upgrade() {
    let mut pair = polling(3, 3);
    pair.client.upgrade();
    pair.exchange(0);
    pair.run_for(ms(100));
    let record = recorded(&mut pair);
    pair.transmit(Wire::Get);
    pair.transmit(Wire::Post("4late".to_owned()));
    pair.run_for(ms(10));
    let refused = Wire::PostAnswer { is_accepted: false };
    for answer in [Wire::GetAnswer(None), refused] {
        assert!(record.borrow().contains(&answer), "{answer:?}");
    }
    pair.exchange(1);
    pair.run_for(ms(10));
    pair.assert_exchanged(2);
}
