//! The sessions of BRC-104: found by our nonce, capped, expiring, several for each identity.
//!
//! A handshake proves nothing, so sessions that are not proven yet are kept apart: however many are begun,
//! they displace each other and never a session that is in use.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::ids::IdentityKey;

use super::session::Session;

/// Bounds of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions that are proven, and as many again that are not yet.
    pub max_sessions: NonZeroUsize,
    /// Proven sessions of one identity.
    pub max_sessions_per_identity: usize,
    /// How long a session lives after its last verified request; none means that it does not expire.
    pub ttl: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    used: Instant,
}

/// The sessions. Not shared by itself: its owner puts a lock around it, and holds that for look-ups only.
#[derive(Debug)]
pub struct SessionStore {
    pending: LruCache<String, Entry>,
    proven: LruCache<String, Entry>,
    by_identity: HashMap<IdentityKey, VecDeque<String>>,
    limits: SessionLimits,
}

impl SessionStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            // The caches grow as needed; reserving for the bound would cost memory for nothing.
            pending: LruCache::unbounded(),
            proven: LruCache::unbounded(),
            by_identity: HashMap::new(),
            limits,
        }
    }

    /// Sessions that are kept, proven and not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len() + self.proven.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the session of a handshake that was just answered.
    pub fn insert(&mut self, session: Session, now: Instant) {
        self.sweep(now);
        while self.pending.len() >= self.limits.max_sessions.get() {
            self.pending.pop_lru();
        }
        let nonce = session.own_nonce().to_owned();
        let session = Arc::new(session);
        self.pending.put(nonce, Entry { session, used: now });
    }

    /// Keeps a session that was begun elsewhere, and in which a request has verified here.
    pub fn insert_proven(&mut self, session: Arc<Session>, now: Instant) {
        self.sweep(now);
        let nonce = session.own_nonce().to_owned();
        self.prove(nonce, Entry { session, used: now });
    }

    /// The session that has this nonce of ours, unless it expired. Looking does not prolong it.
    #[must_use]
    pub fn get(&self, nonce: &str, now: Instant) -> Option<Arc<Session>> {
        let entry = self
            .proven
            .peek(nonce)
            .or_else(|| self.pending.peek(nonce))?;
        (!self.is_expired(entry, now)).then(|| Arc::clone(&entry.session))
    }

    /// A request verified on this session: its identity is proven, and it lives on from now.
    pub fn mark_used(&mut self, nonce: &str, now: Instant) {
        if let Some(entry) = self.proven.get_mut(nonce) {
            entry.used = now;
        } else if let Some((nonce, mut entry)) = self.pending.pop_entry(nonce) {
            entry.used = now;
            self.prove(nonce, entry);
        }
    }

    /// Forgets a session.
    pub fn remove(&mut self, nonce: &str) {
        self.pending.pop(nonce);
        if let Some(entry) = self.proven.pop(nonce) {
            self.unlist(entry.session.peer(), nonce);
        }
    }

    /// Forgets sessions that expired; each costs its own removal only.
    pub fn sweep(&mut self, now: Instant) {
        while let Some((_, entry)) = self.pending.peek_lru()
            && self.is_expired(entry, now)
        {
            self.pending.pop_lru();
        }
        while let Some((nonce, entry)) = self.proven.peek_lru()
            && self.is_expired(entry, now)
        {
            let nonce = nonce.clone();
            self.remove(&nonce);
        }
    }

    fn prove(&mut self, nonce: String, entry: Entry) {
        while self.proven.len() >= self.limits.max_sessions.get() {
            let Some((oldest, _)) = self.proven.peek_lru() else {
                break;
            };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
        let own = self.by_identity.entry(entry.session.peer()).or_default();
        let displaced =
            (own.len() >= self.limits.max_sessions_per_identity).then(|| own.front().cloned());
        own.push_back(nonce.clone());
        self.proven.put(nonce, entry);
        if let Some(Some(oldest)) = displaced {
            self.remove(&oldest);
        }
    }

    fn unlist(&mut self, identity: IdentityKey, nonce: &str) {
        if let Some(own) = self.by_identity.get_mut(&identity) {
            own.retain(|known| known != nonce);
            if own.is_empty() {
                self.by_identity.remove(&identity);
            }
        }
    }

    fn is_expired(&self, entry: &Entry, now: Instant) -> bool {
        let age = now.saturating_duration_since(entry.used);
        self.limits.ttl.is_some_and(|ttl| age >= ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AuthMessage, Identity, Peer, PeerConfig};

    struct Fixture {
        store: SessionStore,
        server: Identity,
        now: Instant,
    }

    impl Fixture {
        fn new(max: usize, per_identity: usize, ttl: Option<u64>) -> Self {
            let limits = SessionLimits {
                max_sessions: NonZeroUsize::new(max).unwrap(),
                max_sessions_per_identity: per_identity,
                ttl: ttl.map(Duration::from_secs),
            };
            let store = SessionStore::new(limits);
            let server = Identity::random();
            Self {
                store,
                server,
                now: Instant::now(),
            }
        }

        fn handshake(&mut self, client: &Arc<Identity>) -> String {
            let mut peer = Peer::new(Arc::clone(client), PeerConfig::default());
            let request = peer.start_handshake().unwrap();
            let request = AuthMessage::parse(&request).unwrap();
            let (session, _) = Session::respond(&self.server, &request, None, 9).unwrap();
            let nonce = session.own_nonce().to_owned();
            self.store.insert(session, self.now);
            nonce
        }

        fn has(&self, nonce: &str) -> bool {
            self.store.get(nonce, self.now).is_some()
        }
    }

    #[test]
    fn several_sessions_of_one_identity_are_kept_up_to_a_cap() {
        let mut store = Fixture::new(10, 2, None);
        let client = Arc::new(Identity::random());
        let nonces: Vec<String> = (0..3).map(|_| store.handshake(&client)).collect();
        assert!(nonces.iter().all(|nonce| store.has(nonce)));
        for nonce in &nonces {
            store.store.mark_used(nonce, store.now);
        }
        assert_eq!(
            nonces
                .iter()
                .map(|nonce| store.has(nonce))
                .collect::<Vec<_>>(),
            [false, true, true]
        );
    }

    #[test]
    fn handshakes_never_displace_sessions_in_use() {
        let mut store = Fixture::new(3, 9, None);
        let client = Arc::new(Identity::random());
        let used = store.handshake(&client);
        store.store.mark_used(&used, store.now);
        let abandoned: Vec<String> = (0..5).map(|_| store.handshake(&client)).collect();
        assert!(store.has(&used));
        assert!(!store.has(&abandoned[0]) && store.has(&abandoned[4]));
        assert_eq!(store.store.len(), 4);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut store = Fixture::new(2, 9, None);
        let client = Arc::new(Identity::random());
        let nonces: Vec<String> = (0..3).map(|_| store.handshake(&client)).collect();
        // The first of three pending ones is displaced; begin it again.
        let first = store.handshake(&client);
        for nonce in [&nonces[2], &first, &nonces[2]] {
            store.store.mark_used(nonce, store.now);
        }
        let last = store.handshake(&client);
        store.store.mark_used(&last, store.now);
        assert!(store.has(&nonces[2]) && store.has(&last) && !store.has(&first));
    }

    #[test]
    fn a_session_expires_after_its_last_use_and_leaves_nothing() {
        let mut store = Fixture::new(9, 9, Some(60));
        let client = Arc::new(Identity::random());
        let nonce = store.handshake(&client);
        store.now += Duration::from_secs(59);
        store.store.mark_used(&nonce, store.now);
        store.now += Duration::from_secs(59);
        assert!(store.has(&nonce));
        store.now += Duration::from_secs(1);
        assert!(!store.has(&nonce));
        store.store.sweep(store.now);
        assert!(store.store.is_empty() && store.store.by_identity.is_empty());
    }

    #[test]
    fn without_a_time_to_live_nothing_expires() {
        let mut store = Fixture::new(9, 9, None);
        let client = Arc::new(Identity::random());
        let nonce = store.handshake(&client);
        store.now += Duration::from_secs(1_000_000);
        assert!(store.has(&nonce));
        store.store.remove(&nonce);
        assert!(store.store.is_empty());
    }
}
