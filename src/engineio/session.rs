//! The state machine of one Engine.IO session: both transports, the upgrade, the heartbeat and the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ids::Sid;

use super::close_reason::CloseReason;
use super::codec::{Frame, Packet};
use super::config::EngineConfig;
use super::handshake::{OpenPacket, TransportKind};
use super::heartbeat::{Beat, Heartbeat};
use super::outbox::{MAX_BATCH_BYTES, MAX_BATCH_FRAMES, Outbox};
use super::output::{EngineEvent, PollRefused, Transmit};
use super::upgrade::{PROBED_POLL_WAIT, Upgrade, UpgradeRefused};

#[derive(Debug)]
enum Carrier {
    Polling { parked: bool },
    Websocket { in_flight: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The session sends its last frames.
    Closing {
        reason: CloseReason,
        deadline: Instant,
    },
    Closed,
}

/// One session. The module's documentation says how to drive it.
#[derive(Debug)]
pub struct EngineSession {
    config: Arc<EngineConfig>,
    carrier: Carrier,
    upgrade: Upgrade,
    /// When the server ends a poll that arrived after the probe.
    noop_at: Option<Instant>,
    heartbeat: Heartbeat,
    outbox: Outbox,
    phase: Phase,
    events: VecDeque<EngineEvent>,
    transmits: VecDeque<Transmit>,
}

impl EngineSession {
    /// Starts a session on `transport`. It transmits its open packet first.
    #[must_use]
    pub fn new(
        sid: Sid,
        transport: TransportKind,
        config: Arc<EngineConfig>,
        now: Instant,
    ) -> Self {
        let mut outbox = Outbox::new(config.max_outbound_bytes);
        let open = OpenPacket::json(sid, transport, &config);
        outbox.push_control(Frame::from(&Packet::Open(open.into())));
        Self {
            carrier: match transport {
                TransportKind::Polling => Carrier::Polling { parked: false },
                TransportKind::Websocket => Carrier::Websocket { in_flight: false },
            },
            upgrade: Upgrade::Idle,
            noop_at: None,
            heartbeat: Heartbeat::new(config.ping_interval, config.ping_timeout, now),
            outbox,
            phase: Phase::Open,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            config,
        }
    }

    /// The transport that carries the session now.
    #[must_use]
    pub const fn transport(&self) -> TransportKind {
        match self.carrier {
            Carrier::Polling { .. } => TransportKind::Polling,
            Carrier::Websocket { .. } => TransportKind::Websocket,
        }
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether [`Self::handle_written`] must be called for more frames, or the end of the session, to follow.
    #[must_use]
    pub fn waits_for_write(&self) -> bool {
        matches!(self.carrier, Carrier::Websocket { in_flight: true })
            && (!self.outbox.is_empty() || matches!(self.phase, Phase::Closing { .. }))
    }

    /// Bytes queued for the client, and how many of them no other session shares.
    #[must_use]
    pub fn outbound_bytes(&self) -> (usize, usize) {
        (self.outbox.bytes(), self.outbox.own_bytes())
    }

    /// Queues a packet and its attachments, which follow it directly.
    ///
    /// A client that leaves more than `max_outbound_bytes` unread is disconnected as a slow consumer. A closing session
    /// queues nothing.
    pub fn send(&mut self, frame: Frame, attachments: &[Frame]) {
        if self.phase == Phase::Open && self.outbox.push(frame, attachments).is_err() {
            self.finish(CloseReason::SlowConsumer);
        }
    }

    /// Ends the session: at once, or after sending its queued frames if [`CloseReason::flushes`].
    pub fn close(&mut self, reason: CloseReason, now: Instant) {
        if self.phase != Phase::Open {
            return;
        }
        if !reason.flushes() {
            return self.finish(reason);
        }
        if matches!(self.carrier, Carrier::Polling { .. }) {
            self.outbox.push_control(Frame::from(&Packet::Close));
        }
        let deadline = now + self.config.close_timeout;
        self.phase = Phase::Closing { reason, deadline };
    }

    /// Parks a GET request. The next [`Transmit::Poll`] responds to it.
    ///
    /// # Errors
    /// [`PollRefused`]. An overlapping poll ends the session, and the parked one gets `1`.
    pub fn handle_poll(&mut self, now: Instant) -> Result<(), PollRefused> {
        if self.is_closed() {
            return Err(PollRefused::Closed);
        }
        match &mut self.carrier {
            Carrier::Websocket { .. } => Err(PollRefused::OnWebsocket),
            Carrier::Polling { parked: true } => {
                self.finish(CloseReason::TransportError);
                Err(PollRefused::Overlapping)
            }
            Carrier::Polling { parked } => {
                *parked = true;
                self.noop_at = self.upgrade.is_probed().then(|| now + PROBED_POLL_WAIT);
                Ok(())
            }
        }
    }

    /// The client dropped the parked poll. This ends the session, unless a websocket is being probed: then the queued
    /// frames go there.
    pub fn handle_poll_aborted(&mut self) {
        if self.unpark_poll() && !self.upgrade.is_probed() {
            self.finish(CloseReason::TransportClose);
        }
    }

    /// The frames of a [`Transmit::Poll`] did not reach the client. They return to the front of the outbox.
    pub fn handle_poll_undelivered(&mut self, frames: Vec<Frame>) {
        if self.is_closed() {
            return;
        }
        let noop = Frame::from(&Packet::Noop);
        self.outbox
            .put_back(frames.into_iter().filter(|frame| *frame != noop).collect());
        // Another poll may have arrived meanwhile.
        let is_gone = matches!(self.carrier, Carrier::Polling { parked: false });
        if is_gone && !self.upgrade.is_probed() {
            self.finish(CloseReason::TransportClose);
        }
    }

    /// Handles a packet from the session's transport.
    pub fn handle_packet(&mut self, packet: Packet, now: Instant) {
        if self.is_closed() {
            return;
        }
        match packet {
            Packet::Message(data) => {
                if self.phase == Phase::Open {
                    self.events.push_back(EngineEvent::Message(data));
                }
            }
            Packet::Pong(_) => self.heartbeat.handle_pong(now),
            Packet::Close => {
                self.answer_poll(&Packet::Noop);
                self.finish(CloseReason::TransportClose);
            }
            // In revision 4 only the server pings.
            Packet::Ping(_) => self.finish(CloseReason::TransportError),
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
        }
    }

    /// The server stops reading from the client for `pause`, because the client exceeds its rate limit.
    pub fn handle_unread(&mut self, pause: Duration) {
        self.heartbeat.handle_unread(pause);
    }

    /// The client sent bytes that do not parse as a packet. Ends the session.
    pub fn handle_malformed(&mut self) {
        self.finish(CloseReason::ParseError);
    }

    /// A websocket asks to take over the session.
    ///
    /// # Errors
    /// [`UpgradeRefused`]; the session is unchanged.
    pub fn handle_attached(&mut self, now: Instant) -> Result<(), UpgradeRefused> {
        if self.phase != Phase::Open {
            return Err(UpgradeRefused::Closed);
        }
        if matches!(self.carrier, Carrier::Websocket { .. }) {
            return Err(UpgradeRefused::AlreadyUpgraded);
        }
        if self.upgrade != Upgrade::Idle {
            return Err(UpgradeRefused::AlreadyUpgrading);
        }
        let deadline = now + self.config.upgrade_timeout;
        self.upgrade = Upgrade::Attached { deadline };
        Ok(())
    }

    /// Handles a packet from the websocket that is being probed.
    pub fn handle_probe_packet(&mut self, packet: &Packet) {
        match (self.upgrade, packet) {
            (Upgrade::Attached { deadline }, Packet::Ping(data)) if &**data == "probe" => {
                let pong = Frame::from(&Packet::Pong(data.clone()));
                self.transmits.push_back(Transmit::Probe(pong));
                self.upgrade = Upgrade::Probed { deadline };
                // The client waits for the poll that it started before the probe.
                self.answer_poll(&Packet::Noop);
            }
            (Upgrade::Probed { .. }, Packet::Upgrade) => {
                if self.noop_at.take().is_some() {
                    self.refuse_poll();
                }
                self.answer_poll(&Packet::Noop);
                self.upgrade = Upgrade::Idle;
                self.carrier = Carrier::Websocket { in_flight: false };
                self.events.push_back(EngineEvent::Upgraded);
            }
            (Upgrade::Idle, _) => {}
            _ => self.abandon_upgrade(),
        }
    }

    /// The probed websocket failed or disconnected. The session stays on polling.
    pub fn handle_probe_failed(&mut self) {
        self.abandon_upgrade();
    }

    /// The session's websocket disconnected. Ends the session.
    pub fn handle_websocket_closed(&mut self) {
        if matches!(self.carrier, Carrier::Websocket { .. }) {
            self.finish(CloseReason::TransportClose);
        }
    }

    /// The transport wrote the frames of the last [`Transmit::Websocket`]. Needed only where
    /// [`Self::waits_for_write`] is true.
    pub fn handle_written(&mut self) {
        if let Carrier::Websocket { in_flight, .. } = &mut self.carrier {
            *in_flight = false;
        }
    }

    /// When [`Self::handle_timeout`] is due next. Every other call may change it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Open => self.heartbeat.deadline(),
            Phase::Closing { deadline, .. } => deadline,
            Phase::Closed => return None,
        };
        [Some(own), self.upgrade.deadline(), self.noop_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Handles every deadline up to `now`: heartbeat, upgrade and close.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self
            .upgrade
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.abandon_upgrade();
        }
        if self.noop_at.is_some_and(|at| at <= now) {
            self.noop_at = None;
            self.answer_poll(&Packet::Noop);
        }
        match self.phase {
            Phase::Open => match self.heartbeat.handle_timeout(now) {
                Some(Beat::Ping) => {
                    let ping = Frame::from(&Packet::Ping("".into()));
                    self.outbox.push_control(ping);
                }
                Some(Beat::TimedOut) => self.finish(CloseReason::PingTimeout),
                None => {}
            },
            Phase::Closing { reason, deadline } if deadline <= now => self.finish(reason),
            Phase::Closing { .. } | Phase::Closed => {}
        }
    }

    /// The next event for the application. Drain it and [`Self::poll_transmit`] in turn until both are empty, after every
    /// `handle_*`, `send` and `close`.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        self.events.pop_front()
    }

    /// The next action for the driver. Drain it after every `handle_*` call, [`Self::send`] and [`Self::close`].
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.transmits.pop_front() {
            return Some(transmit);
        }
        match &mut self.carrier {
            Carrier::Polling { parked } if *parked && !self.outbox.is_empty() => {
                *parked = false;
                let max = self.config.max_packets_per_poll;
                let frames = self.outbox.drain(max, usize::MAX);
                self.finish_when_flushed();
                Some(Transmit::Poll(frames))
            }
            Carrier::Websocket { in_flight } if !*in_flight => {
                if self.outbox.is_empty() {
                    self.finish_when_flushed();
                    return self.transmits.pop_front();
                }
                *in_flight = true;
                let frames = self.outbox.drain(MAX_BATCH_FRAMES, MAX_BATCH_BYTES);
                Some(Transmit::Websocket(frames))
            }
            Carrier::Polling { .. } | Carrier::Websocket { .. } => None,
        }
    }

    fn finish_when_flushed(&mut self) {
        if let Phase::Closing { reason, .. } = self.phase
            && self.outbox.is_empty()
        {
            self.finish(reason);
        }
    }

    /// Takes the parked poll, if there is one.
    fn unpark_poll(&mut self) -> bool {
        match &mut self.carrier {
            Carrier::Polling { parked } => std::mem::take(parked),
            Carrier::Websocket { .. } => false,
        }
    }

    /// Responds to a parked poll, if any, ahead of all queued frames.
    fn answer_poll(&mut self, packet: &Packet) {
        if self.unpark_poll() {
            let frames = vec![Frame::from(packet)];
            self.transmits.push_back(Transmit::Poll(frames));
        }
    }

    fn refuse_poll(&mut self) {
        if self.unpark_poll() {
            let refusal = Transmit::RefusePoll(PollRefused::OnWebsocket);
            self.transmits.push_back(refusal);
        }
    }

    fn abandon_upgrade(&mut self) {
        if self.upgrade != Upgrade::Idle {
            self.upgrade = Upgrade::Idle;
            self.transmits.push_back(Transmit::CloseProbe);
        }
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        self.phase = Phase::Closed;
        self.outbox.clear();
        self.answer_poll(&Packet::Close);
        self.abandon_upgrade();
        if matches!(self.carrier, Carrier::Websocket { .. }) {
            self.transmits.push_back(Transmit::CloseWebsocket);
        }
        self.events.push_back(EngineEvent::Closed(reason));
    }
}

#[cfg(test)]
mod tests;
