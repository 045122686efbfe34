//! The sessions of this process, and the store through which nodes share them.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join;
use parking_lot::{Mutex, MutexGuard};

use crate::auth::{
    AuthError, AuthMessage, CachedSession, Identity, MAX_NONCE_CHARS, Session, SessionLimits,
    SessionStore,
};
use crate::limits::AddressKey;

use super::shared_sessions::{Claimed, SharedSessions, VerifiedRequest};

/// Local sessions, and the shared store where there is one. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::http) struct Sessions {
    local: Arc<Mutex<SessionStore<AddressKey>>>,
    shared: Option<Arc<dyn SharedSessions>>,
    needs_claims: bool,
}

impl Sessions {
    pub(in crate::http) fn new(limits: SessionLimits) -> Self {
        Self {
            local: Arc::new(Mutex::new(SessionStore::new(limits))),
            shared: None,
            needs_claims: false,
        }
    }

    pub(in crate::http) fn share(
        &mut self,
        shared: Option<Arc<dyn SharedSessions>>,
        needs_claims: bool,
    ) {
        self.shared = shared;
        self.needs_claims = needs_claims;
    }

    /// Whether a request is refused where the shared store counts all requests and does not answer.
    pub(super) const fn needs_claims(&self) -> bool {
        self.needs_claims
    }

    /// Stores the session of a handshake here and for other nodes. Returns when they find it, or when the store has timed
    /// out.
    pub(super) async fn begin(&self, session: Session, origin: Option<AddressKey>) {
        let record = session.record();
        let displaced = self.lock().insert(session, origin, Instant::now());
        if let Some(shared) = &self.shared {
            let own_nonce = record.own_nonce.clone();
            let stored = shared.store(record, false);
            let is_stored = if displaced.is_empty() {
                stored.await
            } else {
                join(stored, shared.end(displaced, false)).await.0
            };
            if is_stored {
                self.lock().mark_stored(&own_nonce);
            }
        }
    }

    /// The local session that has this nonce.
    pub(super) fn get(&self, own_nonce: &str) -> Option<CachedSession> {
        self.lock().get(own_nonce, Instant::now())
    }

    /// The local session that an auth message names.
    pub(super) fn named_by(&self, message: &AuthMessage<'_>) -> Result<Arc<Session>, AuthError> {
        let own_nonce = message.your_nonce.as_deref().unwrap_or_default();
        let known = self.get(own_nonce);
        known
            .map(|known| known.session)
            .ok_or_else(|| unknown_session(own_nonce))
    }

    /// Whether a request has verified on this session in this process.
    pub(super) fn is_authenticated(&self, own_nonce: &str) -> bool {
        self.lock().is_authenticated(own_nonce)
    }

    pub(super) fn remove(&self, own_nonce: &str) {
        self.lock().remove(own_nonce);
    }

    /// Restores a session from the shared store. Costs one point multiplication.
    pub(super) async fn restore(
        &self,
        own_nonce: &str,
        identity: &Identity,
        max_requests: usize,
    ) -> Option<Session> {
        let record = self.shared.as_ref()?.find(own_nonce).await?;
        let session = Session::restore(identity, record, max_requests).ok()?;
        Some(session.strict_replay())
    }

    /// Counts a verified request in the shared store. `None`: there is no shared store.
    pub(super) async fn claim(&self, known: &CachedSession, nonce: &str) -> Option<Claimed> {
        let session = &known.session;
        let request = VerifiedRequest {
            session,
            is_stored: known.is_stored,
            nonce,
        };
        let claimed = self.shared.as_ref()?.claim(request).await;
        match claimed {
            Claimed::Ended => self.remove(session.own_nonce()),
            Claimed::First if !known.is_stored => self.lock().mark_stored(session.own_nonce()),
            _ => {}
        }
        Some(claimed)
    }

    /// Makes a restored session local, once a request has verified on it. If another request was faster, its session counts,
    /// with the nonces that it has seen.
    pub(super) async fn resume(
        &self,
        session: Arc<Session>,
        nonce: &str,
    ) -> Result<Arc<Session>, AuthError> {
        let displaced = {
            let mut local = self.lock();
            if let Some(known) = local.get(session.own_nonce(), Instant::now()) {
                known.session.consume(nonce)?;
                return Ok(known.session);
            }
            local.resume(Arc::clone(&session), Instant::now())
        };
        log::debug!("resumed a session of {:?}", session.peer());
        self.end(displaced).await;
        Ok(session)
    }

    /// Prolongs the session of a verified request, or ends it when its memory for nonces is full. Returns the sessions that
    /// have ended, for [`Self::end`].
    #[must_use]
    pub(super) fn mark_used(&self, session: &Arc<Session>) -> Vec<String> {
        let own_nonce = session.own_nonce();
        let mut local = self.lock();
        if session.is_exhausted() {
            // Forgetting a nonce would permit its replay. The client shakes hands again by itself.
            local.remove(own_nonce);
            return vec![own_nonce.to_owned()];
        }
        let used = local.mark_used(own_nonce, Instant::now());
        drop(local);
        if used.is_due {
            self.prolong(session);
        }
        used.displaced
    }

    /// Tells the shared store in the background that a session is in use.
    fn prolong(&self, session: &Arc<Session>) {
        let Some(shared) = self.shared.clone() else {
            return;
        };
        let (session, sessions) = (Arc::clone(session), self.clone());
        actix_web::rt::spawn(async move {
            let own_nonce = session.own_nonce();
            let Some(known) = sessions.get(own_nonce) else {
                return;
            };
            if !known.is_stored {
                if shared.store(session.record(), true).await {
                    sessions.lock().mark_stored(own_nonce);
                }
            } else if !shared.prolong(own_nonce).await {
                sessions.remove(own_nonce);
            }
        });
    }

    /// Ends sessions in the shared store, so that no node can resume them.
    pub(super) async fn end(&self, own_nonces: Vec<String>) {
        if let Some(shared) = &self.shared
            && !own_nonces.is_empty()
        {
            shared.end(own_nonces, true).await;
        }
    }

    /// Local sessions, authenticated or not.
    pub(in crate::http) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes local sessions that have expired.
    pub(in crate::http) fn sweep(&self) {
        self.lock().sweep(Instant::now());
    }

    /// For look-ups only: never held while working.
    fn lock(&self) -> MutexGuard<'_, SessionStore<AddressKey>> {
        self.local.lock()
    }
}

/// The error for a nonce that names no session.
pub(super) fn unknown_session(nonce: &str) -> AuthError {
    AuthError::UnknownSession {
        nonce: nonce.chars().take(MAX_NONCE_CHARS).collect(),
    }
}
