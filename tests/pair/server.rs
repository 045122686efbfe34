//! The server's half: an Engine.IO session under its application, carried as the actor carries it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Context;
use messagebox::engineio::{
    CloseReason, EngineConfig, EngineEvent, EngineSession, Frame, Packet, Transmit, TransportKind,
    decode_payload, encode_payload,
};
use messagebox::ids::Sid;
use messagebox::limits::Cost;
use messagebox::socket::{Application, Link, Socket};

use crate::pair::Wire;

pub struct Server<A: Application> {
    pub engine: EngineSession,
    pub application: A,
    /// Why the session ended.
    pub end: Option<CloseReason>,
    /// The application asks for it; its actor does not run.
    context: Context<Socket<A>>,
    sid: Sid,
    websocket: Option<u32>,
    probe: Option<u32>,
    reads_at: Option<Instant>,
    max_packets: usize,
}

impl<A: Application> Server<A> {
    pub fn new(
        transport: TransportKind,
        config: Arc<EngineConfig>,
        application: A,
        now: Instant,
    ) -> Self {
        let sid = Sid::random();
        Self {
            max_packets: config.max_packets_per_payload,
            engine: EngineSession::new(sid, transport, config, now),
            application,
            end: None,
            context: Context::new(),
            sid,
            websocket: None,
            probe: None,
            reads_at: None,
        }
    }

    /// Sends a text outside of what the application does by itself.
    pub fn send(&mut self, text: &str) {
        let frame = Frame::message_with(text.len(), |out| out.push_str(text));
        self.engine.send(frame, &[]);
    }

    /// Until when the client is left unread.
    pub const fn reads_at(&self) -> Option<Instant> {
        self.reads_at
    }

    pub fn lose_connection(&mut self) {
        self.engine.handle_poll_aborted();
        if self.probe.take().is_some() {
            self.engine.handle_probe_failed();
        }
        if self.websocket.take().is_some() {
            self.engine.handle_websocket_closed();
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.engine.is_closed() {
            return None;
        }
        let deadlines = [self.engine.poll_timeout(), self.application.poll_timeout()];
        deadlines.into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.engine.handle_timeout(now);
        let due = self.application.poll_timeout();
        if due.is_some_and(|at| at <= now) && !self.engine.is_closed() {
            let mut link = Link::new(self.sid, &mut self.engine, now);
            self.application
                .handle_timeout(&mut link, &mut self.context);
        }
    }

    /// Takes what has arrived, and gives what answers it at once.
    pub fn handle(&mut self, wire: Wire, now: Instant) -> Vec<Wire> {
        if wire.is_http() {
            // A request that comes after a deadline must not find the session alive.
            self.engine.handle_timeout(now);
        }
        match wire {
            Wire::Get => match self.engine.handle_poll(now) {
                Ok(()) => Vec::new(),
                Err(_) => vec![Wire::GetAnswer(None)],
            },
            Wire::Post(body) => {
                let is_accepted = self.post(body, now);
                vec![Wire::PostAnswer { is_accepted }]
            }
            Wire::Open(id) => self.attach(id, now),
            Wire::Up(id, frame) => {
                self.frame(id, frame, now);
                Vec::new()
            }
            Wire::ClosedByClient(id) if self.websocket == Some(id) => {
                self.websocket = None;
                self.engine.handle_websocket_closed();
                Vec::new()
            }
            Wire::ClosedByClient(id) if self.probe == Some(id) => {
                self.probe = None;
                self.engine.handle_probe_failed();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn post(&mut self, body: String, now: Instant) -> bool {
        if self.engine.is_closed() || self.engine.transport() != TransportKind::Polling {
            return false;
        }
        let bytes = body.len();
        let Ok(packets) = decode_payload(body.into(), self.max_packets) else {
            self.engine.handle_malformed();
            return false;
        };
        if !self.count(packets.len(), bytes, now) {
            return false;
        }
        for packet in packets {
            self.engine.handle_packet(packet, now);
        }
        true
    }

    fn attach(&mut self, id: u32, now: Instant) -> Vec<Wire> {
        if self.engine.transport() == TransportKind::Websocket && self.websocket.is_none() {
            self.websocket = Some(id);
        } else if self.engine.handle_attached(now).is_ok() {
            self.probe = Some(id);
        } else {
            return vec![Wire::ClosedByServer(id)];
        }
        vec![Wire::Opened(id)]
    }

    fn frame(&mut self, id: u32, frame: Frame, now: Instant) {
        if !self.count(1, frame.len(), now) {
            return;
        }
        let packet = Packet::try_from(frame);
        if self.websocket == Some(id) {
            match packet {
                Ok(packet) => self.engine.handle_packet(packet, now),
                Err(_) => self.engine.handle_malformed(),
            }
            // First, because they change how long the answers wait.
            self.drain_events(now);
            self.leave_unread(self.application.pause(), now);
        } else if self.probe == Some(id) {
            match packet {
                Ok(packet) => self.engine.handle_probe_packet(&packet),
                Err(_) => self.engine.handle_probe_failed(),
            }
        }
    }

    /// Whether so much may come.
    fn count(&mut self, frames: usize, bytes: usize, now: Instant) -> bool {
        match self.application.arrived(Cost { frames, bytes }, now) {
            Ok(wait) => self.leave_unread(wait, now),
            Err(_) => self.engine.close(CloseReason::TooFast, now),
        }
        !self.engine.is_closed()
    }

    fn leave_unread(&mut self, wait: Duration, now: Instant) {
        if !wait.is_zero() {
            self.engine.handle_unread(wait);
            self.reads_at = self.reads_at.max(Some(now + wait));
        }
    }

    /// Passes received messages to the application.
    fn drain_events(&mut self, now: Instant) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                EngineEvent::Message(data) => {
                    let mut link = Link::new(self.sid, &mut self.engine, now);
                    self.application
                        .received(data, &mut link, &mut self.context);
                }
                EngineEvent::Upgraded => self.websocket = self.probe.take(),
                EngineEvent::Closed(reason) => {
                    self.end = Some(reason);
                    self.application.closed(reason, &mut self.context);
                }
            }
        }
    }

    /// Passes received messages to the application. Returns everything to send.
    pub fn pump(&mut self, now: Instant) -> Vec<Wire> {
        let mut sent = Vec::new();
        loop {
            self.drain_events(now);
            match self.engine.poll_transmit() {
                Some(Transmit::Poll(frames)) => {
                    sent.push(Wire::GetAnswer(Some(encode_payload(&frames))));
                }
                Some(Transmit::RefusePoll(_)) => sent.push(Wire::GetAnswer(None)),
                Some(Transmit::Websocket(frames)) => {
                    let id = self.websocket.unwrap();
                    sent.extend(frames.into_iter().map(|frame| Wire::Down(id, frame)));
                }
                Some(Transmit::Probe(frame)) => sent.push(Wire::Down(self.probe.unwrap(), frame)),
                Some(Transmit::CloseWebsocket) => {
                    sent.extend(self.websocket.take().map(Wire::ClosedByServer));
                }
                Some(Transmit::CloseProbe) => {
                    sent.extend(self.probe.take().map(Wire::ClosedByServer));
                }
                None if self.engine.waits_for_write() => self.engine.handle_written(),
                None => return sent,
            }
        }
    }
}
