//! Certificates over HTTP: taken on their session, and waited for by the requests that came before them.

use std::time::Instant;

use actix_web::HttpResponse;
use serde_json::json;
use tokio::sync::Notify;

use crate::auth::{AuthError, AuthMessage, CertificateError, RequiredCertificates, Session};
use crate::http::counts::Failed;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::limits::{AddressKey, KeyedBudget, Owner};

use super::authenticate::{NOT_STORED, Refused, unsigned};
use super::session_lookup::unknown_session;

/// Bytes of requests that may wait for certificates, a sixteenth of them of one identity or one address.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What each of them counts for at least, so that there are about 1,024 at most.
const MIN_WAITING_BYTES: usize = 64 * 1024;

/// Lets requests pass whose session is certified.
#[derive(Debug)]
pub(in crate::http) struct CertificateGate {
    required: RequiredCertificates,
    /// Tells that certificates of some session came.
    news: Notify,
    /// Bytes of requests that wait.
    waiting: KeyedBudget<Owner>,
}

impl CertificateGate {
    pub(in crate::http) fn new(required: RequiredCertificates) -> Self {
        Self {
            required,
            news: Notify::new(),
            waiting: KeyedBudget::of_shared_bytes(MAX_WAITING_BYTES)
                .named("certificate_waiting_bytes"),
        }
    }

    pub(in crate::http) const fn required(&self) -> &RequiredCertificates {
        &self.required
    }

    /// Waits until the session of a verified request is certified, or its certificates are refused. The published client sends
    /// its first request without waiting for an answer to its certificates.
    pub(super) async fn pass(
        &self,
        session: &Session,
        counted_for: Option<AddressKey>,
        body_bytes: usize,
    ) -> Result<(), Refused> {
        if session.revealed().is_some() {
            return Ok(());
        }
        let owners = Owner::both(session.peer(), counted_for);
        let mut permit = self.waiting.hold_for(owners);
        permit
            .grow(body_bytes.max(MIN_WAITING_BYTES))
            .map_err(|_| Refused::Signed(ApiError::overloaded()))?;
        let judged = async {
            loop {
                // Made before the look, so that no news is missed in between.
                let news = self.news.notified();
                if session.revealed().is_some() {
                    return Ok(());
                }
                if let Some(error) = session.certificate_refusal() {
                    return Err(Refused::Signed(ApiError::certificate_refused(&error)));
                }
                news.await;
            }
        };
        let judged = tokio::time::timeout(self.required.timeout, judged).await;
        judged.unwrap_or_else(|_| Err(Refused::Unsigned(ApiError::certificate_timeout())))
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
            let certified = session.certify(&self.required.demand, certificates);
            self.news.notify_waiters();
            certified?;
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
                let reason = error.to_string();
                let mut response = HttpResponse::BadRequest().json(json!({ "status": reason }));
                let code = "ERR_NO_CERTIFICATES";
                response.extensions_mut().insert(Failed { code, reason });
                return response;
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
    async fn requests_that_wait_are_bounded_for_each_identity_and_for_all() {
        let (gate, flood) = (gate(Duration::from_secs(60)), session());
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITING_BYTES / 16 / MIN_WAITING_BYTES {
            let mut request = Box::pin(gate.pass(&flood, None, 0));
            assert!(poll!(&mut request).is_pending());
            waiting.push(request);
        }
        assert!(is_overloaded(&poll!(pin!(gate.pass(&flood, None, 0)))));
        let mut all = gate.waiting.hold(None);
        all.grow(MAX_WAITING_BYTES / 16 * 15).unwrap();
        // A small request of whoever has none waiting has a place, and a large one none.
        let other = session();
        let large = gate.pass(&other, None, 2 * MIN_WAITING_BYTES);
        assert!(is_overloaded(&poll!(pin!(large))));
        assert!(poll!(pin!(gate.pass(&other, None, 0))).is_pending());
        // A client that goes away makes room.
        waiting.pop();
        assert!(poll!(pin!(gate.pass(&flood, None, 0))).is_pending());
    }

    #[actix_web::test]
    async fn requests_that_wait_are_bounded_for_each_address() {
        let gate = gate(Duration::from_secs(60));
        let address = Some(AddressKey::of([192, 0, 2, 1].into()));
        let (flood, other) = (session(), session());
        let mut large = Box::pin(gate.pass(&flood, address, MAX_WAITING_BYTES / 16));
        assert!(poll!(&mut large).is_pending());
        let second = gate.pass(&other, address, 2 * MIN_WAITING_BYTES);
        assert!(is_overloaded(&poll!(pin!(second))));
        let elsewhere = gate.pass(&other, None, 2 * MIN_WAITING_BYTES);
        assert!(poll!(pin!(elsewhere)).is_pending());
    }

    #[actix_web::test]
    async fn news_of_another_session_do_not_let_a_request_pass() {
        let (gate, session) = (gate(Duration::from_millis(20)), session());
        let mut request = pin!(gate.pass(&session, None, 0));
        assert!(poll!(&mut request).is_pending());
        gate.news.notify_waiters();
        assert!(poll!(&mut request).is_pending());
        let Err(Refused::Unsigned(error)) = request.await else {
            panic!("no certificates came");
        };
        assert_eq!(error, ApiError::certificate_timeout());
    }
}
