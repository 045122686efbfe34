//! Authenticated requests (BRC-104): verified over the bytes that came, answered with a signature.
//!
//! Every request passes here before it is routed, so that unknown routes too are answered to those only who
//! have shown who they are.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::auth::canonical::{Direction, SignedRequest, signed_headers};
use crate::auth::{AUTH_VERSION, AuthError, Session};
use crate::json_depth;
use crate::limits::{AddressKey, LimitExceeded, Owner, refusals};
use crate::socket::Kill;

use super::body::Payload;
use super::client_address::{count_handshake, count_request};
use super::counts::{Asker, Failed};
use super::error::ApiError;
use super::handshake;
use super::reply::Reply;
use super::request_scope::RequestScope;
use super::routes;
use super::session_lookup::{self, Named};
use super::sign::signed;
use super::state::HttpState;

/// A reply is for who asked, now: no cache keeps it.
pub(super) const NOT_STORED: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// What a request says of its authentication.
pub(super) struct Credentials {
    identity_key: String,
    nonce: String,
    your_nonce: String,
    signature: Vec<u8>,
    pub(super) request_id: [u8; 32],
    pub(super) request_id_text: String,
}

/// Answers every request that is not a socket's.
pub async fn respond(
    request: HttpRequest,
    body: web::Payload,
    state: web::Data<HttpState>,
) -> HttpResponse {
    if request.method() == Method::OPTIONS {
        return HttpResponse::Ok().body("OK");
    }
    let counted_for = match count_request(&request, &state.addresses) {
        Ok(counted_for) => counted_for,
        Err(error) => return unsigned(&error),
    };
    if request.method() == Method::HEAD {
        // Signed it would be signed over an empty body, which clients of different age encode differently.
        return unsigned(&ApiError::method_not_allowed("GET, POST"));
    }
    if request.path() == handshake::PATH {
        return begin_session(&request, body, counted_for, &state).await;
    }
    let (credentials, named) = match identify(&request, counted_for, &state).await {
        Ok(identified) => identified,
        Err(error) => return unsigned(&error),
    };
    let session = Arc::clone(&named.known.session);
    let is_proven = named.is_in_memory && state.sessions().is_authenticated(session.own_nonce());
    let owners = if is_proven {
        Owner::both(session.peer(), counted_for)
    } else {
        [counted_for.map(Owner::Address), None]
    };
    let payload = Payload {
        body,
        holding: state.bodies.hold_for(owners),
        max: routes::max_body_bytes(request.path(), &state),
    };
    let payload = if is_proven {
        payload
    } else {
        payload.of_a_stranger(&state.limits)
    };
    let work = Work {
        state: &state,
        address: counted_for,
    };
    let verified = verify(&request, payload, &credentials, &named, work).await;
    let reply: Reply = match verified {
        Ok(Verified { body, scope }) => {
            let identity = Some(session.peer());
            request.extensions_mut().insert(Asker {
                address: counted_for,
                identity,
            });
            let (state, scope) = state.scoped(scope.with_address(counted_for));
            let reply = routes::respond(&request, session.peer(), &body, &state).await;
            if let Some(error) = scope.refusal() {
                return refuse(error, &session, &state);
            }
            reply
        }
        Err(Refused::Unsigned(error)) => return unsigned(&error),
        Err(Refused::Signed(error)) => error.into(),
    };
    let kill = request.conn_data::<Kill>().cloned();
    signed(reply, &credentials, &session, work, kill).await
}

/// What a request is answered with, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) state: &'a HttpState,
    /// Whom the limits of addresses count it for.
    pub(super) address: Option<AddressKey>,
}

async fn begin_session(
    request: &HttpRequest,
    body: web::Payload,
    counted_for: Option<AddressKey>,
    state: &HttpState,
) -> HttpResponse {
    if request.method() != Method::POST {
        return unsigned(&ApiError::method_not_allowed("POST"));
    }
    if let Err(error) = count_handshake(counted_for, &state.addresses) {
        return unsigned(&error);
    }
    let payload = Payload {
        body,
        max: handshake::MAX_BYTES,
        holding: state.bodies.hold(counted_for.map(Owner::Address)),
    };
    let max_depth = state.limits.max_json_depth;
    match payload.read(request, &state.limits).await {
        Ok(body) if json_depth::is_deeper(&body, max_depth) => {
            unsigned(&ApiError::too_deep(max_depth))
        }
        Ok(body) => handshake::respond(state, counted_for, &body).await,
        Err(error) => unsigned(&error),
    }
}

/// A request that its session's memory took for new, and that the store did not.
fn refuse(error: AuthError, session: &Session, state: &HttpState) -> HttpResponse {
    match error {
        AuthError::Replayed => state.requests.replayed.add_one(),
        _ => state.sessions().remove(session.own_nonce()),
    }
    unsigned(&error.into())
}

/// Finds the session that a request names, before its body is read.
async fn identify(
    request: &HttpRequest,
    counted_for: Option<AddressKey>,
    state: &HttpState,
) -> Result<(Credentials, Named), ApiError> {
    let credentials = match credentials(request) {
        Ok(credentials) => credentials,
        Err(error) => {
            // A guess at an admin's token, wherever it is made, counts as a handshake, of which an address has few.
            if request.headers().contains_key(header::AUTHORIZATION) {
                count_handshake(counted_for, &state.addresses)?;
            }
            return Err(error);
        }
    };
    let own_nonce = &credentials.your_nonce;
    let named = session_lookup::find(own_nonce, counted_for, state).await?;
    named
        .known
        .session
        .check_identity(&credentials.identity_key)?;
    Ok((credentials, named))
}

fn credentials(request: &HttpRequest) -> Result<Credentials, ApiError> {
    let names = [
        "version",
        "identity-key",
        "nonce",
        "your-nonce",
        "signature",
        "request-id",
    ];
    let mut values = names.map(|_| String::new());
    let mut found = 0;
    for (name, value) in names.iter().zip(&mut values) {
        let mut all = request.headers().get_all(format!("x-bsv-auth-{name}"));
        let Some(first) = all.next() else { continue };
        if all.any(|other| other != first) {
            return Err(ApiError::authentication_failed(format!(
                "Repeated header: x-bsv-auth-{name}"
            )));
        }
        found += 1;
        first.to_str().unwrap_or_default().clone_into(value);
    }
    if found == 0 {
        return Err(ApiError::unauthenticated());
    }
    if let Some((name, _)) = names
        .iter()
        .zip(&values)
        .find(|(_, value)| value.is_empty())
    {
        return Err(ApiError::authentication_failed(format!(
            "Missing required header: x-bsv-auth-{name}"
        )));
    }
    let [
        version,
        identity_key,
        nonce,
        your_nonce,
        signature,
        request_id_text,
    ] = values;
    if version != AUTH_VERSION {
        let received = version.chars().take(32).collect();
        return Err(AuthError::Version { received }.into());
    }
    let signature = hex::decode(signature).map_err(|_| AuthError::Signature)?;
    let request_id = STANDARD
        .decode(&request_id_text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    let request_id = request_id.ok_or_else(|| {
        ApiError::authentication_failed("x-bsv-auth-request-id is not the base64 of 32 bytes")
    })?;
    Ok(Credentials {
        identity_key,
        nonce,
        your_nonce,
        signature,
        request_id,
        request_id_text,
    })
}

/// A request that does not reach its route.
pub(super) enum Refused {
    /// Nothing was verified: anybody may have sent it, also in place of a request that is still to come.
    Unsigned(ApiError),
    /// The session's client sent it, and its nonce is used up: nobody can make this request succeed any more.
    Signed(ApiError),
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        Self::Unsigned(error.into())
    }
}

/// A request that is answered.
struct Verified {
    body: Bytes,
    scope: RequestScope,
}

/// Reads the body and verifies the signature over what came; then waits for certificates, where some are required.
async fn verify(
    request: &HttpRequest,
    payload: Payload,
    credentials: &Credentials,
    named: &Named,
    work: Work<'_>,
) -> Result<Verified, Refused> {
    let state = work.state;
    if is_encoded(request) {
        return Err(Refused::Unsigned(ApiError::encoded_body()));
    }
    let body = payload
        .read(request, &state.limits)
        .await
        .map_err(Refused::Unsigned)?;
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers = signed_headers(headers, Direction::Request)
        .map_err(|error| Refused::Unsigned(ApiError::authentication_failed(error.to_string())))?;
    let digest = {
        let (request_id, bytes, body) = (credentials.request_id, body.len(), body.clone());
        let (method, target) = (request.method().clone(), request.uri().clone());
        let digest = move || {
            SignedRequest {
                request_id: &request_id,
                method: method.as_str(),
                path: target.path(),
                query: target.query().unwrap_or_default(),
                headers: &headers,
                body: &body,
            }
            .digest()
        };
        let digest = state.heavy.run(work.address, bytes, digest).await;
        digest.map_err(|panicked| Refused::Unsigned(panicked.into()))?
    };
    let nonce = &credentials.nonce;
    let known = &named.known;
    let verified = known.session.verify(nonce, &digest, &credentials.signature);
    if verified == Err(AuthError::Replayed) {
        state.requests.replayed.add_one();
    }
    verified?;
    let claimed = state.claim_request(known, nonce).await?;
    let session = if named.is_in_memory {
        Arc::clone(&known.session)
    } else {
        state.take_up(Arc::clone(&known.session), nonce).await?
    };
    let ended = state.session_used(&session);
    state.end_sessions(ended).await;
    let peer = session.peer();
    if let Some(address) = work.address {
        refusals().saw(address, peer, Instant::now());
    }
    state.identities.check(&peer).map_err(|wait| {
        refusals().count("request_rate", LimitExceeded::PerKey, Some(&peer));
        Refused::Signed(ApiError::rate_limited(wait))
    })?;
    if let Some(gate) = &state.certificates {
        gate.pass(&session, work.address, body.len()).await?;
    }
    let own_nonce = session.own_nonce();
    let scope = RequestScope::new(own_nonce, nonce, claimed, known.began_here);
    Ok(Verified { body, scope })
}

/// Whether a body came encoded, as with gzip.
fn is_encoded(request: &HttpRequest) -> bool {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING);
    encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

pub(super) fn unsigned(error: &ApiError) -> HttpResponse {
    let mut response = HttpResponse::build(error.status);
    response.extensions_mut().insert(Failed {
        code: error.code,
        reason: error.description.clone(),
    });
    for (name, value) in &error.headers {
        response.insert_header((*name, value.as_str()));
    }
    response
        .content_type("application/json")
        .insert_header(NOT_STORED)
        .body(error.body())
}
