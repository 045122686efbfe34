//! Deleting what is past its time, a little at a time so that no write waits for it.

use diesel::prelude::*;

use crate::db::engine::schema::messages;
use crate::db::engine::timestamp::Timestamp;

use super::command::{Command, Work};

/// Command: delete up to so many messages that are past their time; says how many it were.
pub(in crate::db) struct DeleteExpired {
    pub(in crate::db) max: i64,
}

impl Command for DeleteExpired {
    type Output = usize;

    fn run(&self, work: &mut Work<'_>) -> QueryResult<usize> {
        let mut ids: Vec<i64> = messages::table
            .filter(messages::expires_at.le(&work.now.text))
            .order(messages::expires_at.asc())
            .limit(self.max)
            .select(messages::id)
            .load(work.connection)?;
        if let Some(stale) = &work.now.stale {
            ids.extend(outlived(work, stale, self.max)?);
        }
        diesel::delete(messages::table.filter(messages::id.eq_any(ids))).execute(work.connection)
    }
}

/// The oldest messages, as far as they were stored before then. Ids ascend with time, so no index is needed; what was
/// stored while the clock was ahead is passed over, or nothing behind it would ever be deleted.
fn outlived(work: &mut Work<'_>, stale: &Timestamp, max: i64) -> QueryResult<Vec<i64>> {
    let oldest: Vec<(i64, Timestamp)> = messages::table
        .filter(messages::created_at.le(&work.now.text))
        .order(messages::id.asc())
        .limit(max)
        .select((messages::id, messages::created_at))
        .load(work.connection)?;
    let outlived = oldest
        .into_iter()
        .take_while(|(_, created_at)| created_at <= stale);
    Ok(outlived.map(|(id, _)| id).collect())
}
