//! The operator's lists of identities, and their changes.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Timestamp;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::identity_lists as lists;
use crate::ids::IdentityKey;
use crate::limits::IdentityLists;
use crate::model::{IdentityList, ListChange, ListedIdentity};

use super::command::{WriteCommand, WriteScope};

/// Command: add an identity to a list, or remove it. Returns whether the list changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetListed {
    pub(crate) list: IdentityList,
    pub(crate) identity: IdentityKey,
    pub(crate) listed: bool,
}

impl WriteCommand for SetListed {
    type Output = bool;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<bool> {
        self.apply(scope.connection, &scope.now.text)
    }
}

impl SetListed {
    /// Requires a transaction with the writer's lock, so that revisions follow commit order.
    pub(crate) fn apply(
        &self,
        connection: &mut AnyConnection,
        now: &Timestamp,
    ) -> QueryResult<bool> {
        let identity = self.identity.to_hex();
        let known: Option<(i64, bool)> = lists::table
            .filter(lists::list.eq(self.list.word()))
            .filter(lists::identity_key.eq(&identity))
            .select((lists::revision, lists::listed))
            .first(connection)
            .optional()?;
        if known.is_some_and(|(_, listed)| listed) == self.listed {
            return Ok(false);
        }
        let last: Option<i64> = lists::table
            .select(diesel::dsl::max(lists::revision))
            .get_result(connection)?;
        let revision = last.unwrap_or(0).saturating_add(1);
        match known {
            Some((before, _)) => {
                diesel::update(lists::table.filter(lists::revision.eq(before)))
                    .set((
                        lists::revision.eq(revision),
                        lists::changed_at.eq(now),
                        lists::listed.eq(self.listed),
                    ))
                    .execute(connection)?;
            }
            None => {
                diesel::insert_into(lists::table)
                    .values((
                        lists::revision.eq(revision),
                        lists::changed_at.eq(now),
                        lists::list.eq(self.list.word()),
                        lists::identity_key.eq(&identity),
                        lists::listed.eq(self.listed),
                    ))
                    .execute(connection)?;
            }
        }
        Ok(true)
    }
}

/// Changes of the lists, in order.
#[derive(Debug, Default)]
pub(crate) struct ListChanges {
    pub(crate) changes: Vec<ListChange>,
    /// The first revision found, even if its row is unreadable.
    pub(crate) first: Option<i64>,
    /// The last revision found; 0 if the lists never changed.
    pub(crate) last: i64,
}

/// The changes from this revision on, including it. Usually it is the last one, so this reads one row.
pub(crate) fn changes(connection: &mut AnyConnection, from: i64) -> Result<ListChanges, DbError> {
    let rows: Vec<(i64, String, String, bool)> = lists::table
        .filter(lists::revision.ge(from))
        .order(lists::revision.asc())
        .select((
            lists::revision,
            lists::list,
            lists::identity_key,
            lists::listed,
        ))
        .load(connection)?;
    let change = |(_, word, identity, listed): (i64, String, String, bool)| {
        Some(ListChange {
            // Skips lists of a later release and rows that were written by hand.
            list: IdentityList::of(&word)?,
            identity: identity.parse().ok()?,
            listed,
        })
    };
    Ok(ListChanges {
        first: rows.first().map(|row| row.0),
        last: rows.last().map_or(0, |row| row.0),
        changes: rows.into_iter().filter_map(change).collect(),
    })
}

/// The identities on a list after this one, in key order.
pub(crate) fn listed(
    connection: &mut AnyConnection,
    list: IdentityList,
    after: &str,
    limit: i64,
) -> Result<Vec<ListedIdentity>, DbError> {
    let rows: Vec<(String, String)> = lists::table
        .filter(lists::list.eq(list.word()))
        .filter(lists::listed.eq(true))
        .filter(lists::identity_key.gt(after))
        .order(lists::identity_key.asc())
        .limit(limit)
        .select((lists::identity_key, lists::changed_at))
        .load(connection)?;
    let identity = |(identity, since): (String, String)| {
        let identity = identity.parse().ok()?;
        Some(ListedIdentity { identity, since })
    };
    Ok(rows.into_iter().filter_map(identity).collect())
}

/// The lists at the start. Schemas of earlier releases have none.
pub(crate) fn load(connection: &mut AnyConnection) -> IdentityLists {
    let lists = IdentityLists::default();
    match changes(connection, 0) {
        Ok(all) => lists.replace(&all.changes, all.last),
        Err(error) => log::warn!("the identity lists are not loaded yet: {error}"),
    }
    lists
}
