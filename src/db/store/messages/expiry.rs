//! Deletes expired messages in small steps, so that no write waits long.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::db::engine::clock::Timestamp;
use crate::db::engine::dialect::octet_length;
use crate::db::engine::schema::messages;

use crate::db::store::command::{WriteCommand, WriteScope};

/// A message's id, storage time, recipient, sender, and the bytes of its body.
type Row = (i64, Timestamp, String, String, i32);

macro_rules! columns {
    () => {
        (
            messages::id,
            messages::created_at,
            messages::recipient,
            messages::sender,
            octet_length(messages::body),
        )
    };
}

/// Command: delete up to `max` expired messages and return their number.
pub(crate) struct DeleteExpired {
    pub(crate) max: i64,
}

impl WriteCommand for DeleteExpired {
    type Output = usize;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<usize> {
        let mut rows: Vec<Row> = messages::table
            .filter(messages::expires_at.le(&scope.now.text))
            .order(messages::expires_at.asc())
            .limit(self.max)
            .select(columns!())
            .load(scope.connection)?;
        if let Some(stale) = &scope.now.stale {
            rows.extend(outlived(scope, stale, self.max)?);
        }
        // A message may have expired in both ways.
        let rows: BTreeMap<i64, Row> = rows.into_iter().map(|row| (row.0, row)).collect();
        let expired = messages::table.filter(messages::id.eq_any(rows.keys()));
        let deleted = diesel::delete(expired).execute(scope.connection)?;
        if !scope.quotas.are_none() {
            for (_, _, recipient, sender, bytes) in rows.into_values() {
                scope.totals.remove(recipient, sender, bytes.into());
            }
        }
        Ok(deleted)
    }
}

/// The oldest messages that outlived the server's retention. Ids ascend with time, so no index is needed. Messages with
/// a future storage time are skipped, because they would block the deletion of all later ones.
fn outlived(scope: &mut WriteScope<'_>, stale: &Timestamp, max: i64) -> QueryResult<Vec<Row>> {
    let oldest: Vec<Row> = messages::table
        .filter(messages::created_at.le(&scope.now.text))
        .order(messages::id.asc())
        .limit(max)
        .select(columns!())
        .load(scope.connection)?;
    let outlived = oldest.into_iter();
    Ok(outlived
        .take_while(|(_, created_at, ..)| created_at <= stale)
        .collect())
}
