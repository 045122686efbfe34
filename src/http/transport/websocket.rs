//! The websocket transport: takes frames from a websocket to its [`Socket`], and knows no protocol. The way back is the
//! body's (`websocket_body.rs`).
//!
//! The only file that uses `actix-web-actors`, which its authors have deprecated in favour of `actix-ws`.
//! This actor is frozen for as long as its client does not read, so nothing is decided here.

use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use actix_http::ws::Codec;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{
    self, CloseCode, CloseReason as WsCloseReason, ProtocolError, WebsocketContext,
};

use crate::engineio::{CloseReason, Frame, HandshakeError, TransportKind};
use crate::limits::{Owner, Permit};
use crate::socket::{
    AbortHandle, Application, Attach, CloseTransport, FrameQueue, FromTransport, FromWebsocket,
    LinkId, Opening, Socket, WebsocketLink,
};

use super::endpoint::Endpoint;
use super::fragments::{FragmentError, Fragments};
use super::websocket_body::WebsocketBody;
use super::websocket_input::{EndCell, Ended, WebsocketInput};

static NEXT_LINK: AtomicU64 = AtomicU64::new(0);

/// One websocket, disposable: the session goes on, or ends, in its [`Socket`].
struct WsTransport<A: Application> {
    id: LinkId,
    start: Start<A>,
    feed: FrameQueue,
    fragments: Fragments,
    kill: Option<AbortHandle>,
    malformed: bool,
    end: EndCell,
}

/// The session that the websocket belongs to.
enum Start<A: Application> {
    /// A new one: it begins when the websocket is there. Boxed, because an application is large and soon gone from here.
    New(Box<(Endpoint<A>, Opening, A)>),
    /// It could not be begun.
    Refused,
    /// A session that exists already.
    Known(Addr<Socket<A>>),
}

/// The request's body, and the permit that counts unfinished messages.
pub(super) type IncomingFrames = (web::Payload, Permit<Owner>);

/// Begins a session on a websocket.
pub(super) fn open<A: Application>(
    endpoint: &Endpoint<A>,
    opening: Opening,
    application: A,
    request: &HttpRequest,
    incoming: IncomingFrames,
) -> Result<HttpResponse, HandshakeError> {
    let start = Start::New(Box::new((endpoint.clone(), opening, application)));
    accept(endpoint, start, request, incoming)
}

/// Offers a websocket to a session that is on polling.
pub(super) fn attach<A: Application>(
    endpoint: &Endpoint<A>,
    socket: Addr<Socket<A>>,
    request: &HttpRequest,
    incoming: IncomingFrames,
) -> Result<HttpResponse, HandshakeError> {
    accept(endpoint, Start::Known(socket), request, incoming)
}

fn accept<A: Application>(
    endpoint: &Endpoint<A>,
    start: Start<A>,
    request: &HttpRequest,
    (body, holding): IncomingFrames,
) -> Result<HttpResponse, HandshakeError> {
    let max_payload = endpoint.config.max_payload;
    let feed = FrameQueue::new();
    let (input, end) = WebsocketInput::new(body, max_payload, holding);
    let transport = WsTransport {
        id: LinkId(NEXT_LINK.fetch_add(1, Ordering::Relaxed)),
        start,
        feed: feed.clone(),
        fragments: Fragments::new(max_payload),
        kill: request.conn_data::<AbortHandle>().cloned(),
        malformed: false,
        end,
    };
    let mut response = ws::handshake(request).map_err(|_| HandshakeError::BadRequest)?;
    if let Some(protocol) = first_protocol(request) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    let codec = Codec::new().max_size(max_payload);
    let said = WebsocketContext::with_codec(transport, input, codec);
    Ok(response.streaming(WebsocketBody::new(feed, said)))
}

/// The first subprotocol that is offered. It changes nothing here, but clients that offer some insist on one (RFC 6455 §4.1).
fn first_protocol(request: &HttpRequest) -> Option<&str> {
    let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL)?;
    let first = offered.to_str().ok()?.split(',').next()?.trim();
    (!first.is_empty()).then_some(first)
}

impl<A: Application> WsTransport<A> {
    fn socket(&self) -> Option<&Addr<Socket<A>>> {
        match &self.start {
            Start::Known(socket) => Some(socket),
            Start::New(_) | Start::Refused => None,
        }
    }

    /// Begins the session if the websocket is to carry a new one.
    fn begin(&mut self) -> Option<Addr<Socket<A>>> {
        match std::mem::replace(&mut self.start, Start::Refused) {
            Start::New(parts) => {
                let (endpoint, opening, application) = *parts;
                let socket = Socket::open(
                    opening,
                    TransportKind::Websocket,
                    endpoint.config.clone(),
                    &endpoint.table,
                    application,
                );
                match socket {
                    Ok(socket) => self.start = Start::Known(socket),
                    Err(full) => log::debug!("a socket was refused: {full}"),
                }
            }
            begun => self.start = begun,
        }
        self.socket().cloned()
    }

    fn refuse(&mut self, code: CloseCode, ctx: &mut WebsocketContext<Self>) {
        self.malformed = true;
        ctx.close(Some(code.into()));
        ctx.stop();
    }

    /// Passes a frame on, or that there was one.
    fn pass_on(&self, frame: Option<Frame>, ctx: &mut WebsocketContext<Self>) {
        let Some(socket) = self.socket() else { return };
        // Reads nothing more until the socket has handled this frame, which limits the socket's queue.
        let handled = socket.send(FromWebsocket { id: self.id, frame });
        ctx.wait(
            handled
                .into_actor(self)
                .map(|handled, transport, ctx| match handled {
                    // Nor while it has sent too much: its connection fills up, and the client has to wait.
                    Ok(Some(wait)) if !wait.is_zero() => {
                        ctx.wait(tokio::time::sleep(wait).into_actor(transport));
                    }
                    Ok(_) => {}
                    Err(_) => ctx.stop(),
                }),
        );
    }
}

impl<A: Application> Actor for WsTransport<A> {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(socket) = self.begin() else {
            ctx.close(Some(CloseCode::Again.into()));
            ctx.stop();
            return;
        };
        let attach = Attach(WebsocketLink {
            id: self.id,
            queue: self.feed.clone(),
            close: ctx.address().recipient(),
            abort: self.kill.clone(),
        });
        ctx.wait(
            socket
                .send(attach)
                .into_actor(self)
                .map(|attached, _, ctx| {
                    if !matches!(attached, Ok(Ok(()))) {
                        ctx.close(Some(CloseCode::Policy.into()));
                        ctx.stop();
                    }
                }),
        );
    }
}

impl<A: Application> Drop for WsTransport<A> {
    /// However it ends: when it panics, actix does not say that it has stopped.
    fn drop(&mut self) {
        if let Some(socket) = self.socket() {
            socket.do_send(FromTransport::WebsocketGone {
                id: self.id,
                malformed: self.malformed,
            });
        }
    }
}

impl<A: Application> StreamHandler<Result<ws::Message, ProtocolError>> for WsTransport<A> {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(ws::Message::Ping(data)) => {
                ctx.pong(&data);
                self.pass_on(None, ctx);
            }
            Ok(ws::Message::Close(reason)) => {
                ctx.close(reason.map(|reason| WsCloseReason::from(reason.code)));
                ctx.stop();
            }
            Ok(message) => match self.fragments.accept(message) {
                Ok(frame) => self.pass_on(frame, ctx),
                Err(FragmentError::TooLarge | FragmentError::TooMany) => {
                    self.refuse(CloseCode::Size, ctx);
                }
                Err(FragmentError::OutOfOrder) => self.refuse(CloseCode::Protocol, ctx),
                Err(FragmentError::Utf8) => self.refuse(CloseCode::Invalid, ctx),
            },
            Err(ProtocolError::Overflow) => self.refuse(CloseCode::Size, ctx),
            Err(ProtocolError::Io(_)) => match self.end.take() {
                Some(Ended::Refused(code)) => self.refuse(code, ctx),
                // The client is gone without a goodbye.
                Some(Ended::Broken) => ctx.stop(),
                // The input has not ended: actix-web-actors reports text that is not UTF-8 as `Io`.
                None => self.refuse(CloseCode::Invalid, ctx),
            },
            Err(_) => self.refuse(CloseCode::Protocol, ctx),
        }
    }
}

impl<A: Application> Handler<CloseTransport> for WsTransport<A> {
    type Result = ();

    fn handle(&mut self, CloseTransport(reason): CloseTransport, ctx: &mut Self::Context) {
        let code = match reason {
            CloseReason::TooFast => CloseCode::Policy,
            _ => CloseCode::Normal,
        };
        ctx.close(Some(code.into()));
        ctx.stop();
    }
}
