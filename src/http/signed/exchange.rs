//! One signed request and its signed reply, on the session that the request names (BRC-104).

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::Bytes;

use crate::auth::canonical::{Direction, SignedRequest, signed_headers};
use crate::auth::{AuthError, Session};
use crate::http::buffers::body::BodyReader;
use crate::http::client_address::count_handshake;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::ids::IdentityKey;
use crate::limits::{AddressKey, LimitExceeded, Owner, refusals};

use super::credentials::Credentials;
use super::refusal::RequestRefusal;
use super::request_scope::RequestScope;
use super::session_lookup::{self, SessionLookup};
use super::sessions::unknown_session;
use super::shared_sessions::Claimed;

/// Until a request of a session has verified on this server, its body may take this part of the memory for bodies. It is
/// enough for the largest message with a payment.
const STRANGER_DIVISOR: usize = 32;

/// A request that names a session, and everything that its reply is signed with.
pub(in crate::http) struct Exchange<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) state: &'a HttpState,
    /// The address that the request counts for.
    pub(super) address: Option<AddressKey>,
    pub(super) credentials: Credentials,
    lookup: SessionLookup,
}

/// A request that its session's client sent, for the first time.
pub(in crate::http) struct AdmittedRequest {
    pub(in crate::http) body: Bytes,
    pub(in crate::http) scope: RequestScope,
}

impl<'a> Exchange<'a> {
    /// Reads the authentication headers and finds the session. The body is not read yet.
    pub(in crate::http) async fn begin(
        request: &'a HttpRequest,
        address: Option<AddressKey>,
        state: &'a HttpState,
    ) -> Result<Self, ApiError> {
        let credentials = match Credentials::read(request.headers()) {
            Ok(credentials) => credentials,
            Err(error) => {
                // A guess at an admin's token, on whatever path, counts as a handshake: an address has few of those.
                if request.headers().contains_key(header::AUTHORIZATION) {
                    count_handshake(address, &state.addresses)?;
                }
                return Err(error);
            }
        };
        let lookup = session_lookup::find(&credentials.your_nonce, address, state).await?;
        let session = &lookup.known.session;
        session.check_identity(&credentials.identity_key)?;
        Ok(Self {
            request,
            state,
            address,
            credentials,
            lookup,
        })
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.lookup.known.session
    }

    /// The identity whose session this is.
    pub(in crate::http) fn caller(&self) -> IdentityKey {
        self.session().peer()
    }

    /// Reads a body of up to `max` bytes, verifies the signature over what came, and counts the request. Then waits for
    /// certificates, where the operator requires them.
    pub(in crate::http) async fn verify(
        &self,
        payload: web::Payload,
        max: usize,
    ) -> Result<AdmittedRequest, RequestRefusal> {
        let state = self.state;
        if self.is_encoded() {
            return Err(ApiError::encoded_body().into());
        }
        let body = self.body_reader(payload, max).read(self.request).await;
        let body = body.map_err(ApiError::from)?;
        let digest = self.digest(&body).await?;
        let (nonce, known) = (&self.credentials.nonce, &self.lookup.known);
        let verified = known
            .session
            .verify(nonce, &digest, &self.credentials.signature);
        verified.map_err(|error| self.count_replay(error))?;
        let claimed = state.sessions.claim(known, nonce).await;
        match claimed {
            Some(Claimed::Ended) => return Err(unknown_session(known.session.own_nonce()).into()),
            Some(Claimed::Repeated) => return Err(self.count_replay(AuthError::Replayed).into()),
            Some(Claimed::Unknown) if state.sessions.needs_claims() => {
                // Another node may still serve it.
                return Err(ApiError::replay_unchecked().into());
            }
            Some(Claimed::First | Claimed::WithItsWrite | Claimed::Unknown) | None => {}
        }
        let session = if self.lookup.is_local {
            Arc::clone(&known.session)
        } else {
            let session = Arc::clone(&known.session);
            state.sessions.resume(session, nonce).await?
        };
        let ended = state.sessions.mark_used(&session);
        state.sessions.end(ended).await;
        let peer = session.peer();
        if let Some(address) = self.address {
            refusals().saw(address, peer, Instant::now());
        }
        state.identities.check(&peer).map_err(|wait| {
            refusals().count("request_rate", LimitExceeded::PerKey, Some(&peer));
            RequestRefusal::Signed(ApiError::rate_limited(wait))
        })?;
        if let Some(gate) = &state.certificates {
            gate.pass(&session, self.address, body.len()).await?;
        }
        let own_nonce = session.own_nonce();
        let scope = RequestScope::new(own_nonce, nonce, claimed, known.began_here, self.address);
        Ok(AdmittedRequest { body, scope })
    }

    /// Gives up a verified request that the store refused with its first write: as a replay, or because the session has
    /// ended. An ended session is removed here too. The answer is not signed.
    pub(in crate::http) fn withdraw(&self, error: AuthError) -> ApiError {
        if error != AuthError::Replayed {
            self.state.sessions.remove(self.session().own_nonce());
        }
        self.count_replay(error).into()
    }

    fn count_replay(&self, error: AuthError) -> AuthError {
        if error == AuthError::Replayed {
            self.state.requests.replayed.add_one();
        }
        error
    }

    /// Anybody can begin sessions. Until a request has verified, a session counts for its address only and has little memory.
    fn body_reader(&self, payload: web::Payload, max: usize) -> BodyReader {
        let (state, session) = (self.state, self.session());
        let is_authenticated =
            self.lookup.is_local && state.sessions.is_authenticated(session.own_nonce());
        let (owners, max) = if is_authenticated {
            (Owner::both(session.peer(), self.address), max)
        } else {
            let first = state.limits.max_buffered_bytes / STRANGER_DIVISOR;
            ([self.address.map(Owner::Address), None], max.min(first))
        };
        BodyReader {
            payload,
            max,
            timeout: state.limits.request_timeout,
            permit: state.bodies.hold_for(owners),
        }
    }

    /// Hashes what the signature covers.
    async fn digest(&self, body: &Bytes) -> Result<[u8; 32], ApiError> {
        let headers = self.request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers = signed_headers(headers, Direction::Request)
            .map_err(|error| ApiError::authentication_failed(error.to_string()))?;
        let (request_id, bytes, body) = (self.credentials.request_id, body.len(), body.clone());
        let (method, target) = (self.request.method().clone(), self.request.uri().clone());
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
        Ok(self.state.heavy.run(self.address, bytes, digest).await?)
    }

    /// Whether the body came encoded, as with gzip.
    fn is_encoded(&self) -> bool {
        let mut encodings = self.request.headers().get_all(header::CONTENT_ENCODING);
        encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    }
}
