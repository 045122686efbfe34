//! The machine of one Engine.IO session: both transports, the upgrade, the heartbeat, the end.

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
    /// What is left is being flushed.
    Closing {
        reason: CloseReason,
        deadline: Instant,
    },
    Closed,
}

/// One session. See the module's documentation for how it is driven.
#[derive(Debug)]
pub struct EngineSession {
    config: Arc<EngineConfig>,
    carrier: Carrier,
    upgrade: Upgrade,
    /// When a poll that came after the probe is ended.
    noop_at: Option<Instant>,
    heartbeat: Heartbeat,
    outbox: Outbox,
    phase: Phase,
    events: VecDeque<EngineEvent>,
    transmits: VecDeque<Transmit>,
}

impl EngineSession {
    /// A session that begins on `transport`; its open packet is the first thing that it transmits.
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

    /// Whether something waits for [`Self::handle_written`]: more frames, or the end of the session.
    #[must_use]
    pub fn waits_for_write(&self) -> bool {
        matches!(self.carrier, Carrier::Websocket { in_flight: true })
            && (!self.outbox.is_empty() || matches!(self.phase, Phase::Closing { .. }))
    }

    /// Bytes that wait for the client, and how many of them no other session shares.
    #[must_use]
    pub fn outbound_bytes(&self) -> (usize, usize) {
        (self.outbox.bytes(), self.outbox.own_bytes())
    }

    /// Queues a packet and the attachments that must follow it directly.
    ///
    /// A client that leaves more than `max_outbound_bytes` unread is closed as a slow consumer. Nothing is
    /// queued once the session is closing.
    pub fn send(&mut self, frame: Frame, attachments: &[Frame]) {
        if self.phase == Phase::Open && self.outbox.push(frame, attachments).is_err() {
            self.finish(CloseReason::SlowConsumer);
        }
    }

    /// Ends the session: at once, or after what waits is flushed if the reason allows for it.
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

    /// A GET came: it is parked, and answered by the next [`Transmit::Poll`].
    ///
    /// # Errors
    /// [`PollRefused`]; an overlapping poll ends the session, and the parked one is answered with `1`.
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

    /// The client of the parked poll went away. While a websocket is being probed, what waits goes there;
    /// else the transport is gone.
    pub fn handle_poll_aborted(&mut self) {
        if let Carrier::Polling {
            parked: parked @ true,
        } = &mut self.carrier
        {
            *parked = false;
            if !self.upgrade.is_probed() {
                self.finish(CloseReason::TransportClose);
            }
        }
    }

    /// The frames of a [`Transmit::Poll`] found no client: they wait again, first in line.
    pub fn handle_poll_undelivered(&mut self, frames: Vec<Frame>) {
        if self.is_closed() {
            return;
        }
        let noop = Frame::from(&Packet::Noop);
        self.outbox
            .put_back(frames.into_iter().filter(|frame| *frame != noop).collect());
        // Another poll may have come meanwhile.
        let is_gone = matches!(self.carrier, Carrier::Polling { parked: false });
        if is_gone && !self.upgrade.is_probed() {
            self.finish(CloseReason::TransportClose);
        }
    }

    /// A packet came on the session's transport.
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
            // In revision 4 the server pings.
            Packet::Ping(_) => self.finish(CloseReason::TransportError),
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
        }
    }

    /// The client is left unread for so long, because it sends faster than it can be answered.
    pub fn handle_unread(&mut self, pause: Duration) {
        self.heartbeat.handle_unread(pause);
    }

    /// The client sent something that is no packet.
    pub fn handle_malformed(&mut self) {
        self.finish(CloseReason::ParseError);
    }

    /// A websocket wants to take the session over.
    ///
    /// # Errors
    /// [`UpgradeRefused`]: the session goes on as it was.
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

    /// A packet came on the websocket that is being probed.
    pub fn handle_probe_packet(&mut self, packet: &Packet) {
        match (self.upgrade, packet) {
            (Upgrade::Attached { deadline }, Packet::Ping(data)) if &**data == "probe" => {
                let pong = Frame::from(&Packet::Pong(data.clone()));
                self.transmits.push_back(Transmit::Probe(pong));
                self.upgrade = Upgrade::Probed { deadline };
                // A poll that waits since before the probe is what the client waits for.
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

    /// The websocket that was being probed sent no packet, or went away: the session stays on polling.
    pub fn handle_probe_failed(&mut self) {
        self.abandon_upgrade();
    }

    /// The session's websocket went away.
    pub fn handle_websocket_closed(&mut self) {
        if matches!(self.carrier, Carrier::Websocket { .. }) {
            self.finish(CloseReason::TransportClose);
        }
    }

    /// The frames of the last [`Transmit::Websocket`] were taken. Need only be told where
    /// [`Self::waits_for_write`] says so.
    pub fn handle_written(&mut self) {
        if let Carrier::Websocket { in_flight, .. } = &mut self.carrier {
            *in_flight = false;
        }
    }

    /// When [`Self::handle_timeout`] is due next; changes with every `handle_*` call.
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

    /// Does what is due by `now`.
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

    /// The next thing to tell the application; drain after every `handle_*` call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        self.events.pop_front()
    }

    /// The next thing to do; drain after every `handle_*` call, after [`Self::send`] and [`Self::close`].
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

    /// Answers a parked poll, if there is one, ahead of everything that waits.
    fn answer_poll(&mut self, packet: &Packet) {
        if let Carrier::Polling {
            parked: parked @ true,
        } = &mut self.carrier
        {
            *parked = false;
            self.transmits
                .push_back(Transmit::Poll(vec![Frame::from(packet)]));
        }
    }

    fn refuse_poll(&mut self) {
        if let Carrier::Polling {
            parked: parked @ true,
        } = &mut self.carrier
        {
            *parked = false;
            self.transmits
                .push_back(Transmit::RefusePoll(PollRefused::OnWebsocket));
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
