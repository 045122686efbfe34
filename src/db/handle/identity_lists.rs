//! The operator's lists of identities, for a running server and for commands.

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::connect::connector::by_hand;
use crate::db::engine::connect::pending_migrations;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::{self, WriteFailure, WriteLock};
use crate::db::store::identity_list_store::{self as store, SetListed};
use crate::ids::IdentityKey;
use crate::limits::IdentityLists;
use crate::model::{IdentityList, ListedIdentity};

use super::DbHandle;

impl DbHandle {
    /// Adds an identity to a list, or removes it. Returns whether the list changed. Servers notice at their next
    /// refresh.
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

    /// The identities on a list after this one, in key order.
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

    /// The lists as of the last refresh.
    #[must_use]
    pub fn identity_lists(&self) -> &IdentityLists {
        &self.0.identity_lists
    }

    /// Refreshes the lists from the database, which other servers and commands change too. Returns whether they
    /// changed.
    ///
    /// # Errors
    /// [`DbError`]. The lists stay unchanged then.
    pub async fn refresh_identity_lists(&self) -> Result<bool, DbError> {
        let _alone = self.0.following.lock().await;
        let lists = &self.0.identity_lists;
        let known = lists.revision();
        let found = self
            .read(None, move |connection| store::changes(connection, known))
            .await?;
        if known > 0 && found.first != Some(known) {
            // The last known change was replaced, or the rows were changed by hand.
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

/// Opens an existing database without pending migrations. Never creates one.
fn open(settings: &DbSettings) -> Result<AnyConnection, DbError> {
    match pending_migrations(settings)?.len() {
        0 => by_hand(settings),
        pending => Err(DbError::NotMigrated {
            url: settings.url.to_string(),
            pending,
        }),
    }
}

/// Adds identities to a list, or removes them. Returns the identities whose state changed. Running servers notice.
///
/// # Errors
/// [`DbError`]. Nothing changes then.
pub fn set_listed(
    settings: &DbSettings,
    list: IdentityList,
    identities: &[IdentityKey],
    listed: bool,
) -> Result<Vec<IdentityKey>, DbError> {
    let mut connection = open(settings)?;
    let now = Now::read(None).text;
    let set = transaction::write(&mut connection, WriteLock::Held, |connection| {
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
    set.map_err(WriteFailure::into_error)
}

/// The identities on a list after this one, in key order.
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
