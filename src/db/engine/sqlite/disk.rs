//! Checks whether the disk of a database file has room for more messages.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::engine::connect::url::DatabaseUrl;

/// How long a measurement is cached.
const KEEP: Duration = Duration::from_millis(500);

/// Free space of the database's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskSpace {
    /// Bytes that the server may still use.
    pub free_bytes: u64,
    /// With fewer free bytes, no message is stored.
    pub min_free_bytes: u64,
}

impl DiskSpace {
    #[must_use]
    pub const fn is_low(self) -> bool {
        self.free_bytes < self.min_free_bytes
    }
}

/// Watches the disk of a database file. A database server manages its own disk.
#[derive(Debug)]
pub(crate) struct DiskGuard {
    folder: Option<PathBuf>,
    min_free_bytes: u64,
    latest: Mutex<Option<(Instant, u64)>>,
}

impl DiskGuard {
    pub(crate) fn new(url: &DatabaseUrl, min_free_bytes: u64) -> Self {
        Self {
            folder: url.folder().map(Path::to_owned),
            min_free_bytes,
            latest: Mutex::default(),
        }
    }

    /// The disk's free space; none if it is not watched or unreadable. Reads the disk at most twice per second.
    pub(crate) fn space(&self) -> Option<DiskSpace> {
        let folder = self.folder.as_ref()?;
        let mut latest = self.latest.lock();
        let free_bytes = match *latest {
            Some((at, free_bytes)) if at.elapsed() < KEEP => free_bytes,
            _ => {
                let free_bytes = free_bytes(folder).ok()?;
                *latest = Some((Instant::now(), free_bytes));
                free_bytes
            }
        };
        Some(DiskSpace {
            free_bytes,
            min_free_bytes: self.min_free_bytes,
        })
    }

    /// Whether new messages must be refused now.
    pub(crate) fn is_low(&self) -> bool {
        self.min_free_bytes > 0 && self.space().is_some_and(DiskSpace::is_low)
    }
}

/// Bytes that a program may still write to this folder's disk.
pub(super) fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
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
