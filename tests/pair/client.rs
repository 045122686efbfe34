//! The client's half of Engine.IO: what `engine.io-client` 6 does on both transports and on the way between them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use messagebox::engineio::{Data, Frame, Packet, TransportKind, decode_payload, encode_payload};
use serde_json::Value;

use crate::pair::Wire;

/// The application on the client.
pub trait Party {
    /// The session has begun: texts to send first.
    fn opened(&mut self, _now: Instant) -> Vec<String> {
        Vec::new()
    }

    /// A text came: texts to send in answer.
    fn received(&mut self, text: &str, now: Instant) -> Vec<String>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Polling,
    /// Sends and receives over polling, and probes this websocket.
    Probing(u32),
    /// The probe was answered. The client sends nothing more over polling and waits for its requests to end.
    Pausing(u32),
    Websocket(u32),
    Ended,
}

/// Why the client gave its session up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEnd {
    /// A request failed, or the websocket closed.
    Transport,
    /// The server sent `1`.
    ClosedByServer,
    /// The server was silent for longer than its heartbeat allows.
    Silence,
}

pub struct Client<P> {
    pub party: P,
    pub end: Option<ClientEnd>,
    phase: Phase,
    is_open: bool,
    is_polling: bool,
    is_posting: bool,
    waiting: Vec<Frame>,
    heartbeat: Duration,
    silent_at: Instant,
    /// Number of the websocket that was opened last.
    websockets: u32,
    opening: Option<u32>,
}

impl<P: Party> Client<P> {
    pub fn new(transport: TransportKind, party: P, now: Instant) -> Self {
        let mut client = Self {
            party,
            end: None,
            phase: Phase::Ended,
            is_open: false,
            is_polling: false,
            is_posting: false,
            waiting: Vec::new(),
            heartbeat: Duration::from_secs(45),
            silent_at: now,
            websockets: 0,
            opening: None,
        };
        client.connect(transport, now);
        client
    }

    /// Begins a session, and forgets the one before.
    pub fn connect(&mut self, transport: TransportKind, now: Instant) {
        self.end = None;
        (self.is_open, self.is_polling, self.is_posting) = (false, false, false);
        self.waiting.clear();
        self.silent_at = now + self.heartbeat;
        self.phase = match transport {
            TransportKind::Polling => Phase::Polling,
            TransportKind::Websocket => Phase::Websocket(self.open_websocket()),
        };
    }

    /// Begins to move to a websocket.
    pub fn upgrade(&mut self) -> u32 {
        assert!(matches!(self.phase, Phase::Polling | Phase::Probing(_)));
        let id = self.open_websocket();
        self.phase = Phase::Probing(id);
        id
    }

    fn open_websocket(&mut self) -> u32 {
        self.websockets += 1;
        self.opening = Some(self.websockets);
        self.websockets
    }

    pub fn is_on_websocket(&self) -> bool {
        matches!(self.phase, Phase::Websocket(_)) && self.end.is_none()
    }

    pub fn is_on_polling(&self) -> bool {
        self.phase == Phase::Polling && self.end.is_none()
    }

    /// Sends a text, unless the session has ended.
    pub fn send(&mut self, text: &str) {
        if self.end.is_none() {
            let frame = Frame::message_with(text.len(), |out| out.push_str(text));
            self.waiting.push(frame);
        }
    }

    pub fn lose_connection(&mut self) {
        self.finish(ClientEnd::Transport);
    }

    fn finish(&mut self, end: ClientEnd) {
        if self.end.is_none() {
            self.end = Some(end);
            self.phase = Phase::Ended;
            self.waiting.clear();
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.end.is_none().then_some(self.silent_at)
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Wire> {
        if self.end.is_some() || now < self.silent_at {
            return Vec::new();
        }
        let phase = self.phase;
        self.finish(ClientEnd::Silence);
        match phase {
            Phase::Probing(id) | Phase::Pausing(id) | Phase::Websocket(id) => {
                vec![Wire::ClosedByClient(id)]
            }
            Phase::Polling | Phase::Ended => Vec::new(),
        }
    }

    /// Takes what has arrived, and gives what answers it at once.
    pub fn handle(&mut self, wire: Wire, now: Instant) -> Vec<Wire> {
        if self.end.is_some() {
            return Vec::new();
        }
        match (wire, self.phase) {
            (Wire::GetAnswer(Some(body)), _) => {
                self.is_polling = false;
                for packet in decode_payload(Bytes::from(body), usize::MAX).unwrap() {
                    self.packet(packet, now);
                }
            }
            (Wire::PostAnswer { is_accepted: true }, _) => self.is_posting = false,
            // The session has moved: a late refusal means nothing.
            (Wire::GetAnswer(None) | Wire::PostAnswer { .. }, Phase::Websocket(_)) => {}
            (Wire::GetAnswer(None) | Wire::PostAnswer { .. }, _) => {
                self.finish(ClientEnd::Transport);
            }
            (Wire::Opened(id), Phase::Probing(probed)) if id == probed => {
                return vec![Wire::Up(id, Frame::from(&Packet::Ping("probe".into())))];
            }
            (Wire::Down(id, frame), Phase::Probing(probed)) if id == probed => {
                let is_answer = Packet::try_from(frame) == Ok(Packet::Pong("probe".into()));
                assert!(is_answer, "the server answers a probe, and nothing else");
                self.phase = Phase::Pausing(id);
            }
            (Wire::Down(id, _), Phase::Pausing(probed)) if id == probed => {
                panic!("the server sends on a websocket to which the session has not moved");
            }
            (Wire::Down(id, frame), Phase::Websocket(own)) if id == own => {
                self.packet(Packet::try_from(frame).unwrap(), now);
            }
            (Wire::ClosedByServer(id), Phase::Probing(probed) | Phase::Pausing(probed))
                if id == probed =>
            {
                self.phase = Phase::Polling;
            }
            (Wire::ClosedByServer(id), Phase::Websocket(own)) if id == own => {
                self.finish(ClientEnd::Transport);
            }
            _ => {}
        }
        Vec::new()
    }

    fn packet(&mut self, packet: Packet, now: Instant) {
        self.silent_at = now + self.heartbeat;
        let answers = match packet {
            Packet::Open(json) => {
                let open: Value = serde_json::from_str(&json).unwrap();
                let millis = |field: &str| open[field].as_u64().unwrap();
                self.heartbeat =
                    Duration::from_millis(millis("pingInterval") + millis("pingTimeout"));
                self.silent_at = now + self.heartbeat;
                self.is_open = true;
                self.party.opened(now)
            }
            Packet::Message(Data::Text(text)) => self.party.received(&text, now),
            Packet::Ping(data) => {
                self.waiting.push(Frame::from(&Packet::Pong(data)));
                return;
            }
            Packet::Close => return self.finish(ClientEnd::ClosedByServer),
            other => {
                assert_eq!(other, Packet::Noop);
                return;
            }
        };
        for text in answers {
            self.send(&text);
        }
    }

    /// What the client sends now.
    pub fn pump(&mut self) -> Vec<Wire> {
        let mut sent: Vec<Wire> = self.opening.take().map(Wire::Open).into_iter().collect();
        match self.phase {
            Phase::Polling | Phase::Probing(_) => {
                if !self.is_polling {
                    self.is_polling = true;
                    sent.push(Wire::Get);
                }
                if self.is_open && !self.is_posting && !self.waiting.is_empty() {
                    self.is_posting = true;
                    let body = encode_payload(&std::mem::take(&mut self.waiting));
                    sent.push(Wire::Post(body));
                }
            }
            Phase::Pausing(id) if !self.is_polling && !self.is_posting => {
                self.phase = Phase::Websocket(id);
                sent.push(Wire::Up(id, Frame::from(&Packet::Upgrade)));
                sent.extend(self.frames(id));
            }
            Phase::Websocket(id) if self.is_open => sent.extend(self.frames(id)),
            Phase::Pausing(_) | Phase::Websocket(_) | Phase::Ended => {}
        }
        sent
    }

    fn frames(&mut self, id: u32) -> impl Iterator<Item = Wire> + use<P> {
        let frames = std::mem::take(&mut self.waiting);
        frames.into_iter().map(move |frame| Wire::Up(id, frame))
    }
}
