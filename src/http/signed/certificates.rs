//! Certificates over HTTP: stored with their session, and awaited by requests that came before them.

use actix_web::HttpResponse;
use serde_json::json;
use thiserror::Error;
use tokio::sync::Notify;

use crate::auth::{
    AuthError, AuthMessage, CertificateError, Identity, RequiredCertificates, Session,
};
use crate::http::error::ApiError;
use crate::http::reply::{FailureNote, RouteReply};
use crate::limits::{AddressKey, KeyedBudget, Owner};

use super::refusal::RequestRefusal;
use super::sessions::Sessions;

/// Bytes of requests that may wait for certificates. Each identity, and each address, may have a sixteenth of them.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Each waiting request counts as at least this many bytes, so at most 1,024 wait.
const MIN_WAITING_BYTES: usize = 64 * 1024;

/// Holds requests back until their session has the required certificates.
#[derive(Debug)]
pub(in crate::http) struct CertificateGate {
    required: RequiredCertificates,
    /// Notified when any session has received certificates.
    received: Notify,
    /// Bytes of the waiting requests.
    waiting: KeyedBudget<Owner>,
}

impl CertificateGate {
    pub(in crate::http) fn new(required: RequiredCertificates) -> Self {
        Self {
            required,
            received: Notify::new(),
            waiting: KeyedBudget::of_shared_bytes(MAX_WAITING_BYTES)
                .named("certificate_waiting_bytes"),
        }
    }

    pub(in crate::http) const fn required(&self) -> &RequiredCertificates {
        &self.required
    }

    /// Waits until the server has accepted or refused the certificates of the session of a verified request. The published
    /// client sends its first request before it has an answer to its certificates.
    pub(super) async fn pass(
        &self,
        session: &Session,
        address: Option<AddressKey>,
        body_bytes: usize,
    ) -> Result<(), RequestRefusal> {
        if session.revealed().is_some() {
            return Ok(());
        }
        let owners = Owner::both(session.peer(), address);
        let mut permit = self.waiting.hold_for(owners);
        permit
            .grow(body_bytes.max(MIN_WAITING_BYTES))
            .map_err(|_| RequestRefusal::Signed(ApiError::overloaded()))?;
        let judged = async {
            loop {
                // Created before the session is checked, so that no notification is missed in between.
                let received = self.received.notified();
                if session.revealed().is_some() {
                    return Ok(());
                }
                if let Some(error) = session.certificate_refusal() {
                    let error = ApiError::certificate_refused(&error);
                    return Err(RequestRefusal::Signed(error));
                }
                received.await;
            }
        };
        let judged = tokio::time::timeout(self.required.timeout, judged).await;
        judged.unwrap_or_else(|_| Err(ApiError::certificate_timeout().into()))
    }

    pub(super) fn receive(
        &self,
        sessions: &Sessions,
        message: &AuthMessage<'_>,
    ) -> Result<HttpResponse, ApiError> {
        match self.certify(sessions, message) {
            Ok(()) => Ok(RouteReply::done().unsigned()),
            Err(rejection) => {
                log::debug!("refused certificates: {rejection:?}");
                rejection.response()
            }
        }
    }

    fn certify(
        &self,
        sessions: &Sessions,
        message: &AuthMessage<'_>,
    ) -> Result<(), CertificateRejection> {
        let session = sessions.named_by(message)?;
        let certificates = session.verify_certificate_response(message)?;
        // Sessions are not shared where certificates are required, so no other node has the displaced ones.
        let _displaced = sessions.mark_used(&session);
        if session.revealed().is_none() {
            let certified = session.certify(&self.required.demand, certificates);
            self.received.notify_waiters();
            certified?;
        }
        Ok(())
    }
}

/// Answers a `certificateRequest` with an empty list: the server has no certificates, and a client without an answer waits
/// for 30 seconds. Returns the JSON, and the sessions that this message displaced.
pub(super) fn answer_request(
    identity: &Identity,
    sessions: &Sessions,
    message: &AuthMessage<'_>,
) -> Result<(String, Vec<String>), AuthError> {
    let session = sessions.named_by(message)?;
    session.verify_certificate_request(message)?;
    let displaced = sessions.mark_used(&session);
    let json = session.no_certificates(&identity.identity_key())?;
    Ok((json, displaced))
}

/// Why the server refuses a `certificateResponse`.
#[derive(Debug, Error)]
enum CertificateRejection {
    /// The session's counterparty did not send the message.
    #[error(transparent)]
    Message(#[from] AuthError),
    /// The certificates do not meet the requirement.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
}

impl CertificateRejection {
    fn response(self) -> Result<HttpResponse, ApiError> {
        let reason = self.to_string();
        match self {
            // Worded as in the middleware in use.
            Self::Certificates(CertificateError::NoneProvided) => {
                let mut response = HttpResponse::BadRequest().json(json!({ "status": reason }));
                let code = "ERR_NO_CERTIFICATES";
                response
                    .extensions_mut()
                    .insert(FailureNote { code, reason });
                Ok(response)
            }
            _ => Err(ApiError::authentication_failed(reason)),
        }
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

    fn is_overloaded(polled: &Poll<Result<(), RequestRefusal>>) -> bool {
        matches!(polled, Poll::Ready(Err(RequestRefusal::Signed(error))) if *error == ApiError::overloaded())
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
        // A client without waiting requests may send a small one, and no large one.
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
        gate.received.notify_waiters();
        assert!(poll!(&mut request).is_pending());
        let Err(RequestRefusal::Unsigned(error)) = request.await else {
            panic!("no certificates came");
        };
        assert_eq!(error, ApiError::certificate_timeout());
    }
}
