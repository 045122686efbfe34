//! A second hand on a SQLite file, for what only files do.

use std::path::Path;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

/// Keeps everybody else from writing; in a process other than the server's, as another program would.
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
