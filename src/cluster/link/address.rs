//! The address of Redis, and how to reach the server that has our names. In a cluster that may be another server.

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    ProtocolVersion, ServerErrorKind, Value,
};

use super::error::LinkError;
use super::role::{refuse_replica, role_command};
use crate::cluster::channel::in_one_slot;
use crate::cluster::timing::DEADLINE;
use crate::outbound::tls;

/// Largest number of redirects within a Redis cluster.
const MAX_MOVES: usize = 5;

/// A parsed address, and the prefix of our names there.
#[derive(Clone)]
pub(crate) struct RedisAddress {
    client: Client,
    prefix: String,
}

impl std::fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisAddress")
    }
}

/// A connection to the server with our names.
pub(super) struct Reached {
    pub(super) connection: MultiplexedConnection,
    pub(super) prefix: String,
    pub(super) is_cluster: bool,
}

impl RedisAddress {
    pub(crate) fn parse(url: &str, prefix: &str) -> Result<Self, LinkError> {
        // The library creates its own TLS configuration.
        tls::install_provider();
        let info = url.into_connection_info().map_err(|_| LinkError::Address)?;
        let settings = info.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(settings);
        let client = Client::open(info).map_err(|_| LinkError::Address)?;
        let prefix = prefix.to_owned();
        Ok(Self { client, prefix })
    }

    /// Connects to the server of the address, or to the server of its cluster that has our names.
    pub(super) async fn reach(
        &self,
        config: &AsyncConnectionConfig,
        probe: fn(&str) -> Cmd,
    ) -> Result<Reached, LinkError> {
        let mut client = self.client.clone();
        for _ in 0..MAX_MOVES {
            let connecting = client.get_multiplexed_async_connection_with_config(config);
            let connected = tokio::time::timeout(DEADLINE, connecting).await;
            let mut connection = connected.map_err(|_| LinkError::timed_out())??;
            let is_cluster = is_of_cluster(&mut connection).await?;
            let prefix = if is_cluster {
                in_one_slot(&self.prefix)
            } else {
                self.prefix.clone()
            };
            match probe(&prefix).exec_async(&mut connection).await {
                Ok(()) => {
                    let role: Value = role_command().query_async(&mut connection).await?;
                    refuse_replica(&role)?;
                    return Ok(Reached {
                        connection,
                        prefix,
                        is_cluster,
                    });
                }
                Err(error) => client = self.moved(&error).ok_or(error)?,
            }
        }
        Err(LinkError::Refused(
            "the servers of its cluster redirect in circles".to_owned(),
        ))
    }

    /// The server that a redirect names.
    fn moved(&self, error: &redis::RedisError) -> Option<Client> {
        if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
            return None;
        }
        let (address, _) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let info = self.client.get_connection_info();
        // An empty host means the same host with another port.
        let host = |known: &str| if host.is_empty() { known } else { host }.to_owned();
        let moved = match info.addr().clone() {
            ConnectionAddr::TcpTls {
                host: known,
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host: host(&known),
                port,
                insecure,
                tls_params,
            },
            ConnectionAddr::Tcp(known, _) => ConnectionAddr::Tcp(host(&known), port),
            _ => ConnectionAddr::Tcp(host("localhost"), port),
        };
        Client::open(info.clone().set_addr(moved)).ok()
    }
}

/// Reads a missing key. A server of a cluster redirects if another one has its slot.
pub(super) fn where_it_is(prefix: &str) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(format!("{prefix}probe"));
    command
}

async fn is_of_cluster(connection: &mut MultiplexedConnection) -> Result<bool, LinkError> {
    let mut command = redis::cmd("INFO");
    let answer: redis::RedisResult<String> = command.arg("cluster").query_async(connection).await;
    match answer {
        Ok(info) => Ok(info.lines().any(|line| line.trim() == "cluster_enabled:1")),
        // A server without this command, or without the right to use it, counts as a single server.
        Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(DEADLINE))
        .set_response_timeout(Some(DEADLINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_and_never_told() {
        for url in [
            "redis://u:secret@h:1/0",
            "rediss://h:1",
            "redis+unix:///tmp/s?db=1",
        ] {
            let address = RedisAddress::parse(url, "p:").unwrap();
            assert!(!format!("{address:?}").contains("secret"));
        }
        for url in ["", "http://u:secret@h", "h:1", "redis://h:port:secret"] {
            let error = RedisAddress::parse(url, "p:").unwrap_err();
            assert_eq!(error, LinkError::Address, "{url}");
        }
    }
}
