//! HTTP long-polling: a GET waits for packets, a POST brings them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::engineio::{
    EngineConfig, Frame, HandshakeError, Packet, TransportKind, decode_payload, encode_payload,
};
use crate::limits::{Owner, Permit};
use crate::socket::{
    Application, Ingest, IngestRefused, Malformed, Opening, Poll, PollAborted, PollAnswer,
    PollUndelivered, Socket,
};

use super::authenticate::unsigned;
use super::body::{self, BodyError};
use super::engineio_endpoint::Endpoint;
use super::error::ApiError;

/// Packets that a socket handles before others on its worker have their turn: each may take a signature's time.
const PACKETS_PER_TURN: usize = 16;

static NEXT_POLL: AtomicU64 = AtomicU64::new(0);

/// Tells the socket that its poll's client is gone, should the request be dropped while it waits.
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
            // It was given on another thread, and nobody has looked.
            Ok(Ok(frames)) => self.socket.do_send(PollUndelivered(frames)),
            _ => self.socket.do_send(PollAborted { id: self.id }),
        }
    }
}

/// Begins a session; the answer carries its open packet.
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
            log::debug!("a socket was refused: {full}");
            Err(HandshakeError::Forbidden)
        }
    }
}

/// Waits until the socket has something to say.
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
    waiting.socket.do_send(Poll { id, reply });
    let answer = (&mut waiting.answer).await;
    waiting.answered = true;
    match answer {
        Ok(Ok(frames)) => Ok(payload(&frames)),
        Ok(Err(_)) => Err(HandshakeError::BadRequest),
        Err(_) => Err(HandshakeError::SessionUnknown),
    }
}

/// Hands the packets of a request to the socket.
pub(super) async fn post<A: Application>(
    socket: Addr<Socket<A>>,
    request: &HttpRequest,
    payload: web::Payload,
    config: &EngineConfig,
    holding: Permit<Owner>,
) -> Result<HttpResponse, HandshakeError> {
    let (max, timeout) = (config.max_payload, config.request_timeout);
    let body = match body::read(request, payload, max, timeout, holding).await {
        Ok(body) => body,
        Err(BodyError::TooSlow) => {
            return Ok(HttpResponse::RequestTimeout().force_close().finish());
        }
        Err(BodyError::Overloaded) => return Ok(HttpResponse::ServiceUnavailable().finish()),
        Err(BodyError::TooLarge) => return Ok(HttpResponse::PayloadTooLarge().finish()),
        Err(BodyError::Broken) => return Err(HandshakeError::BadRequest),
    };
    let Ok(packets) = decode_payload(body.clone(), config.max_packets_per_payload) else {
        socket.do_send(Malformed);
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
            // The client sends no more before it is answered.
            Ok(Ok(wait)) if !wait.is_zero() => tokio::time::sleep(wait).await,
            Ok(Ok(_)) => {}
            Ok(Err(IngestRefused::TooFast)) => return Ok(too_fast()),
            Ok(Err(IngestRefused::Closed)) | Err(_) => return Err(HandshakeError::BadRequest),
        }
    }
}

fn too_fast() -> HttpResponse {
    unsigned(&ApiError::rate_limited(Duration::ZERO))
}

fn payload(frames: &[Frame]) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=UTF-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(encode_payload(frames))
}
