//! `POST /.well-known/auth`: the handshake of BRC-104, unsigned because it makes the session that signs.

use std::time::{Instant, SystemTime};

use actix_web::HttpResponse;

use crate::auth::{
    AUTH_VERSION, AuthError, AuthMessage, Beginning, MessageType, NO_CERTIFICATES, Purpose, Session,
};

use super::authenticate::unsigned;
use super::certificates;
use super::error::ApiError;
use super::state::HttpState;

/// Where it is, always at the origin's root.
pub(super) const PATH: &str = "/.well-known/auth";

/// An auth message of a handshake is small.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Answers a handshake.
pub(super) fn respond(state: &HttpState, body: &[u8]) -> HttpResponse {
    let answered = std::str::from_utf8(body)
        .map_err(|_| AuthError::Malformed("not UTF-8"))
        .and_then(AuthMessage::parse)
        .and_then(|message| answer(state, &message));
    answered.unwrap_or_else(|error| {
        log::debug!("a handshake was refused: {error:?}");
        let error = ApiError::bad_request("ERR_INVALID_AUTH_MESSAGE", error.to_string());
        unsigned(&error)
    })
}

fn answer(state: &HttpState, message: &AuthMessage<'_>) -> Result<HttpResponse, AuthError> {
    match message.kind {
        MessageType::InitialRequest => {}
        MessageType::CertificateResponse => {
            return Ok(match &state.certificates {
                Some(gate) => gate.receive(state, message),
                // None are asked for; a client that brings some all the same is thanked.
                None => HttpResponse::Ok().json(serde_json::json!({ "status": "success" })),
            });
        }
        MessageType::CertificateRequest => return Ok(certificates::answer_request(state, message)),
        _ => return Err(AuthError::Malformed("not an initialRequest")),
    }
    let max_requests = state.limits.max_requests_per_session;
    let requested = state.requested_certificates();
    let beginning = state.resumption.as_deref().map(|resumption| Beginning {
        resumption,
        purpose: Purpose::Requests,
        now: SystemTime::now(),
    });
    let (session, response) =
        Session::respond_resumable(&state.identity, message, requested, max_requests, beginning)?;
    let reply = HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("x-bsv-auth-version", AUTH_VERSION))
        .insert_header(("x-bsv-auth-message-type", "initialResponse"))
        .insert_header((
            "x-bsv-auth-identity-key",
            state.identity.identity_key().to_hex(),
        ))
        .insert_header(("x-bsv-auth-nonce", session.own_nonce()))
        .insert_header(("x-bsv-auth-your-nonce", session.peer_nonce()))
        .insert_header(("x-bsv-auth-signature", hex::encode(&*response.signature)))
        .insert_header((
            "x-bsv-auth-requested-certificates",
            requested.unwrap_or(NO_CERTIFICATES),
        ))
        .body(response.json);
    state
        .sessions()
        .insert(session.forgetting_nothing(), Instant::now());
    Ok(reply)
}
