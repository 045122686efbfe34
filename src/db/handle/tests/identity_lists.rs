//! The operator's lists of identities.

use super::*;
use crate::db::{listed_identities, set_listed};
use crate::model::IdentityList::{Allow, Block};
use crate::model::NotServed;

/// A second server on the same database.
fn beside(store: &Store) -> DbHandle {
    DbHandle::open(&settings(&store.database), None).unwrap()
}

#[actix::test]
async fn a_change_holds_on_every_server_that_follows_and_after_a_restart() {
    let store = store();
    let other = beside(&store);
    let (alice, bob) = (key(), key());
    assert_eq!(store.db.refresh_identity_lists().await, Ok(false));
    for (listed, is_changed) in [(true, true), (true, false)] {
        assert_eq!(
            store.db.set_listed(Block, alice, listed).await,
            Ok(is_changed)
        );
    }
    assert_eq!(store.db.set_listed(Block, bob, false).await, Ok(false));
    assert_eq!(other.identity_lists().check(&alice), Ok(()));
    for db in [&store.db, &other] {
        assert_eq!(db.refresh_identity_lists().await, Ok(true));
        assert_eq!(db.refresh_identity_lists().await, Ok(false));
        assert_eq!(db.identity_lists().check(&alice), Err(NotServed::Blocked));
    }
    let restarted = beside(&store);
    assert_eq!(
        restarted.identity_lists().check(&alice),
        Err(NotServed::Blocked)
    );
    // The last change is replaced, and another change follows it.
    store.db.set_listed(Block, alice, false).await.unwrap();
    store.db.set_listed(Allow, bob, true).await.unwrap();
    for db in [&store.db, &other, &restarted] {
        assert_eq!(db.refresh_identity_lists().await, Ok(true));
        assert_eq!(
            db.identity_lists().check(&alice),
            Err(NotServed::NotAllowed)
        );
        assert_eq!(db.identity_lists().check(&bob), Ok(()));
        assert_eq!(db.refresh_identity_lists().await, Ok(false));
    }
    // Rows deleted by hand are noticed too.
    store.database.run(r#"DELETE FROM "identity_lists""#);
    assert_eq!(other.refresh_identity_lists().await, Ok(true));
    assert_eq!(other.identity_lists().check(&alice), Ok(()));
}

#[actix::test]
async fn a_command_changes_lists_beside_running_servers() {
    let store = store();
    let settings = settings(&store.database);
    let mut keys = [key(), key(), key()];
    keys.sort_by_key(IdentityKey::to_hex);
    let [one, two, three] = keys;
    let changed = set_listed(&settings, Block, &[one, two, one], true).unwrap();
    assert_eq!(changed, [one, two]);
    assert_eq!(
        set_listed(&settings, Block, &[two, three], true),
        Ok(vec![three])
    );
    assert_eq!(set_listed(&settings, Block, &[two], false), Ok(vec![two]));
    assert_eq!(store.db.refresh_identity_lists().await, Ok(true));
    let served = |key: &IdentityKey| store.db.identity_lists().check(key).is_ok();
    assert_eq!(keys.map(|key| served(&key)), [false, true, false]);
    let listed = |after: &str, limit| {
        let listed = listed_identities(&settings, Block, after, limit).unwrap();
        listed
            .into_iter()
            .map(|listed| listed.identity)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("", 9), [one, three]);
    assert_eq!(listed("", 1), [one]);
    assert_eq!(listed(&one.to_hex(), 9), [three]);
    assert_eq!(listed_identities(&settings, Allow, "", 9), Ok(Vec::new()));
    let by_handle = store.db.listed(Block, one.to_hex(), 9).await.unwrap();
    assert_eq!(by_handle.len(), 1);
    assert!(by_handle[0].since.ends_with('Z'), "{by_handle:?}");
}

#[test]
fn a_database_that_is_not_there_is_not_made_by_a_look_at_its_lists() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let settings = DbSettings::new(DatabaseUrl::Sqlite(path.clone()));
    let refused = set_listed(&settings, Block, &[key()], true);
    assert!(
        matches!(refused, Err(DbError::NotMigrated { .. })),
        "{refused:?}"
    );
    assert!(!path.exists());
}
