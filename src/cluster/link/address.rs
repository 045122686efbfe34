//! Where Redis is: the server of an address, or the one of its cluster that has our names.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    ProtocolVersion, ServerErrorKind, Value,
};

use super::room_link::LinkError;
use super::role::{refuse_replica, role_command};
use crate::cluster::channel::in_one_slot;
use crate::outbound::tls;

/// How long a connection, or an answer, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Servers of a cluster that are asked, one after the other, for the one that has our names.
const MAX_MOVES: usize = 5;

/// Where Redis is.
#[derive(Clone)]
pub(in crate::cluster) struct RedisAddress {
    client: Client,
    /// What our names there begin with.
    prefix: String,
}

impl std::fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisAddress")
    }
}

/// A connection to the server that has our names.
pub(super) struct Reached {
    pub(super) connection: MultiplexedConnection,
    pub(super) prefix: String,
    pub(super) is_cluster: bool,
}

impl RedisAddress {
    pub(in crate::cluster) fn parse(url: &str, prefix: &str) -> Result<Self, LinkError> {
        // The library makes its own configuration of TLS.
        tls::install_provider();
        let info = url.into_connection_info().map_err(|_| LinkError::Address)?;
        let settings = info.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(settings);
        let client = Client::open(info).map_err(|_| LinkError::Address)?;
        let prefix = prefix.to_owned();
        Ok(Self { client, prefix })
    }

    /// Connects to the server that has our names: the one of the address, or the one of its cluster that it tells of.
    pub(super) async fn reach(
        &self,
        config: &AsyncConnectionConfig,
        probe: fn(&str) -> Cmd,
    ) -> Result<Reached, LinkError> {
        let mut client = self.client.clone();
        for _ in 0..MAX_MOVES {
            let connecting = client.get_multiplexed_async_connection_with_config(config);
            let connected = tokio::time::timeout(DEADLINE, connecting).await;
            let mut connection =
                connected.map_err(|_| LinkError::Refused("no answer in time".to_owned()))??;
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
            "its servers send us from one to the other".to_owned(),
        ))
    }

    /// Where an error says that our names are.
    fn moved(&self, error: &redis::RedisError) -> Option<Client> {
        if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
            return None;
        }
        let (address, _) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let info = self.client.get_connection_info();
        // Without a host, it is another port of the same.
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

/// Asks for something that is not there, only to hear where it would be.
pub(super) fn where_it_is(prefix: &str) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(format!("{prefix}probe"));
    command
}

async fn is_of_cluster(connection: &mut MultiplexedConnection) -> Result<bool, LinkError> {
    let mut command = redis::cmd("INFO");
    let asked: redis::RedisResult<String> = command.arg("cluster").query_async(connection).await;
    match asked {
        Ok(info) => Ok(info.lines().any(|line| line.trim() == "cluster_enabled:1")),
        // Who may not ask, or cannot be asked, is taken for one server.
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
