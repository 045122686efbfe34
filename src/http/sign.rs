//! Signs replies (BRC-104).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::auth::canonical::{Direction, SignedResponse, signed_headers};
use crate::auth::{AUTH_VERSION, Session, message_nonce};
use crate::socket::AbortHandle;

use super::authenticate::{Credentials, NOT_STORED, Work, unsigned};
use super::error::ApiError;
use super::reply::Reply;

/// Signs a reply on the session that the request named. `kill` ends its connection.
pub(super) async fn signed(
    reply: Reply,
    credentials: &Credentials,
    session: &Session,
    Work { state, address }: Work<'_>,
    kill: Option<AbortHandle>,
) -> HttpResponse {
    let headers = reply
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    // Ours are plain texts under names that sort.
    let headers = signed_headers(headers, Direction::Response).unwrap_or_default();
    let (request_id, status, body) = (
        credentials.request_id,
        reply.status.as_u16(),
        reply.body.clone(),
    );
    let digest = move || {
        SignedResponse {
            request_id: &request_id,
            status,
            headers: &headers,
            body: &body,
        }
        .digest()
    };
    let digest = match state.heavy.run(address, reply.body.len(), digest).await {
        Ok(digest) => digest,
        Err(panicked) => return unsigned(&panicked.into()),
    };
    let nonce = message_nonce();
    let signature = match session.sign(&nonce, &digest) {
        Ok(signature) => signature,
        Err(error) => {
            log::error!("a response could not be signed: {error}");
            let error = ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ERR_RESPONSE_SIGNING_FAILED",
                "The response could not be signed.",
            );
            return unsigned(&error);
        }
    };
    let mut response = HttpResponse::build(reply.status);
    if let Some(failed) = reply.failure {
        response.extensions_mut().insert(failed);
    }
    for (name, value) in &reply.headers {
        response.insert_header((*name, value.as_str()));
    }
    response
        .content_type(reply.content_type)
        .insert_header(NOT_STORED)
        .insert_header(("x-bsv-auth-version", AUTH_VERSION))
        .insert_header((
            "x-bsv-auth-identity-key",
            state.identity.identity_key().to_hex(),
        ))
        .insert_header(("x-bsv-auth-nonce", nonce))
        .insert_header(("x-bsv-auth-your-nonce", session.peer_nonce()))
        .insert_header(("x-bsv-auth-signature", hex::encode(&*signature)))
        .insert_header(("x-bsv-auth-request-id", &*credentials.request_id_text))
        .body(state.readers.watch(reply.body, kill))
}
