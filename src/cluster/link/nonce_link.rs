//! A connection to Redis for the nonces of requests.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use super::LinkError;
use super::address::{RedisAddress, config};
use crate::cluster::nonces::SessionNonce;

/// How long a key is there that only shows that there may be one.
const PROBE_KEPT: Duration = Duration::from_secs(1);

/// A connection for nonces.
#[derive(Clone)]
pub(in crate::cluster) struct NonceLink {
    connection: MultiplexedConnection,
    prefix: Arc<str>,
}

impl RedisAddress {
    /// Connects, and makes sure that something can be kept there.
    pub(in crate::cluster) async fn connect_for_nonces(&self) -> Result<NonceLink, LinkError> {
        let reached = self.reach(&config(), keep_something).await?;
        Ok(NonceLink {
            connection: reached.connection,
            prefix: reached.prefix.into(),
        })
    }
}

/// Puts something in for a moment.
fn keep_something(prefix: &str) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(format!("{prefix}nonces:probe")).arg(1);
    command.arg("PX").arg(PROBE_KEPT.as_millis());
    command
}

impl NonceLink {
    /// Whether the nonce was not there; it is now. What is asked at the same time goes out together.
    pub(in crate::cluster) async fn use_up(&self, nonce: &SessionNonce) -> Result<bool, LinkError> {
        let mut pipeline = redis::pipe();
        self.add(pipeline.atomic(), nonce);
        let (is_first, _): (bool, Value) =
            pipeline.query_async(&mut self.connection.clone()).await?;
        Ok(is_first)
    }

    /// Puts all of these in.
    pub(in crate::cluster) async fn hand_in(
        &self,
        nonces: &[SessionNonce],
    ) -> Result<(), LinkError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for nonce in nonces {
            self.add(&mut pipeline, nonce);
        }
        Ok(pipeline.exec_async(&mut self.connection.clone()).await?)
    }

    /// A field of its session's hash, which lives on from now.
    fn add(&self, pipeline: &mut Pipeline, nonce: &SessionNonce) {
        let key = format!("{}nonces:{}", self.prefix, hex::encode(nonce.session));
        let keep = i64::try_from(nonce.keep.as_millis()).unwrap_or(i64::MAX);
        pipeline.hset_nx(&key, &nonce.nonce, 1).pexpire(&key, keep);
    }

    /// Whether it still keeps what it is given.
    pub(in crate::cluster) async fn ping(&self) -> Result<(), LinkError> {
        let mut connection = self.connection.clone();
        Ok(keep_something(&self.prefix)
            .exec_async(&mut connection)
            .await?)
    }
}

impl std::fmt::Debug for NonceLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceLink")
    }
}
