//! A second connection to a SQLite file, for operations that only files have.

use std::path::Path;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

/// Blocks all other writers. Hold it in another process than the server's, like another program.
pub struct Lock(diesel::SqliteConnection);

impl Lock {
    /// Locks the database in this data folder.
    pub fn on(folder: &Path) -> Self {
        let path = folder.join("messagebox.db");
        let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection
            .batch_execute("PRAGMA busy_timeout = 20000; BEGIN EXCLUSIVE")
            .unwrap();
        Self(connection)
    }

    pub fn release(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}
