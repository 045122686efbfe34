//! Sessions and request claims.

use futures_util::future::join_all;

use super::*;
use crate::model::{ClaimRefusal, SessionRow};

fn record(name: &str) -> SessionRow {
    SessionRow {
        own_nonce: name.to_owned(),
        peer_nonce: format!("nonce of {name}"),
        peer: key(),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn store_for(life: Duration) -> Store {
    store_with(|settings| settings.session_life = life, None)
}

#[actix::test]
async fn a_session_is_found_until_it_expires_or_is_ended() {
    let store = store_for(MINUTE);
    let (first, second) = (record("first"), record("second"));
    for session in [&first, &second] {
        store
            .db
            .store_session(session.clone(), false)
            .await
            .unwrap();
    }
    let find = |name: &str| store.db.find_session(name.to_owned());
    assert_eq!(find("first").await, Ok(Some(first.clone())));
    assert_eq!(find("third").await, Ok(None));
    // Stored again, as after a timeout.
    store.db.store_session(first.clone(), true).await.unwrap();
    assert_eq!(find("first").await, Ok(Some(first)));
    assert_eq!(store.db.prolong_session("first".to_owned()).await, Ok(true));
    assert_eq!(
        store.db.prolong_session("third".to_owned()).await,
        Ok(false)
    );
    store
        .database
        .run(r#"UPDATE "auth_sessions" SET "expiresAt" = 1 WHERE "sessionNonce" = 'first'"#);
    assert_eq!(find("first").await, Ok(None));
    // An ended session cannot be extended.
    assert_eq!(
        store.db.prolong_session("first".to_owned()).await,
        Ok(false)
    );
    assert_eq!(store.db.sweep_sessions(10).await, Ok(1));
    assert_eq!(store.database.count("auth_sessions"), 1);
    store
        .db
        .end_sessions(vec!["second".to_owned(), "third".to_owned()], true)
        .await
        .unwrap();
    assert_eq!(
        store.db.prolong_session("second".to_owned()).await,
        Ok(false)
    );
    assert_eq!(store.database.count("auth_sessions"), 0);
}

#[actix::test]
async fn sessions_that_begin_at_once_are_all_stored() {
    let store = store_for(MINUTE);
    let names: Vec<String> = (0..100).map(|n| format!("session {n}")).collect();
    let stored = names
        .iter()
        .map(|name| store.db.store_session(record(name), false));
    for stored in join_all(stored).await {
        assert_eq!(stored, Ok(()));
    }
    assert_eq!(store.database.count("auth_sessions"), 100);
    let prolonged = names
        .iter()
        .map(|name| store.db.prolong_session(name.clone()));
    for prolonged in join_all(prolonged).await {
        assert_eq!(prolonged, Ok(true));
    }
    let found = names.iter().map(|name| store.db.find_session(name.clone()));
    for found in join_all(found).await {
        assert!(found.unwrap().is_some());
    }
}

#[actix::test]
async fn a_request_writes_once_and_only_in_a_session_that_has_not_ended() {
    let store = store_for(MINUTE);
    store.db.store_session(record("s"), true).await.unwrap();
    let recipient = key();
    let set = async |session: &str, nonce: &str, fee: i64| {
        let claim = RequestClaim::new(session, nonce);
        let db = store.db.claiming(&claim);
        let set = db
            .set_permission(recipient, None, "inbox".to_owned(), fee)
            .await;
        (set, claim.refusal())
    };
    let fee = async || {
        let found = store
            .db
            .permission(recipient, None, "inbox".to_owned())
            .await;
        found.unwrap().map(|permission| permission.recipient_fee)
    };
    let refused = |refusal| (Err(DbError::NotCounted(refusal)), Some(refusal));
    assert_eq!(set("s", "1", 1).await, (Ok(()), None));
    assert_eq!(set("s", "1", 2).await, refused(ClaimRefusal::Repeated));
    assert_eq!(fee().await, Some(1));
    assert_eq!(set("s", "2", 2).await, (Ok(()), None));
    assert_eq!(
        set("other", "1", 3).await,
        refused(ClaimRefusal::SessionEnded)
    );
    assert_eq!(fee().await, Some(2));
    // In one group, each is refused on its own.
    let other = store.database.hold_writers();
    let all = ["3", "3", "1", "4"].map(|nonce| set("s", nonce, 4));
    let release = async {
        while store.db.status().queued_writes < 3 {
            tokio::task::yield_now().await;
        }
        drop(other);
    };
    let (answers, ()) = futures_util::future::join(join_all(all), release).await;
    let refusals: Vec<_> = answers.iter().map(|(_, refusal)| *refusal).collect();
    let repeated = Some(ClaimRefusal::Repeated);
    assert_eq!(refusals, [None, repeated, repeated, None]);
    assert_eq!(store.database.count("auth_message_nonces"), 4);
    let ended = store.db.end_sessions(vec!["s".to_owned()], true);
    ended.await.unwrap();
    let ended = async || !store.db.prolong_session("s".to_owned()).await.unwrap();
    assert!(ended().await);
    assert_eq!(store.database.count("auth_message_nonces"), 0);
    assert_eq!(set("s", "5", 5).await, refused(ClaimRefusal::SessionEnded));
}

#[actix::test]
async fn the_second_write_of_a_request_is_not_refused() {
    let store = store_for(MINUTE);
    store.db.store_session(record("s"), true).await.unwrap();
    let claim = RequestClaim::new("s", "1");
    let db = store.db.claiming(&claim);
    for fee in 0..2 {
        let set = db
            .set_permission(key(), None, "inbox".to_owned(), fee)
            .await;
        assert_eq!(set, Ok(()));
    }
    let again = store.db.claiming(&RequestClaim::new("s", "1"));
    let refused = again.claim_now().await;
    assert_eq!(refused, Err(DbError::NotCounted(ClaimRefusal::Repeated)));
}

#[actix::test]
async fn nonces_are_deleted_with_their_session_and_not_before() {
    let store = store_for(MINUTE);
    store.db.store_session(record("s"), true).await.unwrap();
    for nonce in ["1", "2"] {
        let db = store.db.claiming(&RequestClaim::new("s", nonce));
        db.claim_now().await.unwrap();
    }
    // The session was extended since.
    store
        .database
        .run(r#"UPDATE "auth_message_nonces" SET "expiresAt" = 1"#);
    assert_eq!(store.db.sweep_sessions(10).await, Ok(0));
    assert_eq!(store.database.count("auth_message_nonces"), 2);
    store.database.run(r#"DELETE FROM "auth_sessions""#);
    assert_eq!(store.db.sweep_sessions(10).await, Ok(2));
    assert_eq!(store.database.count("auth_message_nonces"), 0);
}

#[actix::test]
async fn strangers_leave_room_for_others_in_the_queue() {
    let store = store_with(
        |settings| {
            settings.max_queued_writes = 10;
            settings.max_group = 2;
        },
        None,
    );
    let other = store.database.hold_writers();
    let names: Vec<String> = (0..40).map(|n| format!("session {n}")).collect();
    let flood = names
        .iter()
        .map(|name| store.db.store_session(record(name), false));
    let mut flood = Box::pin(join_all(flood));
    assert!(futures_util::poll!(&mut flood).is_pending());
    let set = store.db.set_permission(key(), None, "inbox".to_owned(), 1);
    let mut set = Box::pin(set);
    assert!(futures_util::poll!(&mut set).is_pending());
    drop(other);
    assert_eq!(set.await, Ok(()));
    let stored = flood.await;
    assert!(stored.contains(&Err(DbError::Overloaded)) && stored.contains(&Ok(())));
}

/// Requests of one group whose nonces and sessions differ only in case.
#[actix::test]
async fn claims_of_a_group_are_compared_to_the_letter() {
    let store = store_for(MINUTE);
    store.db.store_session(record("s"), true).await.unwrap();
    let before = RequestClaim::new("s", "Nonce");
    assert_eq!(store.db.claiming(&before).claim_now().await, Ok(()));
    let held = store.database.hold_writers();
    // It waits for the lock, and the others join its group. On MySQL they are the next group.
    let first = store.db.claiming(&RequestClaim::new("s", "first"));
    let first = actix::spawn(async move { first.claim_now().await });
    tokio::task::yield_now().await;
    while store.db.status().queued_writes > 0 {
        tokio::task::yield_now().await;
    }
    let requests = [
        ("s", "Nonce", Err(ClaimRefusal::Repeated)),
        ("s", "nonce", Ok(())),
        ("s", "NONCE", Ok(())),
        ("s", "nonce", Err(ClaimRefusal::Repeated)),
        ("S", "nonce", Err(ClaimRefusal::SessionEnded)),
    ];
    let claims = requests.map(|(session, nonce, expected)| {
        let claim = RequestClaim::new(session, nonce);
        let db = store.db.claiming(&claim);
        let claimed = actix::spawn(async move { db.claim_now().await });
        (claimed, claim, expected)
    });
    while store.db.status().queued_writes < requests.len() {
        tokio::task::yield_now().await;
    }
    drop(held);
    assert_eq!(first.await.unwrap(), Ok(()));
    for (claimed, claim, expected) in claims {
        let claimed = claimed.await.unwrap();
        assert_eq!(claimed.is_ok(), expected.is_ok(), "{claim:?}");
        assert_eq!(claim.refusal(), expected.err(), "{claim:?}");
    }
}
