//! Certificates over HTTP: taken on their session, and waited for by the requests that came before them.

use std::time::Instant;

use actix_web::HttpResponse;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::auth::{AuthError, AuthMessage, CertificateError, RequiredCertificates, Session};

use super::authenticate::{NOT_STORED, Refused, unsigned};
use super::error::ApiError;
use super::session_lookup::unknown_session;
use super::state::HttpState;

/// Bytes of requests that may wait for certificates.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What each of them counts for at least, so that there are at most 1,024.
const MIN_WAITING_BYTES: usize = 64 * 1024;

/// Lets requests pass whose session is certified.
#[derive(Debug)]
pub(super) struct CertificateGate {
    required: RequiredCertificates,
    /// Tells that some session was certified.
    certified: Notify,
    /// Bytes of requests that may still wait.
    room: Semaphore,
}

impl CertificateGate {
    pub(super) fn new(required: RequiredCertificates) -> Self {
        Self {
            required,
            certified: Notify::new(),
            room: Semaphore::new(MAX_WAITING_BYTES),
        }
    }

    pub(super) const fn required(&self) -> &RequiredCertificates {
        &self.required
    }

    /// Waits until the session of a verified request is certified. The published client sends its first request
    /// without waiting for an answer to its certificates.
    pub(super) async fn pass(&self, session: &Session, body_bytes: usize) -> Result<(), Refused> {
        if session.revealed().is_some() {
            return Ok(());
        }
        // One that is larger waits alone.
        let bytes = body_bytes.clamp(MIN_WAITING_BYTES, MAX_WAITING_BYTES);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(_room) = self.room.try_acquire_many(bytes) else {
            return Err(Refused::Signed(ApiError::overloaded()));
        };
        let certified = async {
            loop {
                // Made before the look, so that no news is missed in between.
                let news = self.certified.notified();
                if session.revealed().is_some() {
                    break;
                }
                news.await;
            }
        };
        tokio::time::timeout(self.required.timeout, certified)
            .await
            .map_err(|_| Refused::Unsigned(ApiError::certificate_timeout()))
    }

    /// Answers a `certificateResponse`.
    pub(super) fn receive(&self, state: &HttpState, message: &AuthMessage<'_>) -> HttpResponse {
        match self.certify(state, message) {
            Ok(()) => HttpResponse::Ok().json(json!({ "status": "success" })),
            Err(error) => {
                log::debug!("certificates were refused: {error:?}");
                error.response()
            }
        }
    }

    fn certify(&self, state: &HttpState, message: &AuthMessage<'_>) -> Result<(), Unfit> {
        let named = message.your_nonce.as_deref().unwrap_or_default();
        let session = state.sessions().get(named, Instant::now());
        let session = session.ok_or_else(|| unknown_session(named))?.session;
        let certificates = session.verify_certificate_response(message)?;
        // Where certificates are required, no other node has them.
        let _ended = state.session_used(&session);
        if session.revealed().is_none() {
            session.certify(&self.required.demand, certificates)?;
            self.certified.notify_waiters();
        }
        Ok(())
    }
}

/// Answers a `certificateRequest`. The server has no certificates, and says so at once: without an answer, a client waits for
/// half a minute. Also gives the sessions that have ended by it.
pub(super) fn answer_request(
    state: &HttpState,
    message: &AuthMessage<'_>,
) -> (HttpResponse, Vec<String>) {
    let named = message.your_nonce.as_deref().unwrap_or_default();
    let session = state.sessions().get(named, Instant::now());
    let answer = session
        .ok_or_else(|| unknown_session(named))
        .and_then(|known| {
            known.session.verify_certificate_request(message)?;
            let ended = state.session_used(&known.session);
            let json = known
                .session
                .no_certificates(&state.identity.identity_key())?;
            Ok((json, ended))
        });
    match answer {
        Ok((json, ended)) => {
            let reply = HttpResponse::Ok()
                .content_type("application/json")
                .insert_header(NOT_STORED)
                .body(json);
            (reply, ended)
        }
        Err(error) => (unsigned(&error.into()), Vec::new()),
    }
}

/// Why a `certificateResponse` is refused.
#[derive(Debug)]
enum Unfit {
    /// It is not the session's counterparty that sent it.
    Message(AuthError),
    /// The certificates are not what is required.
    Certificates(CertificateError),
}

impl From<AuthError> for Unfit {
    fn from(error: AuthError) -> Self {
        Self::Message(error)
    }
}

impl From<CertificateError> for Unfit {
    fn from(error: CertificateError) -> Self {
        Self::Certificates(error)
    }
}

impl Unfit {
    fn response(self) -> HttpResponse {
        let error = match self {
            // In the words of the middleware in use.
            Self::Certificates(error @ CertificateError::NoneProvided) => {
                let status = json!({ "status": error.to_string() });
                return HttpResponse::BadRequest().json(status);
            }
            Self::Certificates(error) => ApiError::authentication_failed(error.to_string()),
            Self::Message(error) => error.into(),
        };
        unsigned(&error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Poll;
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use futures_util::poll;

    use super::*;
    use crate::auth::{CertificateDemand, Identity, Peer, PeerConfig};

    fn gate(timeout: Duration) -> CertificateGate {
        let certifiers = BTreeSet::from([Identity::random().identity_key()]);
        let certificate_type = STANDARD.encode([1; 32]).parse().unwrap();
        let types = BTreeMap::from([(certificate_type, BTreeSet::new())]);
        let demand = Arc::new(CertificateDemand::new(certifiers, types, Vec::new()).unwrap());
        CertificateGate::new(RequiredCertificates { demand, timeout })
    }

    fn session() -> Session {
        let mut client = Peer::new(Arc::new(Identity::random()), PeerConfig::default());
        let request = client.start_handshake().unwrap();
        let request = AuthMessage::parse(&request).unwrap();
        Session::respond(&Identity::random(), &request, None, 9)
            .unwrap()
            .0
    }

    fn is_overloaded(polled: &Poll<Result<(), Refused>>) -> bool {
        matches!(polled, Poll::Ready(Err(Refused::Signed(error))) if *error == ApiError::overloaded())
    }

    #[actix_web::test]
    async fn requests_that_wait_are_bounded_by_their_number() {
        let (gate, session) = (gate(Duration::from_secs(60)), session());
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITING_BYTES / MIN_WAITING_BYTES {
            let mut request = Box::pin(gate.pass(&session, 0));
            assert!(poll!(&mut request).is_pending());
            waiting.push(request);
        }
        assert!(is_overloaded(&poll!(pin!(gate.pass(&session, 0)))));
        // A client that goes away makes room.
        waiting.pop();
        assert!(poll!(pin!(gate.pass(&session, 0))).is_pending());
    }

    #[actix_web::test]
    async fn requests_that_wait_are_bounded_by_their_bytes() {
        let (gate, session) = (gate(Duration::from_secs(60)), session());
        let mut large = Box::pin(gate.pass(&session, MAX_WAITING_BYTES));
        assert!(poll!(&mut large).is_pending());
        assert!(is_overloaded(&poll!(pin!(gate.pass(&session, 0)))));
        drop(large);
        // The largest waits alone.
        let mut larger = Box::pin(gate.pass(&session, MAX_WAITING_BYTES + 1));
        assert!(poll!(&mut larger).is_pending());
        assert!(is_overloaded(&poll!(pin!(gate.pass(&session, 0)))));
    }

    #[actix_web::test]
    async fn news_of_another_session_do_not_let_a_request_pass() {
        let (gate, session) = (gate(Duration::from_millis(20)), session());
        let mut request = pin!(gate.pass(&session, 0));
        assert!(poll!(&mut request).is_pending());
        gate.certified.notify_waiters();
        assert!(poll!(&mut request).is_pending());
        let Err(Refused::Unsigned(error)) = request.await else {
            panic!("no certificates came");
        };
        assert_eq!(error, ApiError::certificate_timeout());
    }
}
