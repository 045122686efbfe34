//! The connection to Redis for sessions and the nonces of their requests.
//!
//! A session is a hash: `p` is the client's nonce, `k` its key, and every other field the nonce of a request. The nonces
//! expire with their session.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline};

use super::address::{RedisAddress, config};
use super::error::LinkError;
use crate::auth::SessionRecord;
use crate::cluster::sessions::claim::{SessionClaim, SessionName, StoreSettings};
use crate::cluster::timing::PROBE_KEPT;

const CLAIM: &str = include_str!("claim.lua");

#[derive(Clone)]
pub(crate) struct SessionLink {
    connection: MultiplexedConnection,
    prefix: Arc<str>,
    /// The hash of the script in Redis.
    claim: Arc<str>,
}

impl RedisAddress {
    /// Connects, and checks that the server stores keys.
    pub(crate) async fn connect_for_sessions(&self) -> Result<SessionLink, LinkError> {
        let mut reached = self.reach(&config(), store_probe).await?;
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(CLAIM);
        let claim: String = load.query_async(&mut reached.connection).await?;
        Ok(SessionLink {
            connection: reached.connection,
            prefix: reached.prefix.into(),
            claim: claim.into(),
        })
    }
}

/// Stores a key for a moment, which shows that writes work.
fn store_probe(prefix: &str) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(format!("{prefix}session:probe")).arg(1);
    command.arg("PX").arg(PROBE_KEPT.as_millis());
    command
}

impl SessionLink {
    /// Stores a session for the time `life`.
    pub(crate) async fn store(
        &self,
        session: &SessionRecord,
        life: Duration,
    ) -> Result<(), LinkError> {
        let key = self.key(SessionName::of(&session.own_nonce));
        let fields = [
            ("p", session.peer_nonce.as_str()),
            ("k", &session.peer.to_hex()),
        ];
        let mut pipeline = redis::pipe();
        pipeline.atomic().hset_multiple(&key, &fields).ignore();
        pipeline.pexpire(&key, millis(life)).ignore();
        Ok(pipeline.exec_async(&mut self.connection.clone()).await?)
    }

    /// The client's nonce and key of a session, if it is stored.
    pub(crate) async fn find(
        &self,
        session: SessionName,
    ) -> Result<Option<(String, String)>, LinkError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.key(session)).arg("p").arg("k");
        let found: (Option<String>, Option<String>) =
            command.query_async(&mut self.connection.clone()).await?;
        Ok(found.0.zip(found.1))
    }

    /// Claims a request and returns the answer of the script. Concurrent calls share a round trip.
    pub(crate) async fn claim(
        &self,
        claim: &SessionClaim,
        settings: &StoreSettings,
    ) -> Result<i64, LinkError> {
        let command = self.claim_command(claim, settings);
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    /// Claims these requests and ignores the answers.
    pub(crate) async fn hand_in(
        &self,
        claims: &[SessionClaim],
        settings: &StoreSettings,
    ) -> Result<(), LinkError> {
        let mut pipeline = Pipeline::with_capacity(claims.len());
        for claim in claims {
            let command = self.claim_command(claim, settings);
            pipeline.add_command(command).ignore();
        }
        Ok(pipeline.exec_async(&mut self.connection.clone()).await?)
    }

    /// Deletes sessions and their nonces.
    pub(crate) async fn end(&self, sessions: &[SessionName]) -> Result<(), LinkError> {
        let mut command = redis::cmd("DEL");
        for session in sessions {
            command.arg(self.key(*session));
        }
        Ok(command.exec_async(&mut self.connection.clone()).await?)
    }

    /// Checks that the server still stores keys.
    pub(crate) async fn ping(&self) -> Result<(), LinkError> {
        let mut connection = self.connection.clone();
        Ok(store_probe(&self.prefix)
            .exec_async(&mut connection)
            .await?)
    }

    fn claim_command(&self, claim: &SessionClaim, settings: &StoreSettings) -> Cmd {
        let (peer_nonce, peer) = match claim.record.as_deref() {
            Some(record) => (record.peer_nonce.as_str(), record.peer.to_hex()),
            None => ("", String::new()),
        };
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(&*self.claim)
            .arg(1)
            .arg(self.key(claim.session))
            .arg(&claim.nonce)
            .arg(millis(settings.life))
            .arg(settings.max_requests)
            .arg(peer_nonce)
            .arg(peer);
        command
    }

    fn key(&self, session: SessionName) -> String {
        format!("{}session:{}", self.prefix, hex::encode(session.0))
    }
}

fn millis(life: Duration) -> i64 {
    i64::try_from(life.as_millis()).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for SessionLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionLink")
    }
}
