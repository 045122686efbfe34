//! Giving back the free space of a SQLite file, a little at a time: writes wait for one step at most.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::sqlite::{self, Space};

use super::command::{Command, Work};

/// Pages that one step gives back: 1 MiB of the usual pages.
const STEP: i64 = 256;

/// Free pages that a file keeps for the next messages; a larger one keeps a quarter of what it uses.
const SPARE: i64 = 4_096;

/// Command: give back some of the free pages; says whether there are more to give back. Servers do this themselves.
pub(in crate::db) struct ShrinkFile;

impl Command for ShrinkFile {
    type Output = bool;

    fn run(&self, work: &mut Work<'_>) -> QueryResult<bool> {
        match work.connection {
            AnyConnection::Sqlite(connection) => shrink(connection),
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(_) => Ok(false),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(_) => Ok(false),
        }
    }
}

fn shrink(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let surplus = surplus(&Space::of(connection)?);
    if surplus > 0 {
        sqlite::give_back(connection, surplus.min(STEP))?;
    }
    Ok(surplus > STEP)
}

/// Pages that the file can do without.
fn surplus(space: &Space) -> i64 {
    if !space.can_shrink() {
        return 0;
    }
    let kept = ((space.pages - space.free) / 4).max(SPARE);
    (space.free - kept).max(0)
}
