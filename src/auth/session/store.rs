//! The BRC-104 sessions in the memory of this process. They have a limit, expire, and each identity may have several.
//!
//! A handshake does not authenticate, so unauthenticated sessions are kept apart. However many an attacker opens, they
//! displace each other and never a session in use.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::ids::IdentityKey;

use super::Session;

/// The limits of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Maximum authenticated sessions, and maximum unauthenticated ones.
    pub max_sessions: NonZeroUsize,
    /// Maximum authenticated sessions of one identity.
    pub max_sessions_per_identity: usize,
    /// Maximum unauthenticated sessions of one origin.
    pub max_pending_per_origin: usize,
    /// How long a session lives after its last verified request. Without a value, sessions do not expire.
    pub ttl: Option<Duration>,
}

/// Maximum lifetime of a session without a verified request.
pub const PENDING_TTL: Duration = Duration::from_secs(300);

/// How long a shared store keeps a session after its last request, where sessions do not expire.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Minimum time between two extensions of a session in a shared store.
const PROLONG_INTERVAL: Duration = Duration::from_secs(60);

impl SessionLimits {
    /// The lifetime of a session without a verified request.
    #[must_use]
    pub fn pending_ttl(&self) -> Duration {
        self.ttl.map_or(PENDING_TTL, |ttl| ttl.min(PENDING_TTL))
    }

    /// How long a shared store keeps a session after its last request.
    #[must_use]
    pub fn stored_life(&self) -> Duration {
        self.ttl.unwrap_or(LONGEST_LIFE)
    }

    fn prolong_interval(&self) -> Duration {
        let part = self.ttl.map(|ttl| ttl / 8);
        part.map_or(PROLONG_INTERVAL, |part| part.min(PROLONG_INTERVAL))
    }
}

/// A session in memory.
#[derive(Debug, Clone)]
pub struct CachedSession {
    /// The session itself, shared with the requests that use it.
    pub session: Arc<Session>,
    /// Whether this process answered the handshake. Then its nonce memory is complete.
    pub began_here: bool,
    /// Whether a shared store has the session.
    pub is_stored: bool,
}

/// The effect of a verified request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SessionUse {
    /// Whether the caller must extend the session in the shared store.
    pub is_due: bool,
    /// Sessions that were displaced. They have ended.
    pub displaced: Vec<String>,
}

#[derive(Debug)]
struct Entry<K> {
    known: CachedSession,
    /// The origin that the session counts for until it is authenticated.
    origin: Option<K>,
    used: Instant,
    /// When the session was last extended in the shared store.
    prolonged: Option<Instant>,
}

/// The sessions. `K` is the origin of a handshake. The owner holds its lock for single calls only.
#[derive(Debug)]
pub struct SessionStore<K> {
    pending: LruCache<String, Entry<K>>,
    authenticated: LruCache<String, Entry<K>>,
    by_origin: HashMap<K, VecDeque<String>>,
    by_identity: HashMap<IdentityKey, VecDeque<String>>,
    limits: SessionLimits,
}

impl<K: Copy + Eq + Hash> SessionStore<K> {
    /// An empty store with these limits.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            // The caches grow as needed. Allocating for the limit would waste memory.
            pending: LruCache::unbounded(),
            authenticated: LruCache::unbounded(),
            by_origin: HashMap::new(),
            by_identity: HashMap::new(),
            limits,
        }
    }

    /// The number of sessions in memory, authenticated and not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len() + self.authenticated.len()
    }

    /// Whether the store has no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limits of the store.
    #[must_use]
    pub const fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    /// Adds the session of a handshake. Returns the displaced sessions, which have ended.
    pub fn insert(&mut self, session: Session, origin: Option<K>, now: Instant) -> Vec<String> {
        self.sweep(now);
        let mut displaced = Vec::new();
        let of_origin = origin.and_then(|origin| self.by_origin.get(&origin));
        if let Some(own) = of_origin.filter(|own| own.len() >= self.limits.max_pending_per_origin) {
            displaced.extend(own.front().cloned());
        }
        if self.pending.len() >= self.limits.max_sessions.get() && displaced.is_empty() {
            displaced.extend(self.pending.peek_lru().map(|(oldest, _)| oldest.clone()));
        }
        for nonce in &displaced {
            self.remove(nonce);
        }
        let nonce = session.own_nonce().to_owned();
        if let Some(origin) = origin {
            self.by_origin
                .entry(origin)
                .or_default()
                .push_back(nonce.clone());
        }
        let entry = Entry {
            known: CachedSession {
                session: Arc::new(session),
                began_here: true,
                is_stored: false,
            },
            origin,
            used: now,
            prolonged: None,
        };
        self.pending.put(nonce, entry);
        displaced
    }

    /// Adds a session from the shared store, after a request verified in it. Returns the displaced sessions.
    pub fn resume(&mut self, session: Arc<Session>, now: Instant) -> Vec<String> {
        self.sweep(now);
        let nonce = session.own_nonce().to_owned();
        // A session that expired here may have been extended elsewhere.
        self.remove(&nonce);
        let entry = Entry {
            known: CachedSession {
                session,
                began_here: false,
                is_stored: true,
            },
            origin: None,
            used: now,
            prolonged: None,
        };
        self.prove(nonce, entry)
    }

    /// The session with this nonce of this side, unless it expired. A look-up does not extend it.
    #[must_use]
    pub fn get(&self, nonce: &str, now: Instant) -> Option<CachedSession> {
        let authenticated = self
            .authenticated
            .peek(nonce)
            .map(|entry| (entry, self.limits.ttl));
        let pending = || {
            let entry = self.pending.peek(nonce)?;
            Some((entry, Some(self.limits.pending_ttl())))
        };
        let (entry, ttl) = authenticated.or_else(pending)?;
        (!is_expired(entry, ttl, now)).then(|| entry.known.clone())
    }

    /// Whether a request has verified in this session, in this process.
    #[must_use]
    pub fn is_authenticated(&self, nonce: &str) -> bool {
        self.authenticated.contains(nonce)
    }

    /// Notes that a shared store has the session.
    pub fn mark_stored(&mut self, nonce: &str) {
        let entry = match self.authenticated.peek_mut(nonce) {
            Some(entry) => Some(entry),
            None => self.pending.peek_mut(nonce),
        };
        if let Some(entry) = entry {
            entry.known.is_stored = true;
        }
    }

    /// Notes a verified request: the session is authenticated, and its lifetime starts again.
    pub fn mark_used(&mut self, nonce: &str, now: Instant) -> SessionUse {
        let mut displaced = Vec::new();
        if let Some((nonce, entry)) = self.pending.pop_entry(nonce) {
            self.unlist_origin(entry.origin, &nonce);
            displaced = self.prove(nonce, entry);
        }
        let interval = self.limits.prolong_interval();
        let Some(entry) = self.authenticated.get_mut(nonce) else {
            return SessionUse::default();
        };
        entry.used = now;
        let is_due = entry
            .prolonged
            .is_none_or(|last| now.saturating_duration_since(last) >= interval);
        if is_due {
            entry.prolonged = Some(now);
        }
        SessionUse { is_due, displaced }
    }

    /// Drops a session, whether authenticated or not.
    pub fn remove(&mut self, nonce: &str) {
        if let Some(entry) = self.pending.pop(nonce) {
            self.unlist_origin(entry.origin, nonce);
        }
        if let Some(entry) = self.authenticated.pop(nonce) {
            unlist(&mut self.by_identity, &entry.known.session.peer(), nonce);
        }
    }

    /// Drops expired sessions. Each costs only its own removal.
    pub fn sweep(&mut self, now: Instant) {
        let pending_ttl = Some(self.limits.pending_ttl());
        while let Some((nonce, entry)) = self.pending.peek_lru()
            && is_expired(entry, pending_ttl, now)
        {
            let nonce = nonce.clone();
            self.remove(&nonce);
        }
        while let Some((nonce, entry)) = self.authenticated.peek_lru()
            && is_expired(entry, self.limits.ttl, now)
        {
            let nonce = nonce.clone();
            self.remove(&nonce);
        }
    }

    fn prove(&mut self, nonce: String, entry: Entry<K>) -> Vec<String> {
        let mut displaced = Vec::new();
        if self.authenticated.len() >= self.limits.max_sessions.get() {
            displaced.extend(
                self.authenticated
                    .peek_lru()
                    .map(|(oldest, _)| oldest.clone()),
            );
        }
        let own = self
            .by_identity
            .entry(entry.known.session.peer())
            .or_default();
        if own.len() >= self.limits.max_sessions_per_identity {
            displaced.extend(own.front().cloned());
        }
        own.push_back(nonce.clone());
        self.authenticated.put(nonce, entry);
        for nonce in &displaced {
            self.remove(nonce);
        }
        displaced
    }

    fn unlist_origin(&mut self, origin: Option<K>, nonce: &str) {
        if let Some(origin) = origin {
            unlist(&mut self.by_origin, &origin, nonce);
        }
    }
}

fn unlist<K: Eq + Hash>(lists: &mut HashMap<K, VecDeque<String>>, key: &K, nonce: &str) {
    if let Some(own) = lists.get_mut(key) {
        own.retain(|known| known != nonce);
        if own.is_empty() {
            lists.remove(key);
        }
    }
}

fn is_expired<K>(entry: &Entry<K>, ttl: Option<Duration>, now: Instant) -> bool {
    let age = now.saturating_duration_since(entry.used);
    ttl.is_some_and(|ttl| age >= ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AuthMessage, Identity, Peer, PeerConfig};

    struct Fixture {
        store: SessionStore<u8>,
        server: Identity,
        now: Instant,
    }

    impl Fixture {
        fn new(max: usize, per_identity: usize, ttl: Option<u64>) -> Self {
            let limits = SessionLimits {
                max_sessions: NonZeroUsize::new(max).unwrap(),
                max_sessions_per_identity: per_identity,
                max_pending_per_origin: usize::MAX,
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
            self.handshake_from(client, None)
        }

        fn handshake_from(&mut self, client: &Arc<Identity>, origin: Option<u8>) -> String {
            let mut peer = Peer::new(Arc::clone(client), PeerConfig::default());
            let request = peer.start_handshake().unwrap();
            let request = AuthMessage::parse(&request).unwrap();
            let (session, _) = Session::respond(&self.server, &request, None, 9).unwrap();
            let nonce = session.own_nonce().to_owned();
            self.store.insert(session, origin, self.now);
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
        // The first of three pending sessions is displaced. Start it again.
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
    fn a_session_that_nobody_has_proven_lives_for_five_minutes() {
        for (ttl, expected) in [(None, 300), (Some(3_600), 300), (Some(60), 60)] {
            let mut store = Fixture::new(9, 9, ttl);
            let client = Arc::new(Identity::random());
            let nonce = store.handshake_from(&client, Some(1));
            store.now += Duration::from_secs(expected - 1);
            assert!(store.has(&nonce), "{ttl:?}");
            store.now += Duration::from_secs(1);
            assert!(!store.has(&nonce), "{ttl:?}");
            store.store.sweep(store.now);
            assert!(store.store.is_empty() && store.store.by_origin.is_empty());
        }
    }

    #[test]
    fn an_origin_has_few_unproven_sessions_and_displaces_its_own_only() {
        let mut store = Fixture::new(9, 9, None);
        store.store.limits.max_pending_per_origin = 2;
        let client = Arc::new(Identity::random());
        let other = store.handshake_from(&client, Some(2));
        let free = store.handshake(&client);
        let authenticated = store.handshake_from(&client, Some(1));
        store.store.mark_used(&authenticated, store.now);
        let nonces: Vec<String> = (0..4)
            .map(|_| store.handshake_from(&client, Some(1)))
            .collect();
        for (nonce, expected) in nonces.iter().zip([false, false, true, true]) {
            assert_eq!(store.has(nonce), expected);
        }
        assert!(store.has(&other) && store.has(&free) && store.has(&authenticated));
    }

    #[test]
    fn what_makes_room_is_told() {
        let mut store = Fixture::new(9, 1, None);
        let client = Arc::new(Identity::random());
        let [first, second] = [(); 2].map(|()| store.handshake(&client));
        let used = store.store.mark_used(&first, store.now);
        assert!(used.is_due && used.displaced.is_empty());
        let used = store.store.mark_used(&second, store.now);
        assert_eq!((used.is_due, used.displaced), (true, vec![first]));
    }

    #[test]
    fn a_shared_store_hears_of_a_session_in_use_once_a_minute_or_eight_times_in_its_life() {
        for (ttl, interval) in [(Some(3_600), 60), (Some(80), 10), (None, 60)] {
            let mut store = Fixture::new(9, 9, ttl);
            let client = Arc::new(Identity::random());
            let nonce = store.handshake(&client);
            let due: Vec<u64> = (0..=interval * 2)
                .filter(|second| {
                    let now = store.now + Duration::from_secs(*second);
                    store.store.mark_used(&nonce, now).is_due
                })
                .collect();
            assert_eq!(due, [0, interval, interval * 2], "{ttl:?}");
        }
    }

    #[test]
    fn a_session_from_a_shared_store_did_not_begin_here() {
        let mut store = Fixture::new(9, 9, Some(60));
        let client = Arc::new(Identity::random());
        let nonce = store.handshake(&client);
        let known = store.store.get(&nonce, store.now).unwrap();
        assert!(known.began_here && !known.is_stored);
        store.store.mark_stored(&nonce);
        assert!(store.store.get(&nonce, store.now).unwrap().is_stored);
        store.now += Duration::from_secs(61);
        assert!(!store.has(&nonce));
        store.store.resume(known.session, store.now);
        let known = store.store.get(&nonce, store.now).unwrap();
        assert!(!known.began_here && known.is_stored);
        assert_eq!(store.store.len(), 1);
    }

    #[test]
    fn without_a_time_to_live_nothing_expires() {
        let mut store = Fixture::new(9, 9, None);
        let client = Arc::new(Identity::random());
        let nonce = store.handshake(&client);
        store.store.mark_used(&nonce, store.now);
        store.now += Duration::from_secs(1_000_000);
        assert!(store.has(&nonce));
        store.store.remove(&nonce);
        assert!(store.store.is_empty());
    }
}
