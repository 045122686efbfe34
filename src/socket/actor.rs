//! The actor that owns one Engine.IO session.

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
use super::carrier::{LinkId, Poll, PollAnswer, WebsocketLink};
use super::record::SocketRecord;
use super::table::{ActorTable, TableFull, TablePlace};

/// The sockets of one endpoint.
pub type SocketTable<A> = ActorTable<Socket<A>>;

/// One connected socket: an Engine.IO session, the application on it, and its transports.
#[derive(Debug)]
pub struct Socket<A: Application> {
    sid: Sid,
    connection: EngineSession,
    application: A,
    place: TablePlace<Self>,
    record: Arc<SocketRecord>,
    parked: Option<Poll>,
    websocket: Option<WebsocketLink>,
    probe: Option<WebsocketLink>,
    timer: Option<(Instant, SpawnHandle)>,
    reason: Option<CloseReason>,
    /// Set once the session is to end after its messages are answered.
    ending: Option<CloseReason>,
    /// Whether a command panicked: the state of the session is unknown.
    broken: bool,
}

impl<A: Application> Socket<A> {
    /// Starts the actor of a new session on the arbiter of this thread.
    ///
    /// # Errors
    /// [`TableFull`] if the table has no free place.
    pub fn open(
        opening: Opening,
        transport: TransportKind,
        config: Arc<EngineConfig>,
        table: &Arc<SocketTable<A>>,
        application: A,
    ) -> Result<Addr<Self>, TableFull> {
        let place = table.reserve(opening.sid, opening.counted_for)?;
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

    /// Lets the application act outside a message of the client, then sends what it has queued.
    ///
    /// Handlers of the application's own actor messages call this. After the end of the session it does nothing.
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

    /// Handles one command. A panic ends the session; its client begins another.
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

    /// Moves events and frames between session, application and transports, and arms the timer. Every handler ends here.
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
        self.update_record();
        if self.connection.is_closed() {
            ctx.stop();
        } else {
            self.arm_timer(now, ctx);
        }
    }

    /// Updates the record that other threads read.
    fn update_record(&self) {
        let identity = match self.record.identity() {
            Some(_) => None,
            None => self.application.identity(),
        };
        let (bytes, own_bytes) = self.connection.outbound_bytes();
        let bytes = bytes + self.application.waiting_bytes();
        self.record
            .update(self.connection.transport(), bytes, own_bytes, identity);
    }

    fn handle_event(&mut self, event: EngineEvent, now: Instant, ctx: &mut Context<Self>) {
        match event {
            // Unanswered, so the client sends the message again to another server.
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
                    && let Err(PollAnswer::Frames(frames)) =
                        parked.reply.send(PollAnswer::Frames(frames))
                {
                    self.connection.handle_poll_undelivered(frames);
                }
            }
            Transmit::RefusePoll(refused) => {
                if let Some(parked) = self.parked.take() {
                    // The client may be gone.
                    drop(parked.reply.send(PollAnswer::Refused(refused)));
                }
            }
            Transmit::Websocket(frames) => {
                if let Some(link) = &self.websocket {
                    link.queue.push(frames);
                }
            }
            Transmit::Probe(frame) => {
                if let Some(probe) = &self.probe {
                    probe.queue.push(vec![frame]);
                }
            }
            Transmit::CloseWebsocket => {
                if let Some(link) = self.websocket.take() {
                    let stalled = !link.queue.is_drained();
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

    /// Whether the connection has taken the last batch. If not, [`Drained`](super::frame_queue::Drained) comes once it has.
    /// There is never a second batch meanwhile.
    fn is_written(&self, ctx: &Context<Self>) -> bool {
        let waiting = || ctx.address().recipient();
        let link = self.websocket.as_ref();
        link.is_some_and(|link| link.queue.is_drained_or_notify(waiting))
    }

    /// Arms one timer for the earliest deadline. A timer for an earlier time stays: it finds nothing due and comes back
    /// here.
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

    /// Charges received frames. Returns how long the client must wait; `None` if the session ended, because they came much
    /// too fast.
    fn count(&mut self, frames: usize, bytes: usize, now: Instant) -> Option<Duration> {
        let wait = self.application.arrived(Cost { frames, bytes }, now);
        if wait.is_err() {
            self.connection.close(CloseReason::TooFast, now);
        }
        wait.ok()
    }

    /// Leaves the client unread: for the time that it was charged, and while its answers wait.
    fn leave_unread(&mut self, wait: Duration) -> Duration {
        let wait = wait.max(self.application.pause());
        if !wait.is_zero() {
            self.connection.handle_unread(wait);
        }
        wait
    }

    /// Whether the session began on a websocket that is not attached yet.
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

    /// The only place that reports the end of a socket.
    fn stopped(&mut self, ctx: &mut Self::Context) {
        let reason = match self.reason {
            Some(reason) => reason,
            None if self.broken => CloseReason::TransportError,
            None => CloseReason::ServerShutdown,
        };
        log::debug!("socket {} closed: {reason}", self.sid);
        self.place.count_end(reason);
        // The rest must happen even if the application panics.
        let _ = panics::contain("Socket", || self.application.closed(reason, ctx));
        // A session that closed regularly has none.
        for link in [self.websocket.take(), self.probe.take()]
            .into_iter()
            .flatten()
        {
            link.end(reason, self.broken);
        }
        self.place.release();
    }
}
