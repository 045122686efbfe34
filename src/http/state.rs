//! What all HTTP requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join;

use crate::auth::{
    AuthError, CachedSession, Identity, RequiredCertificates, Session, SessionLimits, SessionStore,
};
use crate::db::DbHandle;
use crate::delivery::{Delivery, RequestPrices};
use crate::heavy::HeavyWork;
use crate::ids::IdentityKey;
use crate::limits::{AddressKey, AddressLimits, KeyedRates, Rate};
use crate::live::Live;
use crate::metrics::RequestCounts;

use super::admin::AdminState;
use super::answers::AnswerMemory;
use super::authenticate::Refused;
use super::body::BodyMemory;
use super::certificates::CertificateGate;
use super::error::ApiError;
use super::readers::Readers;
use super::request_scope::RequestScope;
use super::session_lookup::unknown_session;
use super::shared_sessions::{Claimed, SharedSessions, VerifiedRequest};

/// Bounds of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub max_body_bytes: usize,
    /// Bytes of all bodies that are held at a time, and half as many of all lists.
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
    pub prices: Live<RequestPrices>,
    /// The memory of lists.
    pub(super) answers: AnswerMemory,
    /// Who takes large answers.
    pub(super) readers: Readers,
    /// Hashes and parses large bodies.
    pub(super) heavy: HeavyWork,
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
    shared_sessions: Option<Arc<dyn SharedSessions>>,
    /// Whether a request is refused where the store counts all requests and does not answer.
    nonces_required: bool,
    sessions: Arc<Mutex<SessionStore<AddressKey>>>,
    /// Set while a request is being answered.
    scope: Option<Arc<RequestScope>>,
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
            answers: AnswerMemory::new(limits.max_buffered_bytes / 2, limits.max_listed_bytes),
            readers: Readers::default(),
            heavy: HeavyWork::default(),
            bodies: BodyMemory::of_shared_bytes(limits.max_buffered_bytes).named("body_bytes"),
            limits,
            prices: Live::new(prices),
            addresses: Arc::default(),
            requests: Arc::default(),
            admin: None,
            identities: Arc::new(KeyedRates::new(limits.requests_per_identity)),
            certificates: None,
            shared_sessions: None,
            nonces_required: false,
            sessions: Arc::new(Mutex::new(SessionStore::new(sessions))),
            scope: None,
        }
    }

    /// Gives each identity this rate of requests from now on.
    pub fn set_identity_rate(&self, rate: Rate) {
        self.identities.set(rate);
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

    /// Hashes and parses large bodies on these threads.
    #[must_use]
    pub fn with_heavy(mut self, heavy: HeavyWork) -> Self {
        self.heavy = heavy;
        self
    }

    /// Requires certificates of every client, if any are given.
    #[must_use]
    pub fn with_certificates(mut self, required: Option<RequiredCertificates>) -> Self {
        self.certificates = required.map(|required| Arc::new(CertificateGate::new(required)));
        self
    }

    /// Shares sessions with other nodes. `required`: whether a request is refused where the store counts all requests and
    /// does not answer; otherwise it is served, since this node has not seen it.
    ///
    /// Not together with certificates: this node does not have those that were shown to another.
    #[must_use]
    pub fn with_shared_sessions(
        mut self,
        shared: Option<Arc<dyn SharedSessions>>,
        required: bool,
    ) -> Self {
        self.shared_sessions = shared;
        self.nonces_required = required;
        self
    }

    /// What a handshake asks for.
    pub(super) fn requested_certificates(&self) -> Option<&str> {
        let gate = self.certificates.as_ref();
        gate.map(|gate| gate.required().demand.json())
    }

    /// Keeps the session of a handshake in memory and stores it for other nodes. Comes back when they find it, or when
    /// the store has had its time.
    pub(super) async fn begin_session(&self, session: Session, origin: Option<AddressKey>) {
        let record = session.record();
        let displaced = self.sessions().insert(session, origin, Instant::now());
        if let Some(shared) = &self.shared_sessions {
            let own_nonce = record.own_nonce.clone();
            let stored = shared.store(record, false);
            let is_stored = if displaced.is_empty() {
                stored.await
            } else {
                join(stored, shared.end(displaced, false)).await.0
            };
            if is_stored {
                self.sessions().mark_stored(&own_nonce);
            }
        }
    }

    /// The session of this nonce, from the shared store: one point multiplication.
    pub(super) async fn restore_session(&self, own_nonce: &str) -> Option<Session> {
        let record = self.shared_sessions.as_ref()?.find(own_nonce).await?;
        let max_requests = self.limits.max_requests_per_session;
        let session = Session::restore(&self.identity, record, max_requests).ok()?;
        Some(session.strict_replay())
    }

    /// Counts a request that verified. `None` where no store counts requests.
    pub(super) async fn claim_request(
        &self,
        known: &CachedSession,
        nonce: &str,
    ) -> Result<Option<Claimed>, Refused> {
        let Some(shared) = &self.shared_sessions else {
            return Ok(None);
        };
        let session = &known.session;
        let request = VerifiedRequest {
            session,
            is_stored: known.is_stored,
            nonce,
        };
        let claimed = shared.claim(request).await;
        match claimed {
            Claimed::Ended => {
                self.sessions().remove(session.own_nonce());
                Err(unknown_session(session.own_nonce()).into())
            }
            Claimed::Repeated => {
                self.requests.replayed.add_one();
                Err(AuthError::Replayed.into())
            }
            Claimed::Unknown if self.nonces_required => {
                // Another node may still serve it.
                Err(Refused::Unsigned(ApiError::replay_unchecked()))
            }
            Claimed::First => {
                if !known.is_stored {
                    self.sessions().mark_stored(session.own_nonce());
                }
                Ok(Some(claimed))
            }
            Claimed::WithItsWrite | Claimed::Unknown => Ok(Some(claimed)),
        }
    }

    /// A request verified on a session from the shared store: keeps it in memory from now on. Where another request was
    /// faster, its session counts, with the nonces that it has seen.
    pub(super) async fn take_up(
        &self,
        session: Arc<Session>,
        nonce: &str,
    ) -> Result<Arc<Session>, AuthError> {
        let displaced = {
            let mut sessions = self.sessions();
            if let Some(known) = sessions.get(session.own_nonce(), Instant::now()) {
                known.session.consume(nonce)?;
                return Ok(known.session);
            }
            sessions.resume(Arc::clone(&session), Instant::now())
        };
        log::debug!("took up a session of {:?}", session.peer());
        self.end_sessions(displaced).await;
        Ok(session)
    }

    /// A request verified on this session: it lives on, unless the next nonce would make another be forgotten. Gives the
    /// sessions that have ended by that.
    #[must_use]
    pub(super) fn session_used(&self, session: &Arc<Session>) -> Vec<String> {
        let own_nonce = session.own_nonce();
        let mut sessions = self.sessions();
        if session.is_exhausted() {
            // Forgetting a nonce would allow for its replay; the client shakes hands again by itself.
            sessions.remove(own_nonce);
            return vec![own_nonce.to_owned()];
        }
        let used = sessions.mark_used(own_nonce, Instant::now());
        drop(sessions);
        if used.is_due {
            self.prolong(session);
        }
        used.displaced
    }

    /// Tells the shared store that a session is in use, beside the request.
    fn prolong(&self, session: &Arc<Session>) {
        let Some(shared) = self.shared_sessions.clone() else {
            return;
        };
        let (session, sessions) = (Arc::clone(session), Arc::clone(&self.sessions));
        actix_web::rt::spawn(async move {
            let own_nonce = session.own_nonce();
            let Some(known) = lock(&sessions).get(own_nonce, Instant::now()) else {
                return;
            };
            if !known.is_stored {
                if shared.store(session.record(), true).await {
                    lock(&sessions).mark_stored(own_nonce);
                }
            } else if !shared.prolong(own_nonce).await {
                lock(&sessions).remove(own_nonce);
            }
        });
    }

    /// Ends sessions in the shared store, before anybody can take them up from there again.
    pub(super) async fn end_sessions(&self, own_nonces: Vec<String>) {
        if let Some(shared) = &self.shared_sessions
            && !own_nonces.is_empty()
        {
            shared.end(own_nonces, true).await;
        }
    }

    /// The same for one request of a client at this address: what it writes first counts it.
    pub(super) fn scoped(&self, scope: RequestScope) -> (Self, Arc<RequestScope>) {
        let scope = Arc::new(scope);
        let mut scoped = self.clone();
        scoped.db = scoped.db.from_address(scope.address());
        if let Some(claim) = scope.claim() {
            scoped.db = scoped.db.claiming(claim);
        }
        scoped.delivery = scoped.delivery.with_db(&scoped.db);
        scoped.scope = Some(Arc::clone(&scope));
        (scoped, scope)
    }

    /// Whom the limits of addresses count the request for that is being answered.
    pub(super) fn address(&self) -> Option<AddressKey> {
        self.scope.as_ref()?.address()
    }

    /// Whether the request that is being answered counts once over all nodes and restarts.
    pub(super) async fn counts_once(&self) -> bool {
        match &self.scope {
            Some(scope) => scope.counts_once(&self.db).await,
            None => false,
        }
    }

    /// Sessions in memory, proven and not.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions().len()
    }

    /// Forgets sessions that have expired.
    pub fn sweep_sessions(&self) {
        self.sessions().sweep(Instant::now());
    }

    /// The sessions, locked: for look-ups only, never while working.
    pub(super) fn sessions(&self) -> MutexGuard<'_, SessionStore<AddressKey>> {
        lock(&self.sessions)
    }
}

fn lock(sessions: &Mutex<SessionStore<AddressKey>>) -> MutexGuard<'_, SessionStore<AddressKey>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
