//! What all HTTP requests share.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{Identity, RequiredCertificates, SessionLimits};
use crate::db::DbHandle;
use crate::delivery::{Delivery, RequestPrices};
use crate::heavy::HeavyWork;
use crate::ids::IdentityKey;
use crate::limits::{AddressKey, AddressLimits, KeyedRates, Rate};
use crate::live::Live;
use crate::metrics::RequestCounts;

use super::admin::state::AdminState;
use super::buffers::body::BodyMemory;
use super::buffers::list_memory::ListMemory;
use super::buffers::readers::AnswerReaders;
use super::error::ApiError;
use super::signed::certificates::CertificateGate;
use super::signed::request_scope::RequestScope;
use super::signed::sessions::Sessions;
use super::signed::shared_sessions::SharedSessions;

/// Bounds of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub max_body_bytes: usize,
    /// Bytes of all bodies in memory. All lists together may have half as many.
    pub max_buffered_bytes: usize,
    /// Depth of nested objects and arrays in a body.
    pub max_json_depth: usize,
    /// How long a body may take to arrive.
    pub request_timeout: Duration,
    /// Requests on one session before its client must shake hands again: the server remembers each nonce.
    pub max_requests_per_session: usize,
    /// Recipients of one message.
    pub max_recipients: usize,
    /// Bytes of a list for a client that asks for no page.
    pub max_listed_bytes: usize,
    /// Authenticated requests of one identity.
    pub requests_per_identity: Rate,
}

/// The server's parts, as requests use them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    /// The server's private key.
    pub identity: Arc<Identity>,
    /// Stores and delivers messages.
    pub delivery: Delivery,
    /// Lists and acknowledges messages.
    pub db: DbHandle,
    /// Prefix of every route: empty, or `/x`.
    pub routing_prefix: Arc<str>,
    /// Bounds of a request.
    pub limits: HttpLimits,
    /// Prices of requests in satoshis.
    pub prices: Live<RequestPrices>,
    pub(super) lists: ListMemory,
    pub(super) readers: AnswerReaders,
    /// Hashes and parses large bodies.
    pub(super) heavy: HeavyWork,
    /// Memory of bodies; those of polling requests count too.
    pub bodies: BodyMemory,
    /// Rate limits of client addresses.
    pub addresses: Arc<AddressLimits>,
    /// Counters of HTTP requests.
    pub requests: Arc<RequestCounts>,
    /// The routes of admins, where they are enabled.
    pub admin: Option<Arc<AdminState>>,
    /// Rate limit of authenticated requests by identity.
    pub(super) identities: Arc<KeyedRates<IdentityKey>>,
    pub(super) certificates: Option<Arc<CertificateGate>>,
    pub(super) sessions: Sessions,
    /// Set while a request is being answered.
    scope: Option<Arc<RequestScope>>,
}

impl HttpState {
    /// A state without admins, certificates and shared sessions, and without limits of addresses.
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
            lists: ListMemory::new(limits.max_buffered_bytes / 2, limits.max_listed_bytes),
            readers: AnswerReaders::default(),
            heavy: HeavyWork::default(),
            bodies: BodyMemory::of_shared_bytes(limits.max_buffered_bytes).named("body_bytes"),
            limits,
            prices: Live::new(prices),
            addresses: Arc::default(),
            requests: Arc::default(),
            admin: None,
            identities: Arc::new(KeyedRates::new(limits.requests_per_identity)),
            certificates: None,
            sessions: Sessions::new(sessions),
            scope: None,
        }
    }

    /// Changes the rate limit of identities while the server runs.
    pub fn set_identity_rate(&self, rate: Rate) {
        self.identities.set(rate);
    }

    /// Enables the routes of admins.
    #[must_use]
    pub fn with_admin(mut self, admin: Option<AdminState>) -> Self {
        self.admin = admin.map(Arc::new);
        self
    }

    /// Limits what each address may use.
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

    /// Requires certificates of every client.
    #[must_use]
    pub fn with_certificates(mut self, required: Option<RequiredCertificates>) -> Self {
        self.certificates = required.map(|required| Arc::new(CertificateGate::new(required)));
        self
    }

    /// Shares sessions with other nodes. `required`: if the store counts all requests and does not answer, requests are
    /// refused. Otherwise they are served, since this node has not seen them.
    ///
    /// Do not combine with certificates: this node does not have those that a client has shown to another.
    #[must_use]
    pub fn with_shared_sessions(
        mut self,
        shared: Option<Arc<dyn SharedSessions>>,
        required: bool,
    ) -> Self {
        self.sessions.share(shared, required);
        self
    }

    /// The certificates that a handshake asks for, as JSON.
    pub(super) fn requested_certificates(&self) -> Option<&str> {
        let gate = self.certificates.as_ref();
        gate.map(|gate| gate.required().demand.json())
    }

    /// The state for one request: its first write also counts it.
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

    /// The address that the current request counts for.
    pub(super) fn address(&self) -> Option<AddressKey> {
        self.scope.as_ref()?.address()
    }

    /// Whether the current request counts once over all nodes and restarts.
    pub(super) async fn counts_once(&self) -> bool {
        match &self.scope {
            Some(scope) => scope.counts_once(&self.db).await,
            None => false,
        }
    }

    /// Runs work on a body of this many bytes: beside the worker if they are many.
    pub(super) async fn off_worker<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.heavy.run(self.address(), bytes, work).await?
    }

    /// Sessions in memory, authenticated or not.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Removes sessions that have expired.
    pub fn sweep_sessions(&self) {
        self.sessions.sweep();
    }
}
