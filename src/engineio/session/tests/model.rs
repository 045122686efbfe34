//! Compares random sessions with a simple model: which frames the client gets, their order, and why the session ends.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const INTERVAL: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);
const UPGRADE: Duration = Duration::from_millis(150);
const CLOSE: Duration = Duration::from_millis(120);
const MAX_BYTES: usize = 60;
const MAX_PACKETS: usize = 3;

/// What can happen to a session.
#[derive(Debug, Clone)]
enum Step {
    Poll,
    /// The client drops the parked poll.
    AbortPoll,
    /// The next response to a poll does not reach the client.
    LoseNextPoll,
    /// The server sends a text of this size with this many attachments.
    Send(usize, usize),
    Client(&'static str),
    Malformed,
    Attach,
    Probe(&'static str),
    ProbeFailed,
    WebsocketClosed,
    Written,
    /// Time passes, and every timer fires when due.
    Pass(u64),
    /// Time passes, and timers fire late.
    Stall(u64),
    Close(CloseReason),
}

/// Mostly steps that a session survives. Steps that end it are rare, so that sessions live long.
fn step() -> impl Strategy<Value = Step> {
    let ends = prop_oneof![
        prop::sample::select(vec!["1", "2"]).prop_map(Step::Client),
        Just(Step::Malformed),
        Just(Step::AbortPoll),
        Just(Step::WebsocketClosed),
        prop::sample::select(vec![CloseReason::ForcedClose, CloseReason::TransportError])
            .prop_map(Step::Close),
    ];
    let probing = prop_oneof![
        2 => Just(Step::Attach),
        3 => Just(Step::Probe("2probe")),
        2 => Just(Step::Probe("5")),
        1 => prop::sample::select(vec!["1", "2", "4x", "6"]).prop_map(Step::Probe),
        1 => Just(Step::ProbeFailed),
    ];
    let time = prop_oneof![
        5 => (1..140_u64).prop_map(Step::Pass),
        1 => (1..700_u64).prop_map(Step::Stall),
    ];
    prop_oneof![
        9 => Just(Step::Poll),
        3 => Just(Step::LoseNextPoll),
        7 => (0..12_usize, 0..3_usize).prop_map(|(size, count)| Step::Send(size, count)),
        4 => prop::sample::select(vec!["4hi", "0{}", "5", "6"]).prop_map(Step::Client),
        4 => Just(Step::Client("3")),
        6 => Just(Step::Written),
        12 => probing,
        6 => time,
        1 => ends,
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probing {
    No,
    Attached(Instant),
    Probed(Instant),
}

/// The state of a session, as the documentation for client authors describes it.
#[expect(clippy::struct_excessive_bools, reason = "a model is plain on purpose")]
struct Model {
    now: Instant,
    on_websocket: bool,
    /// A GET is parked.
    polling: bool,
    poll_ends_at: Option<Instant>,
    loses_next_poll: bool,
    in_flight: bool,
    probing: Probing,
    awaits_pong: bool,
    heartbeat_at: Instant,
    flushing: Option<(CloseReason, Instant)>,
    closed: bool,
    waiting: VecDeque<Frame>,
    /// All frames that the server was allowed to send, and those that reached the client.
    sent: Vec<Frame>,
    received: Vec<Frame>,
    /// The events and transmits that this step must cause.
    events: Vec<EngineEvent>,
    may_end_poll: bool,
    must_refuse_poll: bool,
    must_close_probe: bool,
    must_close_websocket: bool,
    must_answer_probe: bool,
}

struct Life {
    connection: EngineSession,
    model: Model,
    sends: u32,
}

impl Model {
    fn new(transport: TransportKind, now: Instant) -> Self {
        Self {
            now,
            on_websocket: transport == TransportKind::Websocket,
            polling: false,
            poll_ends_at: None,
            loses_next_poll: false,
            in_flight: false,
            probing: Probing::No,
            awaits_pong: false,
            heartbeat_at: now + INTERVAL,
            flushing: None,
            closed: false,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            received: Vec::new(),
            events: Vec::new(),
            may_end_poll: false,
            must_refuse_poll: false,
            must_close_probe: false,
            must_close_websocket: false,
            must_answer_probe: false,
        }
    }

    const fn is_open(&self) -> bool {
        !self.closed && self.flushing.is_none()
    }

    const fn is_probed(&self) -> bool {
        matches!(self.probing, Probing::Probed(_))
    }

    fn end(&mut self, reason: CloseReason) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.waiting.clear();
        self.stop_probing();
        self.must_close_websocket = self.on_websocket;
        self.events.push(EngineEvent::Closed(reason));
    }

    fn stop_probing(&mut self) {
        self.must_close_probe |= self.probing != Probing::No;
        self.probing = Probing::No;
    }

    fn end_if_flushed(&mut self) {
        if let Some((reason, _)) = self.flushing
            && self.waiting.is_empty()
        {
            self.end(reason);
        }
    }

    fn send(&mut self, group: &[Frame]) {
        if !self.is_open() {
            return;
        }
        let bytes =
            |frames: &mut dyn Iterator<Item = &Frame>| frames.map(Frame::len).sum::<usize>();
        let wait = bytes(&mut self.waiting.iter());
        if !self.waiting.is_empty() && wait + bytes(&mut group.iter()) > MAX_BYTES {
            return self.end(CloseReason::SlowConsumer);
        }
        self.waiting.extend(group.iter().cloned());
        self.sent.extend(group.iter().cloned());
    }

    fn client(&mut self, packet: &Packet) {
        if self.closed {
            return;
        }
        match packet {
            Packet::Message(data) if self.is_open() => {
                self.events.push(EngineEvent::Message(data.clone()));
            }
            Packet::Pong(_) => {
                self.awaits_pong = false;
                self.heartbeat_at = self.now + INTERVAL;
            }
            Packet::Close => {
                self.may_end_poll = true;
                self.end(CloseReason::TransportClose);
            }
            Packet::Ping(_) => self.end(CloseReason::TransportError),
            _ => {}
        }
    }

    fn probe(&mut self, wire: &str) {
        match (self.probing, wire) {
            (Probing::No, _) => {}
            (Probing::Attached(until), "2probe") => {
                self.probing = Probing::Probed(until);
                self.must_answer_probe = true;
                self.may_end_poll = true;
            }
            (Probing::Probed(_), "5") => {
                self.probing = Probing::No;
                self.on_websocket = true;
                // A poll that arrived after the probe is surplus for the client that sent it.
                self.must_refuse_poll = self.polling && self.poll_ends_at.is_some();
                self.poll_ends_at = None;
                self.events.push(EngineEvent::Upgraded);
            }
            _ => self.stop_probing(),
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if !self.is_open() {
            return;
        }
        if !reason.flushes() {
            return self.end(reason);
        }
        if !self.on_websocket {
            self.waiting.push_back(Frame::Text("1".into()));
        }
        self.flushing = Some((reason, self.now + CLOSE));
    }

    /// Fires the timers that are due.
    fn tick(&mut self) {
        match self.probing {
            Probing::Attached(until) | Probing::Probed(until) if until <= self.now => {
                self.stop_probing();
            }
            _ => {}
        }
        if self.poll_ends_at.is_some_and(|at| at <= self.now) {
            self.poll_ends_at = None;
            self.may_end_poll = true;
        }
        match self.flushing {
            _ if self.closed => {}
            Some((reason, until)) if until <= self.now => self.end(reason),
            Some(_) => {}
            None if self.heartbeat_at > self.now => {}
            None if self.awaits_pong => self.end(CloseReason::PingTimeout),
            None => {
                self.awaits_pong = true;
                self.waiting.push_back(Frame::Text("2".into()));
                let late = self.now - self.heartbeat_at;
                let sent = if late > TIMEOUT / 8 {
                    self.now
                } else {
                    self.heartbeat_at
                };
                self.heartbeat_at = sent + TIMEOUT;
            }
        }
    }

    fn receive(&mut self, frames: &[Frame]) {
        let is_message = |frame: &&Frame| match frame {
            Frame::Text(text) => text.starts_with('4'),
            Frame::Shared(_) | Frame::Binary(_) => true,
        };
        self.received
            .extend(frames.iter().filter(is_message).cloned());
    }

    fn take(&mut self, frames: &[Frame], most: usize) {
        let count = most.min(self.waiting.len());
        let expected: Vec<Frame> = self.waiting.drain(..count).collect();
        assert_eq!(frames, expected, "what waits goes out in its order");
        assert!(!frames.is_empty());
    }
}

impl Life {
    fn begin(transport: TransportKind) -> Self {
        let config = EngineConfig {
            ping_interval: INTERVAL,
            ping_timeout: TIMEOUT,
            upgrade_timeout: UPGRADE,
            close_timeout: CLOSE,
            max_outbound_bytes: MAX_BYTES,
            max_packets_per_poll: MAX_PACKETS,
            ..EngineConfig::default()
        };
        let now = Instant::now();
        let mut connection = EngineSession::new(Sid::random(), transport, Arc::new(config), now);
        if transport == TransportKind::Polling {
            connection.handle_poll(now).unwrap();
        }
        assert!(connection.poll_transmit().is_some(), "the open packet");
        connection.handle_written();
        Self {
            connection,
            model: Model::new(transport, now),
            sends: 0,
        }
    }

    /// Applies one step to the session and to the model, and compares their output.
    fn step(&mut self, step: &Step) {
        let Self {
            connection, model, ..
        } = self;
        match step {
            Step::Poll => self.poll(),
            Step::AbortPoll => {
                connection.handle_poll_aborted();
                let was_parked = std::mem::take(&mut model.polling);
                if was_parked && !model.is_probed() {
                    model.end(CloseReason::TransportClose);
                }
            }
            Step::LoseNextPoll => model.loses_next_poll = true,
            Step::Send(size, count) => self.send(*size, *count),
            Step::Client(wire) => {
                let packet = Packet::decode_text(&(*wire).into()).unwrap();
                connection.handle_packet(packet.clone(), model.now);
                model.client(&packet);
            }
            Step::Malformed => {
                connection.handle_malformed();
                model.end(CloseReason::ParseError);
            }
            Step::Attach => {
                let attached = connection.handle_attached(model.now);
                let expected = if !model.is_open() {
                    Err(UpgradeRefused::Closed)
                } else if model.on_websocket {
                    Err(UpgradeRefused::AlreadyUpgraded)
                } else if model.probing == Probing::No {
                    model.probing = Probing::Attached(model.now + UPGRADE);
                    Ok(())
                } else {
                    Err(UpgradeRefused::AlreadyUpgrading)
                };
                assert_eq!(attached, expected);
            }
            Step::Probe(wire) => {
                let packet = Packet::decode_text(&(*wire).into()).unwrap();
                connection.handle_probe_packet(&packet);
                model.probe(wire);
            }
            Step::ProbeFailed => {
                connection.handle_probe_failed();
                model.stop_probing();
            }
            Step::WebsocketClosed => {
                connection.handle_websocket_closed();
                if model.on_websocket {
                    model.end(CloseReason::TransportClose);
                }
            }
            Step::Written => {
                connection.handle_written();
                model.in_flight = false;
            }
            Step::Pass(millis) => return self.pass(Duration::from_millis(*millis)),
            Step::Stall(millis) => {
                model.now += Duration::from_millis(*millis);
                connection.handle_timeout(model.now);
                model.tick();
            }
            Step::Close(reason) => {
                connection.close(*reason, model.now);
                model.close(*reason);
            }
        }
        self.compare();
    }

    fn poll(&mut self) {
        let Self {
            connection, model, ..
        } = self;
        let polled = connection.handle_poll(model.now);
        let expected = if model.closed {
            Err(PollRefused::Closed)
        } else if model.on_websocket {
            Err(PollRefused::OnWebsocket)
        } else if model.polling {
            model.end(CloseReason::TransportError);
            Err(PollRefused::Overlapping)
        } else {
            model.polling = true;
            model.poll_ends_at = model.is_probed().then(|| model.now + PROBED_POLL_WAIT);
            Ok(())
        };
        assert_eq!(polled, expected);
    }

    fn send(&mut self, size: usize, attachments: usize) {
        self.sends += 1;
        let text = format!("4{}:{}", self.sends, "x".repeat(size));
        let attachment = |n: usize| Frame::Binary(format!("{}/{n}", self.sends).into());
        let attachments: Vec<Frame> = (0..attachments).map(attachment).collect();
        let first = Frame::Text(text.into());
        self.connection.send(first.clone(), &attachments);
        self.model.send(&[&[first], &*attachments].concat());
    }

    /// Fires a timer at every deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.model.now + time;
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= end) {
            self.model.now = due.max(self.model.now);
            self.connection.handle_timeout(self.model.now);
            self.model.tick();
            self.compare();
            let next = self.connection.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.model.now),
                "a timer fires for ever"
            );
        }
        self.model.now = end;
    }

    fn compare(&mut self) {
        while let Some(transmit) = self.connection.poll_transmit() {
            self.carry_out(transmit);
        }
        let said: Vec<EngineEvent> = std::iter::from_fn(|| self.connection.poll_event()).collect();
        let model = &mut self.model;
        assert_eq!(said, std::mem::take(&mut model.events));
        assert!(!model.must_refuse_poll, "a poll was to be refused");
        assert!(!model.must_answer_probe && !model.must_close_probe && !model.must_close_websocket);
        assert!(
            !(model.polling && (model.closed || model.on_websocket)),
            "a poll hangs"
        );
        assert!(
            !(model.may_end_poll && model.polling),
            "a poll was to be ended"
        );
        model.may_end_poll = false;
        if model.polling || (model.on_websocket && !model.in_flight) {
            assert!(model.waiting.is_empty(), "it could go out and does not");
        }
        let bytes = model.waiting.iter().map(Frame::len).sum::<usize>();
        assert_eq!(self.connection.outbound_bytes().0, bytes);
        assert_eq!(self.connection.is_closed(), model.closed);
        assert_eq!(self.connection.poll_timeout().is_none(), model.closed);
        let on_websocket = self.connection.transport() == TransportKind::Websocket;
        assert_eq!(
            on_websocket, model.on_websocket,
            "there is no way back to polling"
        );
        assert!(
            model.sent.starts_with(&model.received),
            "in order, and once"
        );
    }

    fn carry_out(&mut self, transmit: Transmit) {
        let model = &mut self.model;
        match transmit {
            Transmit::Poll(frames) => {
                assert!(std::mem::take(&mut model.polling), "nobody asked");
                let ends = |wire: &str| frames == [Frame::Text(wire.into())];
                if model.may_end_poll && ends("6") {
                    model.may_end_poll = false;
                } else if !(model.closed && ends("1")) {
                    model.take(&frames, MAX_PACKETS);
                    model.end_if_flushed();
                }
                if !std::mem::take(&mut model.loses_next_poll) {
                    return model.receive(&frames);
                }
                if !model.closed {
                    let kept = frames
                        .iter()
                        .filter(|frame| **frame != Frame::Text("6".into()));
                    kept.rev()
                        .for_each(|frame| model.waiting.push_front(frame.clone()));
                    if !model.on_websocket && !model.is_probed() {
                        model.end(CloseReason::TransportClose);
                    }
                }
                self.connection.handle_poll_undelivered(frames);
            }
            Transmit::RefusePoll(refused) => {
                assert!(std::mem::take(&mut model.polling) && model.on_websocket);
                assert!(std::mem::take(&mut model.must_refuse_poll));
                assert_eq!(refused, PollRefused::OnWebsocket);
            }
            Transmit::Websocket(frames) => {
                assert!(model.on_websocket && !model.in_flight && !model.closed);
                model.in_flight = true;
                model.take(&frames, usize::MAX);
                model.receive(&frames);
            }
            Transmit::Probe(frame) => {
                assert!(std::mem::take(&mut model.must_answer_probe));
                assert_eq!(frame, Frame::Text("3probe".into()));
            }
            Transmit::CloseProbe => assert!(std::mem::take(&mut model.must_close_probe)),
            Transmit::CloseWebsocket => {
                // A session with nothing left to write ends only here.
                if !model.closed {
                    assert!(!model.in_flight);
                    model.end_if_flushed();
                }
                assert!(std::mem::take(&mut model.must_close_websocket));
            }
        }
    }

    /// A client that keeps reading gets everything.
    fn settle(&mut self) {
        let closed_before = self.model.closed;
        self.model.loses_next_poll = false;
        for _ in 0..100 {
            if self.model.closed || (self.model.waiting.is_empty() && self.model.flushing.is_none())
            {
                break;
            }
            self.step(if self.model.on_websocket {
                &Step::Written
            } else {
                &Step::Poll
            });
        }
        if !closed_before {
            assert_eq!(self.model.received, self.model.sent, "something was lost");
            assert_eq!(self.model.closed, self.model.flushing.is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_session_is_what_its_model_says(
        polling: bool,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let transport = if polling { TransportKind::Polling } else { TransportKind::Websocket };
        let mut life = Life::begin(transport);
        for step in &steps {
            life.step(step);
        }
        life.settle();
    }
}
