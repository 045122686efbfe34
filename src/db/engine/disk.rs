//! Whether the disk of a database file has room for more messages.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::url::DatabaseUrl;

/// How long an answer of the disk counts.
const KEEP: Duration = Duration::from_millis(500);

/// What is known of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskSpace {
    /// Bytes that the server may still use.
    pub free_bytes: u64,
    /// Fewer than these, and no message is stored.
    pub min_free_bytes: u64,
}

impl DiskSpace {
    /// Whether there is too little.
    #[must_use]
    pub const fn is_low(self) -> bool {
        self.free_bytes < self.min_free_bytes
    }
}

/// Watches the disk of a database file. Where the database is a server, its disk is its own.
#[derive(Debug)]
pub(in crate::db) struct DiskGuard {
    /// The folder of the file.
    folder: Option<PathBuf>,
    min_free_bytes: u64,
    latest: Mutex<Option<(Instant, u64)>>,
}

impl DiskGuard {
    pub(in crate::db) fn new(url: &DatabaseUrl, min_free_bytes: u64) -> Self {
        let folder = match url {
            DatabaseUrl::Sqlite(path) => {
                let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
                Some(parent.unwrap_or(Path::new(".")).to_owned())
            }
            #[cfg(feature = "mysql")]
            DatabaseUrl::Mysql(_) => None,
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => None,
        };
        Self {
            folder,
            min_free_bytes,
            latest: Mutex::default(),
        }
    }

    /// The disk's space; none where it is not watched, or does not say. Asks the disk at most twice a second.
    pub(in crate::db) fn space(&self) -> Option<DiskSpace> {
        let folder = self.folder.as_ref()?;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let free_bytes = match *latest {
            Some((at, free_bytes)) if at.elapsed() < KEEP => free_bytes,
            _ => {
                let found = rustix::fs::statvfs(folder).ok()?;
                let free_bytes = found.f_bavail.saturating_mul(found.f_frsize);
                *latest = Some((Instant::now(), free_bytes));
                free_bytes
            }
        };
        Some(DiskSpace {
            free_bytes,
            min_free_bytes: self.min_free_bytes,
        })
    }

    /// Whether messages must not be stored now.
    pub(in crate::db) fn is_low(&self) -> bool {
        self.min_free_bytes > 0 && self.space().is_some_and(DiskSpace::is_low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_below_the_bound_and_zero_is_no_bound() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("x.db"));
        let space = DiskGuard::new(&url, 1).space().unwrap();
        assert!(space.free_bytes > 0);
        for (bound, is_low) in [(0, false), (1, false), (u64::MAX, true)] {
            assert_eq!(DiskGuard::new(&url, bound).is_low(), is_low, "{bound}");
        }
        let here = DatabaseUrl::Sqlite("x.db".into());
        assert!(DiskGuard::new(&here, u64::MAX).is_low());
    }
}
