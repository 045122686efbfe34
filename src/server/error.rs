//! Why the server did not start, or ended, and what an operator can do about it.

use thiserror::Error;

use crate::cluster::ClusterError;
use crate::config::ConfigError;
use crate::db::{ArchiveError, CompactError, DbError};
use crate::push::ServiceAccountError;

/// Why the server did not start, or ended.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Push notifications cannot be sent.
    #[error(transparent)]
    Push(#[from] ServiceAccountError),
    /// The server cannot be one of several.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Nothing was exported, or nothing imported.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database was not compacted.
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// A file cannot be made or read.
    #[error("{path}: {cause}{}", file_advice(cause))]
    File {
        /// Which.
        path: String,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}{}", listen_advice(cause))]
    Listen {
        /// Host and port.
        address: String,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// A second signal came while the server went down.
    #[error("{0} while shutting down: ended at once; what was not acknowledged may not be stored")]
    Interrupted(&'static str),
    /// The server broke off.
    #[error("the server broke off: {0}")]
    Broken(std::io::Error),
}

impl ServerError {
    /// Whether the configuration must change, or what it asks for, before the server can start.
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

/// What an operator can do where a file cannot be made or read.
fn file_advice(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::AlreadyExists => "; it is not overwritten: name another file",
        _ => "",
    }
}

/// What an operator can do where an address cannot be listened on.
fn listen_advice(cause: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match cause.kind() {
        AddrInUse => {
            "; another program listens there, or this one twice: end it, or choose another PORT"
        }
        PermissionDenied => {
            "; ports below 1024 need a privilege: choose another PORT, or grant CAP_NET_BIND_SERVICE"
        }
        AddrNotAvailable => {
            "; this machine does not have it: set HOST to one of its own, or to :: for all"
        }
        _ => "; see HOST and PORT",
    }
}
