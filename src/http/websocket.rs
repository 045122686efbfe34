//! The websocket transport: takes frames from a websocket to its [`Socket`], and knows no protocol. The way back is the
//! body's (`websocket_body.rs`).
//!
//! The only file that uses `actix-web-actors`, which its authors have deprecated in favour of `actix-ws`.
//! This actor is frozen for as long as its client does not read, so nothing is decided here.

use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use actix_http::ws::Codec;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{
    self, CloseCode, CloseReason as WsCloseReason, ProtocolError, WebsocketContext,
};

use crate::engineio::{Frame, HandshakeError, TransportKind};
use crate::socket::{
    Application, Attach, CloseTransport, Feed, FromWebsocket, Kill, LinkId, Opening, Socket,
    WebsocketGone,
};

use super::engineio_endpoint::Endpoint;
use super::fragments::{FragmentError, Fragments};
use super::websocket_body::WebsocketBody;

static NEXT_LINK: AtomicU64 = AtomicU64::new(0);

/// One websocket, disposable: the session goes on, or ends, in its [`Socket`].
struct WsTransport<A: Application> {
    id: LinkId,
    start: Start<A>,
    feed: Feed,
    fragments: Fragments,
    kill: Option<Kill>,
    malformed: bool,
}

/// The session that the websocket belongs to.
enum Start<A: Application> {
    /// A new one: it begins when the websocket is there.
    New(Endpoint<A>, Opening),
    /// This one.
    Known(Addr<Socket<A>>),
}

/// Begins a session on a websocket.
pub(super) fn open<A: Application>(
    endpoint: &Endpoint<A>,
    opening: Opening,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, HandshakeError> {
    let start = Start::New(endpoint.clone(), opening);
    accept(endpoint, start, request, body)
}

/// Offers a websocket to a session that is on polling.
pub(super) fn attach<A: Application>(
    endpoint: &Endpoint<A>,
    socket: Addr<Socket<A>>,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, HandshakeError> {
    accept(endpoint, Start::Known(socket), request, body)
}

fn accept<A: Application>(
    endpoint: &Endpoint<A>,
    start: Start<A>,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, HandshakeError> {
    let max_payload = endpoint.config.max_payload;
    let feed = Feed::new();
    let transport = WsTransport {
        id: LinkId(NEXT_LINK.fetch_add(1, Ordering::Relaxed)),
        start,
        feed: feed.clone(),
        fragments: Fragments::new(max_payload),
        kill: request.conn_data::<Kill>().cloned(),
        malformed: false,
    };
    let mut response = ws::handshake(request).map_err(|_| HandshakeError::BadRequest)?;
    let codec = Codec::new().max_size(max_payload);
    let said = WebsocketContext::with_codec(transport, body, codec);
    Ok(response.streaming(WebsocketBody::new(feed, said)))
}

impl<A: Application> WsTransport<A> {
    fn socket(&self) -> Option<&Addr<Socket<A>>> {
        match &self.start {
            Start::Known(socket) => Some(socket),
            Start::New(..) => None,
        }
    }

    /// Begins the session if the websocket is to carry a new one.
    fn begin(&mut self) -> Option<Addr<Socket<A>>> {
        if let Start::New(endpoint, opening) = &self.start {
            let socket = Socket::open(
                *opening,
                TransportKind::Websocket,
                endpoint.config.clone(),
                &endpoint.table,
                (endpoint.open)(opening),
            );
            match socket {
                Ok(socket) => self.start = Start::Known(socket),
                Err(full) => log::warn!("a socket was refused: {full}"),
            }
        }
        self.socket().cloned()
    }

    fn refuse(&mut self, code: CloseCode, ctx: &mut WebsocketContext<Self>) {
        self.malformed = true;
        ctx.close(Some(code.into()));
        ctx.stop();
    }

    fn pass_on(&self, frame: Frame, ctx: &mut WebsocketContext<Self>) {
        let Some(socket) = self.socket() else { return };
        // Nothing more is read until the socket has handled this frame: that bounds what waits for it.
        let handled = socket.send(FromWebsocket { id: self.id, frame });
        ctx.wait(handled.into_actor(self).map(|handled, _, ctx| {
            if handled.is_err() {
                ctx.stop();
            }
        }));
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
        let attach = Attach {
            id: self.id,
            feed: self.feed.clone(),
            close: ctx.address().recipient(),
            kill: self.kill.clone(),
        };
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

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        if let Some(socket) = self.socket() {
            socket.do_send(WebsocketGone {
                id: self.id,
                malformed: self.malformed,
            });
        }
    }
}

impl<A: Application> StreamHandler<Result<ws::Message, ProtocolError>> for WsTransport<A> {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(ws::Message::Ping(data)) => ctx.pong(&data),
            Ok(ws::Message::Close(reason)) => {
                ctx.close(reason.map(|reason| WsCloseReason::from(reason.code)));
                ctx.stop();
            }
            Ok(message) => match self.fragments.accept(message) {
                Ok(Some(frame)) => self.pass_on(frame, ctx),
                Ok(None) => {}
                Err(FragmentError::TooLarge | FragmentError::TooMany) => {
                    self.refuse(CloseCode::Size, ctx);
                }
                Err(FragmentError::OutOfOrder) => self.refuse(CloseCode::Protocol, ctx),
                Err(FragmentError::Utf8) => self.refuse(CloseCode::Invalid, ctx),
            },
            Err(ProtocolError::Overflow) => self.refuse(CloseCode::Size, ctx),
            // The client is gone without a goodbye.
            Err(ProtocolError::Io(_)) => ctx.stop(),
            Err(_) => self.refuse(CloseCode::Protocol, ctx),
        }
    }
}

impl<A: Application> Handler<CloseTransport> for WsTransport<A> {
    type Result = ();

    fn handle(&mut self, _: CloseTransport, ctx: &mut Self::Context) {
        ctx.close(Some(CloseCode::Normal.into()));
        ctx.stop();
    }
}
