//! Why the server did not start, or stopped, with advice for the operator.

use thiserror::Error;

use crate::cluster::ClusterError;
use crate::config::ConfigError;
use crate::db::{ArchiveError, CompactError, DbError};
use crate::push::ServiceAccountError;

/// Why the server did not start, or stopped.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Push(#[from] ServiceAccountError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// A file cannot be created or read.
    #[error("{path}: {cause}{}", file_advice(cause))]
    File { path: String, cause: std::io::Error },
    #[error("cannot listen on {address}: {cause}{}", listen_advice(cause))]
    Listen {
        address: String,
        cause: std::io::Error,
    },
    #[error("cannot handle signals: {0}")]
    Signals(std::io::Error),
    /// A second signal during the shutdown.
    #[error(
        "{0} while shutting down: stopped at once; messages without an acknowledgement may not be stored"
    )]
    Interrupted(&'static str),
    #[error("the server failed: {0}")]
    Broken(std::io::Error),
}

impl ServerError {
    /// Whether the operator must change the configuration, or what it refers to, before the server can start.
    #[must_use]
    pub const fn is_of_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Push(_)
                | Self::Cluster(ClusterError::Address(_))
                | Self::Database(DbError::Url { .. } | DbError::OldSchema { .. })
        )
    }
}

fn file_advice(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            "; the server does not overwrite it: name another file"
        }
        _ => "",
    }
}

fn listen_advice(cause: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match cause.kind() {
        AddrInUse => {
            "; another program or another instance listens there: stop it, or choose another PORT"
        }
        PermissionDenied => {
            "; ports below 1024 need a privilege: choose another PORT, or grant CAP_NET_BIND_SERVICE"
        }
        AddrNotAvailable => {
            "; this machine does not have the address: set HOST to one of its own, or to :: for all"
        }
        _ => "; see HOST and PORT",
    }
}
