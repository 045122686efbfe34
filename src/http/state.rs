//! What all HTTP requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::{Identity, RequiredCertificates, Session, SessionLimits, SessionStore};
use crate::db::DbHandle;
use crate::delivery::{Delivery, RequestPrices};

use super::body::BodyMemory;
use super::certificates::CertificateGate;

/// Bounds of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub max_body_bytes: usize,
    /// Bytes of all bodies that are held at a time.
    pub max_buffered_bytes: usize,
    /// How long a body may take to come.
    pub request_timeout: Duration,
    /// Requests on one session before its client must shake hands again: each nonce is remembered.
    pub max_requests_per_session: usize,
    /// Recipients of one message.
    pub max_recipients: usize,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    /// Who the server is.
    pub identity: Arc<Identity>,
    /// Where messages are handed in.
    pub delivery: Delivery,
    /// Where they are listed and acknowledged.
    pub db: DbHandle,
    /// Put in front of every route: empty, or `/x`.
    pub routing_prefix: Arc<str>,
    /// Bounds.
    pub limits: HttpLimits,
    /// What requests cost.
    pub prices: Arc<RequestPrices>,
    /// Counts the bodies that are held; polling requests count in it too.
    pub bodies: BodyMemory,
    pub(super) certificates: Option<Arc<CertificateGate>>,
    sessions: Arc<Mutex<SessionStore>>,
}

impl HttpState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        identity: Arc<Identity>,
        delivery: Delivery,
        db: DbHandle,
        routing_prefix: &str,
        limits: HttpLimits,
        prices: RequestPrices,
        sessions: SessionLimits,
    ) -> Self {
        Self {
            identity,
            delivery,
            db,
            routing_prefix: routing_prefix.into(),
            bodies: BodyMemory::new(limits.max_buffered_bytes),
            limits,
            prices: Arc::new(prices),
            certificates: None,
            sessions: Arc::new(Mutex::new(SessionStore::new(sessions))),
        }
    }

    /// Requires certificates of every client, if any are given.
    #[must_use]
    pub fn with_certificates(mut self, required: Option<RequiredCertificates>) -> Self {
        self.certificates = required.map(|required| Arc::new(CertificateGate::new(required)));
        self
    }

    /// What a handshake asks for.
    pub(super) fn requested_certificates(&self) -> Option<&str> {
        let gate = self.certificates.as_ref();
        gate.map(|gate| gate.required().demand.json())
    }

    /// A request verified on this session: it lives on, unless the next nonce would make another be forgotten.
    pub(super) fn session_used(&self, session: &Session) {
        let mut sessions = self.sessions();
        if session.is_used_up() {
            // Forgetting a nonce would allow for its replay; the client shakes hands again by itself.
            sessions.remove(session.own_nonce());
        } else {
            sessions.mark_used(session.own_nonce(), Instant::now());
        }
    }

    /// Sessions that are kept, proven and not.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions().len()
    }

    /// Forgets sessions that have expired.
    pub fn sweep_sessions(&self) {
        self.sessions().sweep(Instant::now());
    }

    /// The sessions, locked: for look-ups only, never while working.
    pub(super) fn sessions(&self) -> MutexGuard<'_, SessionStore> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
