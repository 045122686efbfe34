//! The rules of an Engine.IO session, driven by hand and by a clock that the tests move.

mod model;

use std::time::Duration;

use super::*;
use crate::engineio::Data;

struct Session {
    connection: EngineSession,
    now: Instant,
}

impl Session {
    fn open(transport: TransportKind) -> Self {
        Self::with(transport, |_| {})
    }

    fn with(transport: TransportKind, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut config = EngineConfig {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            ..EngineConfig::default()
        };
        change(&mut config);
        let now = Instant::now();
        let connection = EngineSession::new(Sid::random(), transport, Arc::new(config), now);
        let mut session = Self { connection, now };
        if transport == TransportKind::Polling {
            assert!(matches!(session.poll().as_slice(), [Transmit::Poll(open)] if open.len() == 1));
        } else {
            assert!(
                matches!(session.transmits().as_slice(), [Transmit::Websocket(open)] if open.len() == 1)
            );
            session.connection.handle_written();
            assert_eq!(session.transmits(), []);
        }
        session
    }

    fn transmits(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.connection.poll_transmit()).collect()
    }

    fn events(&mut self) -> Vec<EngineEvent> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    fn poll(&mut self) -> Vec<Transmit> {
        self.connection.handle_poll(self.now).unwrap();
        self.transmits()
    }

    fn packet(&mut self, wire: &str) {
        let packet = Packet::decode_text(&wire.into()).unwrap();
        self.connection.handle_packet(packet, self.now);
    }

    fn probe(&mut self, wire: &str) {
        let packet = Packet::decode_text(&wire.into()).unwrap();
        self.connection.handle_probe_packet(&packet);
    }

    fn send(&mut self, text: &str) {
        let frame = Frame::message_with(text.len(), |out| out.push_str(text));
        self.connection.send(frame, &[]);
    }

    fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.connection.handle_timeout(self.now);
    }
}

fn frames(texts: &[&str]) -> Vec<Frame> {
    texts
        .iter()
        .map(|text| Frame::Text((*text).into()))
        .collect()
}

fn closed(reason: CloseReason) -> Vec<EngineEvent> {
    vec![EngineEvent::Closed(reason)]
}

#[test]
fn a_parked_poll_is_answered_when_there_is_something_to_say() {
    let mut session = Session::open(TransportKind::Polling);
    assert_eq!(session.poll(), []);
    session.send("a");
    session.send("b");
    assert_eq!(session.transmits(), [Transmit::Poll(frames(&["4a", "4b"]))]);
    session.send("c");
    assert_eq!(session.transmits(), []);
    assert_eq!(session.poll(), [Transmit::Poll(frames(&["4c"]))]);
}

#[test]
fn a_burst_goes_out_sixteen_packets_at_a_time() {
    let mut session = Session::open(TransportKind::Polling);
    for _ in 0..40 {
        session.send("x");
    }
    for count in [16, 16, 8] {
        assert!(matches!(session.poll().as_slice(), [Transmit::Poll(sent)] if sent.len() == count));
    }
}

#[test]
fn an_overlapping_poll_ends_the_session_and_the_first_is_told() {
    let mut session = Session::open(TransportKind::Polling);
    assert_eq!(session.poll(), []);
    assert_eq!(
        session.connection.handle_poll(session.now),
        Err(PollRefused::Overlapping)
    );
    assert_eq!(session.transmits(), [Transmit::Poll(frames(&["1"]))]);
    assert_eq!(session.events(), closed(CloseReason::TransportError));
    assert_eq!(
        session.connection.handle_poll(session.now),
        Err(PollRefused::Closed)
    );
}

#[test]
fn an_aborted_poll_ends_the_session() {
    let mut session = Session::open(TransportKind::Polling);
    assert_eq!(session.poll(), []);
    session.connection.handle_poll_aborted();
    assert_eq!(session.events(), closed(CloseReason::TransportClose));
    assert_eq!(session.connection.poll_timeout(), None);
}

#[test]
fn an_abort_after_the_answer_changes_nothing() {
    let mut session = Session::open(TransportKind::Polling);
    session.connection.handle_poll_aborted();
    assert_eq!(session.events(), []);
    assert!(!session.connection.is_closed());
}

#[test]
fn packets_of_a_dead_poll_reach_the_websocket_that_is_being_probed() {
    let mut session = Session::open(TransportKind::Polling);
    session.connection.handle_attached(session.now).unwrap();
    session.probe("2probe");
    assert_eq!(
        session.transmits(),
        [Transmit::Probe(Frame::Text("3probe".into()))]
    );
    session.send("a");
    session.send("b");
    let Some(Transmit::Poll(dead)) = session.poll().pop() else {
        panic!("the poll takes what waits");
    };
    session.connection.handle_poll_undelivered(dead);
    session.send("c");
    session.probe("5");
    assert_eq!(session.events(), [EngineEvent::Upgraded]);
    assert_eq!(
        session.transmits(),
        [Transmit::Websocket(frames(&["4a", "4b", "4c"]))]
    );
}

#[test]
fn a_dead_poll_without_an_upgrade_is_a_lost_transport() {
    let mut session = Session::open(TransportKind::Polling);
    session.send("a");
    let Some(Transmit::Poll(dead)) = session.poll().pop() else {
        panic!("the poll takes what waits");
    };
    session.connection.handle_poll_undelivered(dead);
    assert_eq!(session.events(), closed(CloseReason::TransportClose));
}

#[test]
fn messages_become_events() {
    for transport in [TransportKind::Polling, TransportKind::Websocket] {
        let mut session = Session::open(transport);
        session.packet("4hello");
        assert_eq!(
            session.events(),
            [EngineEvent::Message(Data::Text("hello".into()))]
        );
    }
}

#[test]
fn the_client_closes() {
    let mut session = Session::open(TransportKind::Polling);
    assert_eq!(session.poll(), []);
    session.packet("1");
    assert_eq!(session.transmits(), [Transmit::Poll(frames(&["6"]))]);
    assert_eq!(session.events(), closed(CloseReason::TransportClose));

    let mut session = Session::open(TransportKind::Websocket);
    session.send("late");
    session.packet("1");
    assert_eq!(session.transmits(), [Transmit::CloseWebsocket]);
    assert_eq!(session.events(), closed(CloseReason::TransportClose));
}

#[test]
fn the_server_closes_after_a_flush() {
    let mut session = Session::open(TransportKind::Websocket);
    session.send("a");
    session
        .connection
        .close(CloseReason::ForcedClose, session.now);
    session.send("too late");
    assert_eq!(session.transmits(), [Transmit::Websocket(frames(&["4a"]))]);
    assert_eq!(session.events(), []);
    session.connection.handle_written();
    assert_eq!(session.transmits(), [Transmit::CloseWebsocket]);
    assert_eq!(session.events(), closed(CloseReason::ForcedClose));

    let mut session = Session::open(TransportKind::Polling);
    session.send("a");
    session
        .connection
        .close(CloseReason::ServerShutdown, session.now);
    assert_eq!(session.transmits(), []);
    assert_eq!(session.poll(), [Transmit::Poll(frames(&["4a", "1"]))]);
    assert_eq!(session.events(), closed(CloseReason::ServerShutdown));
}

#[test]
fn a_flush_that_nobody_reads_is_given_up() {
    let mut session = Session::open(TransportKind::Websocket);
    session.send("a");
    assert_eq!(session.transmits().len(), 1);
    session
        .connection
        .close(CloseReason::ForcedClose, session.now);
    session.advance(4_999);
    assert_eq!(session.events(), []);
    session.advance(1);
    assert_eq!(session.transmits(), [Transmit::CloseWebsocket]);
    assert_eq!(session.events(), closed(CloseReason::ForcedClose));
}

#[test]
fn pings_follow_the_interval_and_a_missing_pong_ends_the_session() {
    for transport in [TransportKind::Polling, TransportKind::Websocket] {
        let mut session = Session::open(transport);
        for _ in 0..3 {
            session.advance(299);
            assert_eq!(session.connection.outbound_bytes().0, 0);
            session.advance(1);
            assert_eq!(session.connection.outbound_bytes().0, 1);
            if transport == TransportKind::Polling {
                assert_eq!(session.poll(), [Transmit::Poll(frames(&["2"]))]);
            } else {
                assert_eq!(session.transmits(), [Transmit::Websocket(frames(&["2"]))]);
                session.connection.handle_written();
            }
            session.packet("3");
        }
        session.advance(300);
        session.advance(199);
        assert!(!session.connection.is_closed());
        session.advance(1);
        assert_eq!(session.events(), closed(CloseReason::PingTimeout));
    }
}

#[test]
fn only_a_pong_keeps_a_session_alive() {
    let mut session = Session::open(TransportKind::Polling);
    session.advance(300);
    session.packet("4hello");
    session.advance(200);
    assert!(
        session
            .events()
            .contains(&EngineEvent::Closed(CloseReason::PingTimeout))
    );
}

#[test]
fn a_ping_from_the_client_is_no_packet_of_revision_4() {
    let mut session = Session::open(TransportKind::Websocket);
    session.packet("2");
    assert_eq!(session.events(), closed(CloseReason::TransportError));
}

#[test]
fn packets_without_meaning_here_are_ignored() {
    let mut session = Session::open(TransportKind::Websocket);
    for wire in ["0{}", "5", "6"] {
        session.packet(wire);
    }
    assert_eq!(session.events(), []);
    assert!(!session.connection.is_closed());
}

#[test]
fn what_is_no_packet_ends_the_session() {
    let mut session = Session::open(TransportKind::Polling);
    session.connection.handle_malformed();
    assert_eq!(session.events(), closed(CloseReason::ParseError));
}

#[test]
fn an_upgrade_ends_the_parked_poll_and_moves_what_waits() {
    let mut session = Session::open(TransportKind::Polling);
    assert_eq!(session.poll(), []);
    session.connection.handle_attached(session.now).unwrap();
    session.probe("2probe");
    assert_eq!(
        session.transmits(),
        [
            Transmit::Probe(Frame::Text("3probe".into())),
            Transmit::Poll(frames(&["6"]))
        ]
    );
    assert_eq!(session.poll(), []);
    session.advance(49);
    assert_eq!(session.transmits(), []);
    session.advance(1);
    assert_eq!(session.transmits(), [Transmit::Poll(frames(&["6"]))]);
    session.send("a");
    assert_eq!(session.transmits(), []);
    session.probe("5");
    assert_eq!(session.events(), [EngineEvent::Upgraded]);
    assert_eq!(session.transmits(), [Transmit::Websocket(frames(&["4a"]))]);
    assert_eq!(
        session.connection.handle_poll(session.now),
        Err(PollRefused::OnWebsocket)
    );
    let again = session.connection.handle_attached(session.now);
    assert_eq!(again, Err(UpgradeRefused::AlreadyUpgraded));
    session.packet("4on");
    assert_eq!(
        session.events(),
        [EngineEvent::Message(Data::Text("on".into()))]
    );
}

#[test]
fn a_poll_that_the_upgrade_overtakes_is_refused() {
    let mut session = Session::open(TransportKind::Polling);
    session.connection.handle_attached(session.now).unwrap();
    session.probe("2probe");
    assert_eq!(session.poll().len(), 1, "the answer to the probe");
    session.probe("5");
    assert_eq!(
        session.transmits(),
        [Transmit::RefusePoll(PollRefused::OnWebsocket)]
    );
    assert_eq!(session.events(), [EngineEvent::Upgraded]);
}

#[test]
fn a_second_websocket_is_refused_while_the_first_is_probed() {
    let mut session = Session::open(TransportKind::Polling);
    session.connection.handle_attached(session.now).unwrap();
    let second = session.connection.handle_attached(session.now);
    assert_eq!(second, Err(UpgradeRefused::AlreadyUpgrading));
}

#[test]
fn an_upgrade_that_goes_wrong_leaves_polling_as_it_was() {
    for wrong in ["4hello", "2", "5", "1"] {
        let mut session = Session::open(TransportKind::Polling);
        session.connection.handle_attached(session.now).unwrap();
        session.probe(wrong);
        assert_eq!(session.transmits(), [Transmit::CloseProbe], "{wrong}");
        session.send("a");
        assert_eq!(session.poll(), [Transmit::Poll(frames(&["4a"]))], "{wrong}");
        session.connection.handle_attached(session.now).unwrap();
    }
}

#[test]
fn an_upgrade_that_does_not_come_is_given_up() {
    let change = |config: &mut EngineConfig| {
        config.upgrade_timeout = Duration::from_millis(100);
    };
    let mut session = Session::with(TransportKind::Polling, change);
    session.connection.handle_attached(session.now).unwrap();
    session.probe("2probe");
    session.advance(100);
    assert_eq!(session.transmits().last(), Some(&Transmit::CloseProbe));
    session.send("a");
    assert_eq!(session.poll(), [Transmit::Poll(frames(&["4a"]))]);
}

#[test]
fn one_batch_is_with_the_websocket_at_a_time() {
    let mut session = Session::open(TransportKind::Websocket);
    session.send("a");
    assert_eq!(session.transmits(), [Transmit::Websocket(frames(&["4a"]))]);
    session.send("b");
    session.send("c");
    assert_eq!(session.transmits(), []);
    assert!(session.connection.waits_for_write());
    session.connection.handle_written();
    assert_eq!(
        session.transmits(),
        [Transmit::Websocket(frames(&["4b", "4c"]))]
    );
}

#[test]
fn a_client_that_does_not_read_is_cut_off_at_its_bound() {
    let change = |config: &mut EngineConfig| {
        config.max_outbound_bytes = 100;
    };
    for transport in [TransportKind::Polling, TransportKind::Websocket] {
        let mut session = Session::with(transport, change);
        for _ in 0..50 {
            session.send("0123456789");
            session.transmits();
        }
        assert_eq!(session.events(), closed(CloseReason::SlowConsumer));
        assert_eq!(session.connection.outbound_bytes().0, 0);
    }
}

#[test]
fn an_attachment_follows_its_packet_directly() {
    let mut session = Session::open(TransportKind::Websocket);
    let attachment = Frame::Binary(bytes::Bytes::from_static(&[1, 2]));
    let header = Frame::Text("451-[]".into());
    session
        .connection
        .send(header.clone(), std::slice::from_ref(&attachment));
    assert_eq!(
        session.transmits(),
        [Transmit::Websocket(vec![header, attachment])]
    );
}

#[test]
fn a_lost_websocket_ends_the_session() {
    let mut session = Session::open(TransportKind::Websocket);
    session.connection.handle_websocket_closed();
    assert_eq!(session.events(), closed(CloseReason::TransportClose));
}
