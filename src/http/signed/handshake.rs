//! `POST /.well-known/auth`: the handshake of BRC-104. It is not signed, because it makes the session that signs.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::auth::{AuthError, AuthMessage, MessageType, NO_CERTIFICATES, Session};
use crate::http::buffers::body::BodyReader;
use crate::http::client_address::count_handshake;
use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;
use crate::json_depth;
use crate::limits::{AddressKey, Owner};

use super::certificates;
use super::sign::insert_auth_headers;

/// Always at the origin's root, whatever the routing prefix.
pub(in crate::http) const PATH: &str = "/.well-known/auth";

/// Bytes of an auth message.
const MAX_BYTES: usize = 64 * 1024;

/// Answers an auth message of a client at this address.
pub(in crate::http) async fn respond(
    request: &HttpRequest,
    payload: web::Payload,
    address: Option<AddressKey>,
    state: &HttpState,
) -> Result<HttpResponse, ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::method_not_allowed("POST"));
    }
    count_handshake(address, &state.addresses)?;
    let reader = BodyReader {
        payload,
        max: MAX_BYTES,
        timeout: state.limits.request_timeout,
        permit: state.bodies.hold(address.map(Owner::Address)),
    };
    let body = reader.read(request).await?;
    let max_depth = state.limits.max_json_depth;
    if json_depth::is_deeper(&body, max_depth) {
        return Err(ApiError::too_deep(max_depth));
    }
    let message = std::str::from_utf8(&body)
        .map_err(|_| AuthError::Malformed("not UTF-8"))
        .and_then(AuthMessage::parse)
        .map_err(|error| refuse(&error))?;
    match message.kind {
        MessageType::CertificateResponse => match &state.certificates {
            Some(gate) => gate.receive(&state.sessions, &message),
            // The server asks for no certificates, and accepts those of a client that sends some.
            None => Ok(RouteReply::done().unsigned()),
        },
        MessageType::CertificateRequest => {
            let (identity, sessions) = (&state.identity, &state.sessions);
            let (json, ended) = certificates::answer_request(identity, sessions, &message)?;
            sessions.end(ended).await;
            Ok(RouteReply::written(json).unsigned())
        }
        // Refuses every other kind.
        _ => begin(state, &message, address).await,
    }
}

fn refuse(error: &AuthError) -> ApiError {
    log::debug!("refused a handshake: {error:?}");
    ApiError::bad_request("ERR_INVALID_AUTH_MESSAGE", error.to_string())
}

async fn begin(
    state: &HttpState,
    message: &AuthMessage<'_>,
    address: Option<AddressKey>,
) -> Result<HttpResponse, ApiError> {
    let requested = state.requested_certificates();
    let max_requests = state.limits.max_requests_per_session;
    let (session, initial_response) =
        Session::respond(&state.identity, message, requested, max_requests)
            .map_err(|error| refuse(&error))?;
    let mut response = HttpResponse::Ok();
    let nonces = [session.own_nonce(), session.peer_nonce()];
    let signature = &initial_response.signature;
    insert_auth_headers(&mut response, &state.identity, nonces, signature);
    let response = response
        .content_type("application/json")
        .insert_header(("x-bsv-auth-message-type", "initialResponse"))
        .insert_header((
            "x-bsv-auth-requested-certificates",
            requested.unwrap_or(NO_CERTIFICATES),
        ))
        .body(initial_response.json);
    // The session's first request may reach another node as soon as the response is sent.
    let session = session.strict_replay();
    state.sessions.begin(session, address).await;
    Ok(response)
}
