//! The server's handle on its node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use thiserror::Error;

use crate::auth::{Counterparty, Identity, KeyError, KeyId, Protocol};
use crate::db::DbHandle;
use crate::outbound::ClockOffset;
use crate::rooms::{ClusterPublisher, RoomRegistry};

use super::counters::{ClusterStatus, NonceStatus};
use super::link::{LinkError, RedisAddress};
use super::node::{Node, watch_database};
use super::peers::ClusterPeer;
use super::sessions::{RedisSessions, StoreSettings};
use super::shared::{ClusterSettings, ClusterShared};

/// Why this server cannot join a cluster.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The address of Redis cannot be used.
    #[error("REDIS_URL: {0}")]
    Address(#[from] LinkError),
    /// The key that authenticates events cannot be derived.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Checks the address of Redis without connecting.
///
/// # Errors
/// [`ClusterError::Address`].
pub fn check_address(url: &str) -> Result<(), ClusterError> {
    RedisAddress::parse(url, "")?;
    Ok(())
}

/// A handle on this node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster(Arc<ClusterShared>);

impl Cluster {
    /// Prepares a node. It connects once it is started.
    ///
    /// # Errors
    /// [`ClusterError::Address`].
    pub fn new(settings: ClusterSettings) -> Result<Self, ClusterError> {
        let address = RedisAddress::parse(&settings.url, &settings.prefix)?;
        Ok(Self(Arc::new(ClusterShared::new(settings, address))))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> Arc<ClusterShared> {
        Arc::clone(&self.0)
    }

    /// The publisher for the registry of rooms.
    pub fn publisher(&self) -> Arc<dyn ClusterPublisher> {
        Arc::clone(&self.0) as Arc<dyn ClusterPublisher>
    }

    /// Starts the node; a second call changes nothing. Must be called before clients are served: messages stored earlier are not events.
    ///
    /// # Errors
    /// [`ClusterError`]. An absent Redis is no error.
    pub fn start(
        &self,
        identity: &Identity,
        db: &DbHandle,
        registry: &Addr<RoomRegistry>,
    ) -> Result<(), ClusterError> {
        let pair = identity.pair(Counterparty::Own)?;
        let key = pair.symmetric_key(&Protocol::ROOM_EVENTS, KeyId::One("1"))?;
        self.0.start_at(db.first_message_id());
        let Some(interest) = self.0.changes.lock().take() else {
            return Ok(());
        };
        let shared = Arc::clone(&self.0);
        let (db, registry) = (db.clone(), registry.clone());
        // On its own thread, so that events of other nodes delay no socket.
        let arbiter = Arbiter::new();
        arbiter.spawn_fn(move || {
            actix::spawn(watch_database(
                Arc::clone(&shared),
                db.clone(),
                registry.clone(),
            ));
            let node = Node::new(shared, &key, interest, db, registry);
            actix::spawn(node.run());
        });
        let _ = self.0.arbiter.set(arbiter.handle());
        Ok(())
    }

    /// Shares the sessions of HTTP clients with the other nodes from now on.
    pub fn share_sessions(&self, settings: StoreSettings) -> RedisSessions {
        let (sessions, _) = self.0.sessions.get_or_init(|| {
            let sessions = RedisSessions::new(self.0.address.clone(), settings);
            // On its own thread, because requests wait for it.
            let arbiter = Arbiter::new();
            arbiter.spawn(sessions.clone().run());
            (sessions, arbiter.handle())
        });
        sessions.clone()
    }

    /// Stops the node's threads when the server has ended.
    pub fn end(&self) {
        let sessions = self.0.sessions.get().map(|(_, arbiter)| arbiter);
        for arbiter in self.0.arbiter.get().into_iter().chain(sessions) {
            arbiter.stop();
        }
    }

    /// Counts of events since the start.
    pub fn status(&self) -> ClusterStatus {
        *self.0.status.lock()
    }

    /// The other nodes that have greeted this one in the last ten minutes.
    pub fn peers(&self) -> Vec<ClusterPeer> {
        self.0.peers.lock().list(Instant::now())
    }

    /// Counts of the nonces of requests, if sessions are shared.
    pub fn nonce_status(&self) -> Option<NonceStatus> {
        let sessions = self.0.sessions.get();
        sessions.map(|(sessions, _)| sessions.status())
    }

    /// Checks that events cross between nodes, and that nonces are shared if they should be.
    ///
    /// # Errors
    /// The problem, as text for the log.
    pub fn check(&self) -> Result<(), String> {
        if !self.status().connected {
            return Err("room events do not reach other nodes, nor come from them".to_owned());
        }
        if self.0.peers.lock().is_unheard(Instant::now()) {
            return Err("another node does not receive the events of this one".to_owned());
        }
        if self.nonce_status().is_some_and(|nonces| !nonces.connected) {
            return Err("requests are not checked against those of other nodes".to_owned());
        }
        Ok(())
    }

    /// The offset of this machine's clock, measured with Redis while it is connected.
    pub fn clock(&self) -> Option<ClockOffset> {
        *self.0.clock.lock()
    }

    /// Waits until all stored events are published, for at most `deadline`. Returns whether they are.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let begin = Instant::now();
        while !self.0.queue.is_empty() {
            if begin.elapsed() >= deadline || !self.status().connected {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}
