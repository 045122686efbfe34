//! The operator's lists of identities, through the handle and without a server.

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::connection::{DbSettings, by_hand, pending_migrations};
use crate::db::engine::dialect::{self, Failure, WriteLock};
use crate::db::engine::error::DbError;
use crate::db::store::identity_list_store::{self as store, SetListed};
use crate::ids::IdentityKey;
use crate::limits::IdentityLists;
use crate::model::{IdentityList, ListedIdentity};

use super::DbHandle;

impl DbHandle {
    /// Puts an identity on a list, or takes it off; says whether that changed anything. Servers notice when they follow.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn set_listed(
        &self,
        list: IdentityList,
        identity: IdentityKey,
        listed: bool,
    ) -> Result<bool, DbError> {
        let command = SetListed {
            list,
            identity,
            listed,
        };
        self.run(command).await
    }

    /// Identities on a list, by their keys, behind this one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn listed(
        &self,
        list: IdentityList,
        after: String,
        limit: i64,
    ) -> Result<Vec<ListedIdentity>, DbError> {
        self.read(None, move |connection| {
            store::listed(connection, list, &after, limit)
        })
        .await
    }

    /// The lists as they were when they were looked at last.
    #[must_use]
    pub fn identity_lists(&self) -> &IdentityLists {
        &self.0.identity_lists
    }

    /// Looks at the lists in the database, which other servers and commands change too; says whether anything has changed.
    ///
    /// # Errors
    /// [`DbError`]. Then the lists stay as they were.
    pub async fn follow_identity_lists(&self) -> Result<bool, DbError> {
        let _alone = self.0.following.lock().await;
        let lists = &self.0.identity_lists;
        let known = lists.revision();
        let found = self
            .read(None, move |connection| store::changes(connection, known))
            .await?;
        if known > 0 && found.first != Some(known) {
            // What was known last has changed again, or the rows are others.
            let all = self
                .read(None, |connection| store::changes(connection, 0))
                .await?;
            lists.replace(&all.changes, all.last);
            return Ok(true);
        }
        let is_changed = found.last > known;
        if is_changed {
            lists.apply(&found.changes, found.last);
        }
        Ok(is_changed)
    }
}

/// The lists at the start. Tables of an earlier release have none.
pub(super) fn at_start(connection: &mut AnyConnection) -> IdentityLists {
    let lists = IdentityLists::default();
    match store::changes(connection, 0) {
        Ok(all) => lists.replace(&all.changes, all.last),
        Err(error) => log::warn!("the lists of identities are not known yet: {error}"),
    }
    lists
}

/// A connection to a database whose tables are up to date. None is made.
fn open(settings: &DbSettings) -> Result<AnyConnection, DbError> {
    match pending_migrations(settings)?.len() {
        0 => by_hand(settings),
        pending => Err(DbError::NotMigrated {
            url: settings.url.to_string(),
            pending,
        }),
    }
}

/// Puts identities on a list, or takes them off; gives those for which that changed something. Servers may run, and notice.
///
/// # Errors
/// [`DbError`]. Then nothing is changed.
pub fn set_listed(
    settings: &DbSettings,
    list: IdentityList,
    identities: &[IdentityKey],
    listed: bool,
) -> Result<Vec<IdentityKey>, DbError> {
    let mut connection = open(settings)?;
    let now = Now::read(None).text;
    let set = dialect::write(&mut connection, WriteLock::Held, |connection| {
        let mut changed = Vec::new();
        for identity in identities {
            let set = SetListed {
                list,
                identity: *identity,
                listed,
            };
            if set.apply(connection, &now)? {
                changed.push(*identity);
            }
        }
        Ok(changed)
    });
    set.map_err(Failure::into_error)
}

/// Identities on a list, by their keys, behind this one.
///
/// # Errors
/// [`DbError`].
pub fn listed_identities(
    settings: &DbSettings,
    list: IdentityList,
    after: &str,
    limit: i64,
) -> Result<Vec<ListedIdentity>, DbError> {
    store::listed(&mut open(settings)?, list, after, limit)
}
