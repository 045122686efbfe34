//! Shares sessions between processes: in Redis if there is one, else in the database.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::auth::SessionRecord;
use crate::cluster::{ClaimAnswer, Cluster, RedisSessions, SessionClaim, StoreSettings};
use crate::config::Settings;
use crate::db::{DbError, DbHandle};
use crate::http::{Claimed, HttpState, SharedSessions, VerifiedRequest};
use crate::model::SessionRow;

use super::layer_settings::session_limits;

/// Maximum wait of a request for the database to store or find a session.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct DatabaseSessions(DbHandle);

impl DatabaseSessions {
    /// The result, unless the database fails or is too slow.
    async fn in_time<T>(&self, done: impl Future<Output = Result<T, DbError>>) -> Option<T> {
        match tokio::time::timeout(DATABASE_TIMEOUT, done).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => {
                log::debug!("cannot store or find a session: {error}");
                None
            }
            Err(_) => None,
        }
    }
}

impl SharedSessions for DatabaseSessions {
    fn store(&self, session: SessionRecord, proven: bool) -> LocalBoxFuture<'_, bool> {
        let SessionRecord {
            own_nonce,
            peer_nonce,
            peer,
        } = session;
        let row = SessionRow {
            own_nonce,
            peer_nonce,
            peer,
        };
        let stored = self.in_time(self.0.store_session(row, proven));
        Box::pin(async { stored.await.is_some() })
    }

    fn find<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, Option<SessionRecord>> {
        let found = self.in_time(self.0.find_session(own_nonce.to_owned()));
        Box::pin(async {
            let row = found.await.flatten()?;
            Some(SessionRecord {
                own_nonce: row.own_nonce,
                peer_nonce: row.peer_nonce,
                peer: row.peer,
            })
        })
    }

    fn claim<'a>(&'a self, _: VerifiedRequest<'a>) -> LocalBoxFuture<'a, Claimed> {
        Box::pin(std::future::ready(Claimed::WithItsWrite))
    }

    fn prolong<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, bool> {
        let prolonged = self.in_time(self.0.prolong_session(own_nonce.to_owned()));
        Box::pin(async { prolonged.await.unwrap_or(true) })
    }

    fn end(&self, own_nonces: Vec<String>, proven: bool) -> LocalBoxFuture<'_, ()> {
        let ended = self.in_time(self.0.end_sessions(own_nonces, proven));
        Box::pin(async { ended.await.unwrap_or_default() })
    }
}

#[derive(Debug)]
struct SessionsInRedis(RedisSessions);

impl SharedSessions for SessionsInRedis {
    fn store(&self, session: SessionRecord, proven: bool) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move { self.0.store(&session, proven).await })
    }

    fn find<'a>(&'a self, own_nonce: &'a str) -> LocalBoxFuture<'a, Option<SessionRecord>> {
        Box::pin(self.0.find(own_nonce))
    }

    fn claim<'a>(&'a self, request: VerifiedRequest<'a>) -> LocalBoxFuture<'a, Claimed> {
        let session = request.session;
        let record = (!request.is_stored).then(|| Arc::new(session.record()));
        let claim = SessionClaim::new(session.own_nonce(), request.nonce, record);
        let asked = self.0.claim(claim);
        Box::pin(async {
            match asked.await {
                Some(ClaimAnswer::First) => Claimed::First,
                Some(ClaimAnswer::Repeated) => Claimed::Repeated,
                Some(ClaimAnswer::Ended) => Claimed::Ended,
                None => Claimed::Unknown,
            }
        })
    }

    /// Each request prolongs its session in Redis.
    fn prolong<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }

    fn end(&self, own_nonces: Vec<String>, _: bool) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move { self.0.end(&own_nonces).await })
    }
}

/// Shares sessions with all other processes that have the server's key.
pub(super) fn shared(
    state: HttpState,
    db: &DbHandle,
    cluster: Option<&Cluster>,
    settings: &Settings,
) -> HttpState {
    let shared: Arc<dyn SharedSessions> = match cluster {
        Some(cluster) => {
            let sessions = cluster.share_sessions(store_settings(settings));
            Arc::new(SessionsInRedis(sessions))
        }
        None => Arc::new(DatabaseSessions(db.clone())),
    };
    state.with_shared_sessions(Some(shared), settings.cluster.require_nonces)
}

fn store_settings(settings: &Settings) -> StoreSettings {
    let limits = session_limits(settings);
    StoreSettings {
        timeout: settings.cluster.nonce_timeout,
        life: limits.stored_life(),
        pending_life: limits.pending_ttl(),
        max_requests: settings.auth.max_seen_nonces.get(),
    }
}
