//! What a [`Socket`] does with each command.
//!
//! A timer may be a moment late, but a request after a deadline must not find the session alive. So the handlers of
//! requests check the clock first.

use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::engineio::{CloseReason, Frame, Packet, TransportKind, UpgradeRefused};
use crate::socket::application::Application;
use crate::socket::carrier::PollAnswer;
use crate::socket::commands::{Attach, Close, FromTransport, FromWebsocket, Ingest, IngestRefused};
use crate::socket::frame_queue::Drained;

use super::Socket;

impl<A: Application> Handler<FromTransport> for Socket<A> {
    type Result = ();

    fn handle(&mut self, news: FromTransport, ctx: &mut Self::Context) {
        self.guarded(ctx, |socket, ctx| {
            match news {
                FromTransport::Poll(poll) => {
                    let now = Instant::now();
                    socket.connection.handle_timeout(now);
                    match socket.connection.handle_poll(now) {
                        Ok(()) => socket.parked = Some(poll),
                        // The client may be gone.
                        Err(refused) => drop(poll.reply.send(PollAnswer::Refused(refused))),
                    }
                }
                FromTransport::PollAborted(id) => {
                    if socket.parked.take_if(|poll| poll.id == id).is_some() {
                        socket.connection.handle_poll_aborted();
                    }
                }
                FromTransport::PollUndelivered(frames) => {
                    socket.connection.handle_poll_undelivered(frames);
                }
                FromTransport::Malformed => socket.connection.handle_malformed(),
                FromTransport::WebsocketGone { id, malformed } => {
                    if socket.is_websocket(id) {
                        socket.websocket = None;
                        if malformed {
                            socket.connection.handle_malformed();
                        } else {
                            socket.connection.handle_websocket_closed();
                        }
                    } else if socket.is_probe(id) {
                        socket.probe = None;
                        socket.connection.handle_probe_failed();
                    }
                }
            }
            socket.pump(ctx);
        });
    }
}

impl<A: Application> Handler<Ingest> for Socket<A> {
    type Result = Result<Duration, IngestRefused>;

    fn handle(&mut self, ingest: Ingest, ctx: &mut Self::Context) -> Self::Result {
        self.guarded(ctx, |socket, ctx| {
            let now = Instant::now();
            socket.connection.handle_timeout(now);
            if socket.connection.is_closed()
                || socket.connection.transport() != TransportKind::Polling
            {
                socket.pump(ctx);
                return Err(IngestRefused::Closed);
            }
            let Some(wait) = socket.count(ingest.packets.len(), ingest.bytes, now) else {
                socket.pump_at(now, ctx);
                return Err(IngestRefused::TooFast);
            };
            for packet in ingest.packets {
                socket.connection.handle_packet(packet, now);
            }
            socket.pump(ctx);
            Ok(socket.leave_unread(wait))
        })
        .unwrap_or(Err(IngestRefused::Closed))
    }
}

impl<A: Application> Handler<Attach> for Socket<A> {
    type Result = Result<(), UpgradeRefused>;

    fn handle(&mut self, Attach(link): Attach, ctx: &mut Self::Context) -> Self::Result {
        self.guarded(ctx, |socket, ctx| {
            let is_first = socket.websocket.is_none();
            if socket.connection.transport() == TransportKind::Websocket && is_first {
                socket.websocket = Some(link);
            } else {
                socket.connection.handle_attached(Instant::now())?;
                socket.probe = Some(link);
            }
            socket.pump(ctx);
            Ok(())
        })
        .unwrap_or(Err(UpgradeRefused::Closed))
    }
}

impl<A: Application> Handler<FromWebsocket> for Socket<A> {
    type Result = Option<Duration>;

    fn handle(&mut self, message: FromWebsocket, ctx: &mut Self::Context) -> Self::Result {
        self.guarded(ctx, |socket, ctx| {
            let now = Instant::now();
            let bytes = message.frame.as_ref().map_or(0, Frame::len);
            let wait = socket.count(1, bytes, now);
            let Some(frame) = message.frame.filter(|_| wait.is_some()) else {
                socket.pump_at(now, ctx);
                return wait;
            };
            let packet = Packet::try_from(frame);
            if socket.is_websocket(message.id) {
                match packet {
                    Ok(packet) => socket.connection.handle_packet(packet, now),
                    Err(_) => socket.connection.handle_malformed(),
                }
            } else if socket.is_probe(message.id) {
                match packet {
                    Ok(packet) => socket.connection.handle_probe_packet(&packet),
                    Err(_) => socket.connection.handle_probe_failed(),
                }
            }
            socket.pump_at(now, ctx);
            wait.map(|wait| socket.leave_unread(wait))
        })
        .flatten()
    }
}

impl<A: Application> Handler<Drained> for Socket<A> {
    type Result = ();

    fn handle(&mut self, _: Drained, ctx: &mut Self::Context) {
        self.guarded(ctx, Self::pump);
    }
}

impl<A: Application> Handler<Close> for Socket<A> {
    type Result = ();

    fn handle(&mut self, Close(reason): Close, ctx: &mut Self::Context) {
        self.guarded(ctx, |socket, ctx| {
            if reason == CloseReason::ServerShutdown {
                socket.ending = Some(reason);
            } else {
                socket.connection.close(reason, Instant::now());
            }
            socket.pump(ctx);
        });
    }
}
