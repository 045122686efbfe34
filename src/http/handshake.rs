//! `POST /.well-known/auth`: the handshake of BRC-104, unsigned because it makes the session that signs.

use actix_web::HttpResponse;

use crate::auth::{
    AUTH_VERSION, AuthError, AuthMessage, InitialResponse, MessageType, NO_CERTIFICATES, Session,
};

use crate::limits::AddressKey;

use super::authenticate::unsigned;
use super::certificates;
use super::error::ApiError;
use super::state::HttpState;

/// Where it is, always at the origin's root.
pub(super) const PATH: &str = "/.well-known/auth";

/// An auth message of a handshake is small.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Answers a handshake from this address.
pub(super) async fn respond(
    state: &HttpState,
    origin: Option<AddressKey>,
    body: &[u8],
) -> HttpResponse {
    let answered = std::str::from_utf8(body)
        .map_err(|_| AuthError::Malformed("not UTF-8"))
        .and_then(AuthMessage::parse)
        .and_then(|message| answer(state, &message));
    match answered {
        Ok(Answer::Begins(begun)) => {
            let (session, response) = *begun;
            let reply = reply(state, &session, response);
            // Its first request may reach another node as soon as this is sent.
            let session = session.strict_replay();
            state.begin_session(session, origin).await;
            reply
        }
        Ok(Answer::Done(reply, ended)) => {
            state.end_sessions(ended).await;
            reply
        }
        Err(error) => {
            log::debug!("a handshake was refused: {error:?}");
            let error = ApiError::bad_request("ERR_INVALID_AUTH_MESSAGE", error.to_string());
            unsigned(&error)
        }
    }
}

enum Answer {
    Begins(Box<(Session, InitialResponse)>),
    /// The reply, and sessions that have ended by it.
    Done(HttpResponse, Vec<String>),
}

fn answer(state: &HttpState, message: &AuthMessage<'_>) -> Result<Answer, AuthError> {
    match message.kind {
        MessageType::InitialRequest => {}
        MessageType::CertificateResponse => {
            let reply = match &state.certificates {
                Some(gate) => gate.receive(state, message),
                // The server asks for none, and accepts what a client brings all the same.
                None => HttpResponse::Ok().json(serde_json::json!({ "status": "success" })),
            };
            return Ok(Answer::Done(reply, Vec::new()));
        }
        MessageType::CertificateRequest => {
            let (reply, ended) = certificates::answer_request(state, message);
            return Ok(Answer::Done(reply, ended));
        }
        _ => return Err(AuthError::Malformed("not an initialRequest")),
    }
    let max_requests = state.limits.max_requests_per_session;
    let requested = state.requested_certificates();
    let begun = Session::respond(&state.identity, message, requested, max_requests)?;
    Ok(Answer::Begins(Box::new(begun)))
}

fn reply(state: &HttpState, session: &Session, response: InitialResponse) -> HttpResponse {
    HttpResponse::Ok()
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
            state.requested_certificates().unwrap_or(NO_CERTIFICATES),
        ))
        .body(response.json)
}
