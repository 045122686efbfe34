//! HTTP long-polling: a GET waits for packets, a POST sends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::engineio::{
    EngineConfig, Frame, HandshakeError, Packet, TransportKind, decode_payload, encode_payload,
};
use crate::http::buffers::body::{BodyError, BodyReader};
use crate::http::error::ApiError;
use crate::http::reply::NO_STORE;
use crate::limits::{Owner, Permit};
use crate::socket::{
    Application, FromTransport, Ingest, IngestRefused, Opening, Poll, PollAnswer, Socket,
};

use super::endpoint::Endpoint;

/// Packets that a socket handles before its worker serves other sockets. Each may take as long as a signature.
const PACKETS_PER_TURN: usize = 16;

static NEXT_POLL: AtomicU64 = AtomicU64::new(0);

/// A poll that waits for its socket. If the request is dropped meanwhile, it notifies the socket.
struct Waiting<A: Application> {
    socket: Addr<Socket<A>>,
    id: u64,
    answer: oneshot::Receiver<PollAnswer>,
    answered: bool,
}

impl<A: Application> Drop for Waiting<A> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        self.answer.close();
        match self.answer.try_recv() {
            // The socket answered on another thread, and the request never saw it.
            Ok(PollAnswer::Frames(frames)) => {
                self.socket.do_send(FromTransport::PollUndelivered(frames));
            }
            _ => self.socket.do_send(FromTransport::PollAborted(self.id)),
        }
    }
}

/// Opens a session. The response carries its open packet.
pub(super) async fn open<A: Application>(
    endpoint: &Endpoint<A>,
    opening: Opening,
    application: A,
) -> Result<HttpResponse, HandshakeError> {
    let socket = Socket::open(
        opening,
        TransportKind::Polling,
        endpoint.config.clone(),
        &endpoint.table,
        application,
    );
    match socket {
        Ok(socket) => poll(socket).await,
        Err(full) => {
            log::debug!("refused a socket: {full}");
            Err(HandshakeError::Forbidden)
        }
    }
}

/// Waits until the socket has packets to send.
pub(super) async fn poll<A: Application>(
    socket: Addr<Socket<A>>,
) -> Result<HttpResponse, HandshakeError> {
    let id = NEXT_POLL.fetch_add(1, Ordering::Relaxed);
    let (reply, answer) = oneshot::channel();
    let mut waiting = Waiting {
        socket,
        id,
        answer,
        answered: false,
    };
    waiting
        .socket
        .do_send(FromTransport::Poll(Poll { id, reply }));
    let answer = (&mut waiting.answer).await;
    waiting.answered = true;
    match answer {
        Ok(PollAnswer::Frames(frames)) => Ok(payload(&frames)),
        Ok(PollAnswer::Refused(_)) => Err(HandshakeError::BadRequest),
        Err(_) => Err(HandshakeError::SessionUnknown),
    }
}

/// Hands the packets of a request to the socket.
pub(super) async fn post<A: Application>(
    socket: Addr<Socket<A>>,
    request: &HttpRequest,
    payload: web::Payload,
    config: &EngineConfig,
    permit: Permit<Owner>,
) -> Result<HttpResponse, HandshakeError> {
    let reader = BodyReader {
        payload,
        max: config.max_payload,
        timeout: config.request_timeout,
        permit,
    };
    let body = match reader.read(request).await {
        Ok(body) => body,
        Err(BodyError::TooSlow) => {
            return Ok(HttpResponse::RequestTimeout().force_close().finish());
        }
        Err(BodyError::Overloaded) => return Ok(HttpResponse::ServiceUnavailable().finish()),
        Err(BodyError::TooLarge(_)) => return Ok(HttpResponse::PayloadTooLarge().finish()),
        Err(BodyError::Broken) => return Err(HandshakeError::BadRequest),
    };
    let Ok(packets) = decode_payload(body.clone(), config.max_packets_per_payload) else {
        socket.do_send(FromTransport::Malformed);
        return Err(HandshakeError::BadRequest);
    };
    let mut bytes = body.len();
    let mut packets = packets.into_iter();
    loop {
        let packets: Vec<Packet> = packets.by_ref().take(PACKETS_PER_TURN).collect();
        if packets.is_empty() {
            return Ok(HttpResponse::Ok().content_type("text/html").body("ok"));
        }
        let ingest = Ingest {
            packets,
            bytes: std::mem::take(&mut bytes),
        };
        match socket.send(ingest).await {
            // Throttles the client: it sends no more before it has the response.
            Ok(Ok(wait)) if !wait.is_zero() => tokio::time::sleep(wait).await,
            Ok(Ok(_)) => {}
            Ok(Err(IngestRefused::TooFast)) => {
                return Ok(HttpResponse::from_error(ApiError::rate_limited(
                    Duration::ZERO,
                )));
            }
            Ok(Err(IngestRefused::Closed)) | Err(_) => return Err(HandshakeError::BadRequest),
        }
    }
}

fn payload(frames: &[Frame]) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=UTF-8")
        .insert_header(NO_STORE)
        .body(encode_payload(frames))
}
