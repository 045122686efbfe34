//! Releases free space of a SQLite file in small steps: a write waits for one step at most.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::db::engine::sqlite::{self, FilePages};

use crate::db::store::command::{WriteCommand, WriteScope};

/// Pages per step: 1 MiB with the default page size.
const STEP: i64 = 256;

/// Free pages that a file keeps for new messages. Large files keep a quarter of their used pages instead.
const SPARE: i64 = 4_096;

/// Command: release some free pages. Returns whether there are more. Database servers do this themselves.
pub(crate) struct ShrinkFile;

impl WriteCommand for ShrinkFile {
    type Output = bool;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<bool> {
        scope.connection.as_sqlite().map_or(Ok(false), shrink)
    }
}

fn shrink(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let surplus = surplus(&FilePages::of(connection)?);
    if surplus > 0 {
        sqlite::give_back(connection, surplus.min(STEP))?;
    }
    Ok(surplus > STEP)
}

/// Pages that the file can release.
fn surplus(space: &FilePages) -> i64 {
    if !space.can_shrink() {
        return 0;
    }
    let kept = ((space.pages - space.free) / 4).max(SPARE);
    (space.free - kept).max(0)
}
