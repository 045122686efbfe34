//! What all HTTP requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::auth::{
    AuthError, Identity, RequiredCertificates, Resumable, Resumption, Session, SessionLimits,
    SessionStore,
};
use crate::db::DbHandle;
use crate::delivery::{Delivery, RequestPrices};
use crate::ids::IdentityKey;
use crate::limits::{AddressLimits, KeyedRates, Memory, Rate};
use crate::metrics::RequestCounts;

use super::admin::AdminState;
use super::authenticate::{Refused, unknown_session};
use super::body::BodyMemory;
use super::certificates::CertificateGate;
use super::error::ApiError;
use super::shared_nonces::{NonceUse, SharedNonce, SharedNonces};

/// Bounds of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub max_body_bytes: usize,
    /// Bytes of all bodies that are held at a time.
    pub max_buffered_bytes: usize,
    /// Objects and arrays of a body within each other.
    pub max_json_depth: usize,
    /// How long a body may take to come.
    pub request_timeout: Duration,
    /// Requests on one session before its client must shake hands again: each nonce is remembered.
    pub max_requests_per_session: usize,
    /// Recipients of one message.
    pub max_recipients: usize,
    /// Bytes of a list for a client that asks for no page.
    pub max_listed_bytes: usize,
    /// Authenticated requests of one identity.
    pub requests_per_identity: Rate,
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
    /// Counts lists that are being read.
    pub(super) answers: Memory<IdentityKey>,
    /// Counts the bodies that are held; polling requests count in it too.
    pub bodies: BodyMemory,
    /// What each address may ask for.
    pub addresses: Arc<AddressLimits>,
    /// Counts what is answered.
    pub requests: Arc<RequestCounts>,
    /// For those who look after the server, where they are let in.
    pub admin: Option<Arc<AdminState>>,
    /// Authenticated requests of each identity.
    pub(super) identities: Arc<KeyedRates<IdentityKey>>,
    pub(super) certificates: Option<Arc<CertificateGate>>,
    /// Set where sessions are taken up that another process has begun.
    pub(super) resumption: Option<Arc<Resumption>>,
    shared_nonces: Option<Arc<dyn SharedNonces>>,
    /// Whether a request is refused where the shared memory does not answer.
    nonces_required: bool,
    session_ttl: Option<Duration>,
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
            answers: Memory::new(limits.max_buffered_bytes / 2, limits.max_buffered_bytes),
            bodies: BodyMemory::new(
                // A body of any size that is allowed.
                (limits.max_buffered_bytes / 2).max(limits.max_body_bytes),
                limits.max_buffered_bytes,
            ),
            limits,
            prices: Arc::new(prices),
            addresses: Arc::default(),
            requests: Arc::default(),
            admin: None,
            identities: Arc::new(KeyedRates::new(limits.requests_per_identity)),
            certificates: None,
            resumption: None,
            shared_nonces: None,
            nonces_required: false,
            session_ttl: sessions.ttl,
            sessions: Arc::new(Mutex::new(SessionStore::new(sessions))),
        }
    }

    /// Lets those in who look after the server.
    #[must_use]
    pub fn with_admin(mut self, admin: Option<AdminState>) -> Self {
        self.admin = admin.map(Arc::new);
        self
    }

    /// Limits what each address may ask for.
    #[must_use]
    pub fn with_addresses(mut self, addresses: Arc<AddressLimits>) -> Self {
        self.addresses = addresses;
        self
    }

    /// Requires certificates of every client, if any are given.
    #[must_use]
    pub fn with_certificates(mut self, required: Option<RequiredCertificates>) -> Self {
        self.certificates = required.map(|required| Arc::new(CertificateGate::new(required)));
        self
    }

    /// Takes up sessions that another process with this server's key has begun.
    ///
    /// Not together with certificates: those that were shown to another process are not known here.
    #[must_use]
    pub fn with_resumption(mut self, resumption: Option<Arc<Resumption>>) -> Self {
        self.resumption = resumption;
        self
    }

    /// Asks this memory too whether a message's nonce was seen, before its request is served. Where it does not answer,
    /// the request is refused if that is `required`; else it is served, since this node has not seen it.
    #[must_use]
    pub fn with_shared_nonces(
        mut self,
        shared: Option<Arc<dyn SharedNonces>>,
        required: bool,
    ) -> Self {
        self.shared_nonces = shared;
        self.nonces_required = required;
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

    /// Uses a nonce up that verified here, on all nodes that could take its session up.
    pub(super) async fn use_up_everywhere(
        &self,
        session: &Session,
        nonce: &str,
    ) -> Result<(), Refused> {
        let (Some(shared), Some(resumption)) = (&self.shared_nonces, &self.resumption) else {
            return Ok(());
        };
        let own_nonce = session.own_nonce();
        let Some(remember_for) =
            resumption.remember_for(own_nonce, self.session_ttl, SystemTime::now())
        else {
            return Ok(());
        };
        match shared
            .use_up(SharedNonce::new(session, nonce, remember_for))
            .await
        {
            NonceUse::Unknown if self.nonces_required => {
                Err(Refused::Signed(ApiError::replay_unchecked()))
            }
            NonceUse::First | NonceUse::Unknown => Ok(()),
            NonceUse::Repeated => {
                self.requests.replayed.add_one();
                Err(AuthError::Replayed.into())
            }
        }
    }

    /// A request verified on a session that was not kept here: keeps it from now on. Where another request was faster,
    /// it is that one's session that counts, with the nonces that it has seen.
    pub(super) fn resume(
        &self,
        session: Arc<Session>,
        resumable: &Resumable,
        nonce: &str,
    ) -> Result<Arc<Session>, AuthError> {
        let mut sessions = self.sessions();
        if let Some(kept) = sessions.get(session.own_nonce(), Instant::now()) {
            kept.use_up(nonce)?;
            return Ok(kept);
        }
        let resumption = self.resumption.as_ref();
        if !resumption.is_some_and(|known| known.take_up(resumable, SystemTime::now())) {
            return Err(unknown_session(session.own_nonce()));
        }
        log::debug!("a session of {:?} is resumed", session.peer());
        sessions.insert_proven(Arc::clone(&session), Instant::now());
        Ok(session)
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
