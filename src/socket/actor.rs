//! The actor of one Engine.IO session.

mod handlers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::engineio::{
    CloseReason, EngineConfig, EngineEvent, EngineSession, Transmit, TransportKind,
};
use crate::ids::Sid;
use crate::limits::Cost;
use crate::panics;

use super::application::{Application, Link, Opening};
use super::carrier::{LinkId, ParkedPoll, WebsocketLink};
use super::record::SocketRecord;
use super::table::{Place, SocketTable, TableFull};

/// One connected socket: an Engine.IO session, the application on it, and what carries its bytes.
#[derive(Debug)]
pub struct Socket<A: Application> {
    sid: Sid,
    connection: EngineSession,
    application: A,
    place: Place<A>,
    record: Arc<SocketRecord>,
    parked: Option<ParkedPoll>,
    websocket: Option<WebsocketLink>,
    probe: Option<WebsocketLink>,
    timer: Option<(Instant, SpawnHandle)>,
    reason: Option<CloseReason>,
    /// Set once the session ends as soon as its messages are answered.
    ending: Option<CloseReason>,
    /// Whether a command panicked: nothing of the session can be relied on.
    broken: bool,
}

impl<A: Application> Socket<A> {
    /// Starts the actor of a new session on this thread's arbiter.
    ///
    /// # Errors
    /// [`TableFull`] when the table has no place left.
    pub fn open(
        opening: Opening,
        transport: TransportKind,
        config: Arc<EngineConfig>,
        table: &Arc<SocketTable<A>>,
        application: A,
    ) -> Result<Addr<Self>, TableFull> {
        let place = table.reserve(&opening)?;
        let record = SocketRecord::new(opening.remote, transport, table.outbound().clone());
        let record = Arc::new(record);
        let socket = Self {
            sid: opening.sid,
            connection: EngineSession::new(opening.sid, transport, config, Instant::now()),
            application,
            place,
            record: Arc::clone(&record),
            parked: None,
            websocket: None,
            probe: None,
            timer: None,
            reason: None,
            ending: None,
            broken: false,
        };
        let address = socket.start();
        table.insert(opening.sid, address.clone(), record);
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
        self.guarded(ctx, |socket, ctx| {
            if socket.connection.is_closed() {
                return;
            }
            let now = Instant::now();
            let mut link = Link::new(socket.sid, &mut socket.connection, now);
            act(&mut socket.application, &mut link, ctx);
            socket.pump_at(now, ctx);
        });
    }

    /// Handles one command. One that panics ends the session, whose client begins another.
    fn guarded<T>(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut Self, &mut Context<Self>) -> T,
    ) -> Option<T> {
        if self.broken {
            return None;
        }
        let done = panics::contain("Socket", || act(self, ctx));
        if done.is_none() {
            self.broken = true;
            ctx.stop();
        }
        done
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
            } else if let Some(reason) = self.ending
                && !self.application.owes_answers()
            {
                self.ending = None;
                self.connection.close(reason, now);
            } else {
                break;
            }
        }
        self.note();
        if self.connection.is_closed() {
            ctx.stop();
        } else {
            self.arm_timer(now, ctx);
        }
    }

    /// Writes down how it is, for those who only look.
    fn note(&self) {
        let unknown = !self.record.is_proven();
        let identity = if unknown {
            self.application.identity()
        } else {
            None
        };
        let (bytes, own_bytes) = self.connection.outbound_bytes();
        let bytes = bytes + self.application.waiting_bytes();
        self.record
            .note(self.connection.transport(), bytes, own_bytes, identity);
    }

    fn handle_event(&mut self, event: EngineEvent, now: Instant, ctx: &mut Context<Self>) {
        match event {
            // The client sends it again elsewhere: it was not answered.
            EngineEvent::Message(_) if self.ending.is_some() => {}
            EngineEvent::Message(data) => {
                let mut link = Link::new(self.sid, &mut self.connection, now);
                self.application.received(data, &mut link, ctx);
            }
            EngineEvent::Upgraded => self.websocket = self.probe.take(),
            EngineEvent::Closed(reason) => self.reason = Some(reason),
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
                    link.end(self.reason.unwrap_or(CloseReason::TransportClose), stalled);
                }
            }
            Transmit::CloseProbe => {
                if let Some(link) = self.probe.take() {
                    link.end(CloseReason::TransportClose, false);
                }
            }
        }
    }

    /// Whether the last batch was taken; if not, [`Taken`](super::feed::Taken) comes when it is. There is never a second one meanwhile.
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
            socket.guarded(ctx, Self::handle_timeout);
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

    /// Counts what came: how long the client is then left waiting. What came far too fast has ended the session.
    fn count(&mut self, frames: usize, bytes: usize, now: Instant) -> Option<Duration> {
        let wait = self.application.arrived(Cost { frames, bytes }, now);
        if wait.is_err() {
            self.connection.close(CloseReason::TooFast, now);
        }
        wait.ok()
    }

    /// How long the client is left unread: for as long as it has sent too much, and as its answers wait.
    fn leave_unread(&mut self, wait: Duration) -> Duration {
        let wait = wait.max(self.application.pause());
        if !wait.is_zero() {
            self.connection.handle_unread(wait);
        }
        wait
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
        self.guarded(ctx, |socket, ctx| {
            let mut link = Link::new(socket.sid, &mut socket.connection, Instant::now());
            socket.application.opened(&mut link, ctx);
            socket.pump(ctx);
        });
    }

    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        self.place.forget();
        Running::Stop
    }

    /// The single place where a socket's end is told to anybody.
    fn stopped(&mut self, ctx: &mut Self::Context) {
        let reason = match self.reason {
            Some(reason) => reason,
            None if self.broken => CloseReason::TransportError,
            None => CloseReason::ServerShutdown,
        };
        log::debug!("socket {} closed: {reason}", self.sid);
        self.place.count_end(reason);
        // The rest must happen whatever the application does.
        let _ = panics::contain("Socket", || self.application.closed(reason, ctx));
        // There are any only if the session did not end in its own way.
        for link in [self.websocket.take(), self.probe.take()]
            .into_iter()
            .flatten()
        {
            link.end(reason, self.broken);
        }
        self.place.give_up();
    }
}
