//! The actor of one Engine.IO session.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;

use crate::engineio::{
    CloseReason, Config, Connection, Event, Packet, Transmit, TransportKind, UpgradeRefused,
};
use crate::ids::Sid;

use super::application::{Application, Link, Opening};
use super::carrier::{LinkId, ParkedPoll, WebsocketLink};
use super::commands::{
    Attach, Close, FromWebsocket, Ingest, Malformed, Poll, PollAborted, SessionClosed,
    WebsocketGone,
};
use super::feed::Taken;
use super::table::{SocketTable, TableFull};

/// One connected socket: an Engine.IO session, the application on it, and what carries its bytes.
#[derive(Debug)]
pub struct Socket<A: Application> {
    sid: Sid,
    connection: Connection,
    application: A,
    table: Arc<SocketTable<A>>,
    parked: Option<ParkedPoll>,
    websocket: Option<WebsocketLink>,
    probe: Option<WebsocketLink>,
    timer: Option<(Instant, SpawnHandle)>,
    reason: Option<CloseReason>,
}

impl<A: Application> Socket<A> {
    /// Starts the actor of a new session on this thread's arbiter.
    ///
    /// # Errors
    /// [`TableFull`] when the table has no place left.
    pub fn open(
        opening: Opening,
        transport: TransportKind,
        config: Arc<Config>,
        table: &Arc<SocketTable<A>>,
        application: A,
    ) -> Result<Addr<Self>, TableFull> {
        table.reserve()?;
        let socket = Self {
            sid: opening.sid,
            connection: Connection::new(opening.sid, transport, config, Instant::now()),
            application,
            table: Arc::clone(table),
            parked: None,
            websocket: None,
            probe: None,
            timer: None,
            reason: None,
        };
        let address = socket.start();
        table.insert(opening.sid, address.clone());
        Ok(address)
    }

    /// Lets the application act outside a message of the client, then sends what it queued.
    ///
    /// Handlers of an application's own actor messages call this. Nothing happens once the session ended.
    pub fn with_application(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut A, &mut Link<'_>, &mut Context<Self>),
    ) {
        if self.connection.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut link = Link::new(self.sid, &mut self.connection, now);
        act(&mut self.application, &mut link, ctx);
        self.pump_at(now, ctx);
    }

    /// Passes on what the session has to say, in both directions, and arms the timer. Every handler ends here.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        self.pump_at(Instant::now(), ctx);
    }

    fn pump_at(&mut self, now: Instant, ctx: &mut Context<Self>) {
        loop {
            if let Some(event) = self.connection.poll_event() {
                self.handle_event(event, now, ctx);
            } else if self.is_unattached() {
                break;
            } else if let Some(transmit) = self.connection.poll_transmit() {
                self.transmit(transmit);
            } else if self.connection.waits_for_write() && self.is_written(ctx) {
                self.connection.handle_written();
            } else {
                break;
            }
        }
        if self.connection.is_closed() {
            ctx.stop();
        } else {
            self.arm_timer(now, ctx);
        }
    }

    fn handle_event(&mut self, event: Event, now: Instant, ctx: &mut Context<Self>) {
        match event {
            Event::Message(data) => {
                let mut link = Link::new(self.sid, &mut self.connection, now);
                self.application.received(data, &mut link, ctx);
            }
            Event::Upgraded => self.websocket = self.probe.take(),
            Event::Closed(reason) => self.reason = Some(reason),
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Poll(frames) => {
                if let Some(parked) = self.parked.take()
                    && let Err(Ok(frames)) = parked.reply.send(Ok(frames))
                {
                    self.connection.handle_poll_undelivered(frames);
                }
            }
            Transmit::RefusePoll(refused) => {
                if let Some(parked) = self.parked.take() {
                    // A client that is gone does not need the refusal.
                    drop(parked.reply.send(Err(refused)));
                }
            }
            Transmit::Websocket(frames) => {
                if let Some(link) = &self.websocket {
                    link.feed.give(frames);
                }
            }
            Transmit::Probe(frame) => {
                if let Some(probe) = &self.probe {
                    probe.feed.give(vec![frame]);
                }
            }
            Transmit::CloseWebsocket => {
                if let Some(link) = self.websocket.take() {
                    let stalled = !link.feed.is_taken();
                    link.end(stalled);
                }
            }
            Transmit::CloseProbe => {
                if let Some(link) = self.probe.take() {
                    link.end(false);
                }
            }
        }
    }

    /// Whether the last batch was taken; if not, [`Taken`] comes when it is. There is never a second one meanwhile.
    fn is_written(&self, ctx: &Context<Self>) -> bool {
        let told = || ctx.address().recipient();
        let link = self.websocket.as_ref();
        link.is_some_and(|link| link.feed.is_taken_or_tell(told))
    }

    /// Arms one timer for the earliest deadline. One that is armed for an earlier time is left alone: it
    /// finds nothing due and comes back here.
    fn arm_timer(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let deadlines = [
            self.connection.poll_timeout(),
            self.application.poll_timeout(),
        ];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            return;
        };
        if let Some((armed, handle)) = self.timer {
            if armed <= deadline {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = deadline.saturating_duration_since(now);
        let handle = ctx.run_later(wait, |socket, ctx| {
            socket.timer = None;
            socket.handle_timeout(ctx);
        });
        self.timer = Some((deadline, handle));
    }

    fn handle_timeout(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.connection.handle_timeout(now);
        let due = self.application.poll_timeout();
        if due.is_some_and(|deadline| deadline <= now) && !self.connection.is_closed() {
            let mut link = Link::new(self.sid, &mut self.connection, now);
            self.application.handle_timeout(&mut link, ctx);
        }
        self.pump(ctx);
    }

    /// Whether the session began on a websocket that has not been attached yet: it has nowhere to write.
    fn is_unattached(&self) -> bool {
        self.connection.transport() == TransportKind::Websocket
            && self.websocket.is_none()
            && !self.connection.is_closed()
    }

    fn is_probe(&self, id: LinkId) -> bool {
        self.probe.as_ref().is_some_and(|link| link.id == id)
    }

    fn is_websocket(&self, id: LinkId) -> bool {
        self.websocket.as_ref().is_some_and(|link| link.id == id)
    }
}

impl<A: Application> Actor for Socket<A> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let mut link = Link::new(self.sid, &mut self.connection, Instant::now());
        self.application.opened(&mut link, ctx);
        self.pump(ctx);
    }

    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        self.table.forget(self.sid);
        Running::Stop
    }

    /// The single place where a socket's end is told to anybody.
    fn stopped(&mut self, ctx: &mut Self::Context) {
        let reason = self.reason.unwrap_or(CloseReason::ServerShutdown);
        log::debug!("socket {} closed: {reason}", self.sid);
        self.application.closed(reason, ctx);
        self.table.forget(self.sid);
        self.table.release();
    }
}

// A request that comes after a deadline must not find the session alive because the timer is a moment late,
// so the handlers of requests look at the clock first.

impl<A: Application> Handler<Poll> for Socket<A> {
    type Result = ();

    fn handle(&mut self, poll: Poll, ctx: &mut Self::Context) {
        let Poll { id, reply } = poll;
        let now = Instant::now();
        self.connection.handle_timeout(now);
        match self.connection.handle_poll(now) {
            Ok(()) => self.parked = Some(ParkedPoll { id, reply }),
            // A client that is gone does not need the refusal.
            Err(refused) => drop(reply.send(Err(refused))),
        }
        self.pump(ctx);
    }
}

impl<A: Application> Handler<PollAborted> for Socket<A> {
    type Result = ();

    fn handle(&mut self, aborted: PollAborted, ctx: &mut Self::Context) {
        if self
            .parked
            .as_ref()
            .is_some_and(|parked| parked.id == aborted.id)
        {
            self.parked = None;
            self.connection.handle_poll_aborted();
            self.pump(ctx);
        }
    }
}

impl<A: Application> Handler<Ingest> for Socket<A> {
    type Result = Result<(), SessionClosed>;

    fn handle(&mut self, Ingest(packets): Ingest, ctx: &mut Self::Context) -> Self::Result {
        let now = Instant::now();
        self.connection.handle_timeout(now);
        if self.connection.is_closed() || self.connection.transport() != TransportKind::Polling {
            self.pump(ctx);
            return Err(SessionClosed);
        }
        for packet in packets {
            self.connection.handle_packet(packet, now);
        }
        self.pump(ctx);
        Ok(())
    }
}

impl<A: Application> Handler<Malformed> for Socket<A> {
    type Result = ();

    fn handle(&mut self, _: Malformed, ctx: &mut Self::Context) {
        self.connection.handle_malformed();
        self.pump(ctx);
    }
}

impl<A: Application> Handler<Attach> for Socket<A> {
    type Result = Result<(), UpgradeRefused>;

    fn handle(&mut self, attach: Attach, ctx: &mut Self::Context) -> Self::Result {
        let link = WebsocketLink {
            id: attach.id,
            feed: attach.feed,
            close: attach.close,
            kill: attach.kill,
        };
        let is_first = self.websocket.is_none();
        if self.connection.transport() == TransportKind::Websocket && is_first {
            self.websocket = Some(link);
        } else {
            self.connection.handle_attached(Instant::now())?;
            self.probe = Some(link);
        }
        self.pump(ctx);
        Ok(())
    }
}

impl<A: Application> Handler<FromWebsocket> for Socket<A> {
    type Result = ();

    fn handle(&mut self, message: FromWebsocket, ctx: &mut Self::Context) {
        let packet = Packet::try_from(message.frame);
        if self.is_websocket(message.id) {
            match packet {
                Ok(packet) => self.connection.handle_packet(packet, Instant::now()),
                Err(_) => self.connection.handle_malformed(),
            }
        } else if self.is_probe(message.id) {
            match packet {
                Ok(packet) => self.connection.handle_probe_packet(&packet),
                Err(_) => self.connection.handle_probe_failed(),
            }
        }
        self.pump(ctx);
    }
}

impl<A: Application> Handler<Taken> for Socket<A> {
    type Result = ();

    fn handle(&mut self, _: Taken, ctx: &mut Self::Context) {
        self.pump(ctx);
    }
}

impl<A: Application> Handler<WebsocketGone> for Socket<A> {
    type Result = ();

    fn handle(&mut self, gone: WebsocketGone, ctx: &mut Self::Context) {
        if self.is_websocket(gone.id) {
            self.websocket = None;
            if gone.malformed {
                self.connection.handle_malformed();
            } else {
                self.connection.handle_websocket_closed();
            }
        } else if self.is_probe(gone.id) {
            self.probe = None;
            self.connection.handle_probe_failed();
        }
        self.pump(ctx);
    }
}

impl<A: Application> Handler<Close> for Socket<A> {
    type Result = ();

    fn handle(&mut self, Close(reason): Close, ctx: &mut Self::Context) {
        self.connection.close(reason, Instant::now());
        self.pump(ctx);
    }
}
