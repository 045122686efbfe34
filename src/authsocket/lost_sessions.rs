//! Sessions of closed sockets, kept for some minutes.
//!
//! A published client that reconnects may still send on its old session. Such a frame may be a replay. Once the new socket
//! has authenticated the same identity, the old session can verify the frame.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::auth::Session;
use crate::ids::IdentityKey;

/// Sessions by our nonce. The number is bounded: the oldest is dropped first.
#[derive(Debug)]
pub struct LostSessions {
    sessions: LruCache<String, (Session, Instant)>,
    max: NonZeroUsize,
    ttl: Duration,
}

impl LostSessions {
    /// Creates a store for up to `max` sessions, each for `ttl`.
    pub fn new(max: NonZeroUsize, ttl: Duration) -> Self {
        Self {
            sessions: LruCache::unbounded(),
            max,
            ttl,
        }
    }

    /// Stores the session of a closed socket.
    pub fn keep(&mut self, session: Session, now: Instant) {
        while let Some((_, (_, since))) = self.sessions.peek_lru() {
            let expired = now.saturating_duration_since(*since) >= self.ttl;
            if !expired && self.sessions.len() < self.max.get() {
                break;
            }
            self.sessions.pop_lru();
        }
        self.sessions
            .put(session.own_nonce().to_owned(), (session, now));
    }

    /// Takes the session with this nonce, unless it has expired or belongs to another identity.
    pub fn take(&mut self, nonce: &str, identity: &IdentityKey, now: Instant) -> Option<Session> {
        let (session, since) = self.sessions.peek(nonce)?;
        let fits = session.peer() == *identity && now.saturating_duration_since(*since) < self.ttl;
        if !fits {
            return None;
        }
        self.sessions.pop(nonce).map(|(session, _)| session)
    }

    /// The number of stored sessions.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is stored.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AuthMessage, Identity, Peer, PeerConfig};
    use std::sync::Arc;

    fn session(client: &Arc<Identity>) -> Session {
        let mut peer = Peer::new(Arc::clone(client), PeerConfig::default());
        let request = peer.start_handshake().unwrap();
        let request = AuthMessage::parse(&request).unwrap();
        Session::respond(&Identity::random(), &request, None, 9)
            .unwrap()
            .0
    }

    #[test]
    fn only_its_own_identity_takes_a_session_and_once() {
        let mut lost = LostSessions::new(NonZeroUsize::new(9).unwrap(), Duration::from_secs(60));
        let (client, now) = (Arc::new(Identity::random()), Instant::now());
        let session = session(&client);
        let nonce = session.own_nonce().to_owned();
        lost.keep(session, now);
        assert!(
            lost.take(&nonce, &Identity::random().identity_key(), now)
                .is_none()
        );
        assert!(lost.take(&nonce, &client.identity_key(), now).is_some());
        assert!(lost.take(&nonce, &client.identity_key(), now).is_none());
    }

    #[test]
    fn sessions_expire_and_are_bounded() {
        let mut lost = LostSessions::new(NonZeroUsize::new(2).unwrap(), Duration::from_secs(60));
        let (client, now) = (Arc::new(Identity::random()), Instant::now());
        let sessions: Vec<Session> = (0..3).map(|_| session(&client)).collect();
        let nonces: Vec<String> = sessions
            .iter()
            .map(|session| session.own_nonce().to_owned())
            .collect();
        for session in sessions {
            lost.keep(session, now);
        }
        let key = client.identity_key();
        assert_eq!(lost.len(), 2);
        assert!(lost.take(&nonces[0], &key, now).is_none());
        assert!(
            lost.take(&nonces[1], &key, now + Duration::from_secs(59))
                .is_some()
        );
        assert!(
            lost.take(&nonces[2], &key, now + Duration::from_secs(60))
                .is_none()
        );
        lost.keep(session(&client), now + Duration::from_secs(60));
        assert_eq!(lost.len(), 1);
    }
}
