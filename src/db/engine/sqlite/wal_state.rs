//! Tracks when the file was marked as having a write-ahead log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::file_identity::DatabaseFile;
use crate::db::engine::connect::settings::DbSettings;

/// The state of the write-ahead log.
#[derive(Debug)]
pub(crate) struct WalState {
    pub(crate) file: Arc<DatabaseFile>,
    /// Whether shutdown empties the log. Until then the file carries a mark.
    pub(crate) checkpoint: bool,
    /// The commit counter at the time of the last mark.
    marked_at: AtomicU64,
}

impl WalState {
    pub(crate) fn new(file: Arc<DatabaseFile>, settings: &DbSettings) -> Self {
        if file.lacks_log() {
            log::warn!(
                "{}: the write-ahead log (-wal) of this file is missing, and the newest messages with it: the file was \
                 copied without its log. Stop the server and put the log beside it, or accept the file as it is: \
                 `messagebox-server accept-database`",
                settings.url
            );
        }
        let checkpoint = settings.checkpoint;
        if checkpoint {
            file.expect_log();
        }
        Self {
            file,
            checkpoint,
            marked_at: AtomicU64::new(0),
        }
    }

    /// Whether the file needs a new mark after this number of commits. Counts as marked from then on.
    pub(crate) fn needs_mark(&self, commits: u64) -> bool {
        self.checkpoint && self.marked_at.swap(commits, Ordering::Relaxed) != commits
    }
}
