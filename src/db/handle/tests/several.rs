//! Several servers on one database.

use std::sync::atomic::AtomicUsize;

use diesel::result::{DatabaseErrorKind, Error};
use futures_util::future::{join, join_all};

use super::*;
use crate::db::engine::connect::connector::by_hand;
use crate::db::engine::migrations;
use crate::db::engine::migrations::refuse_newer;
use crate::db::store::messages::message_store;

/// Two servers on one database.
fn servers() -> (TestDatabase, [DbHandle; 2]) {
    let database = TestDatabase::create();
    let open = || DbHandle::open(&settings(&database), None).unwrap();
    let servers = [open(), open()];
    (database, servers)
}

async fn put(db: &DbHandle, message: NewMessage) -> StoreOutcome {
    let (sender, receiver) = oneshot::channel();
    db.submit(one(message), move |result| drop(sender.send(result)));
    single(&receiver.await.unwrap().unwrap())
}

const SENDERS: usize = 4;
const MESSAGES: usize = 40;

/// Each message goes to the other server than the one before. A reader continues from its cursor, and no message is
/// missing or early.
#[actix::test]
async fn each_senders_order_is_kept_and_a_cursor_misses_nothing() {
    let (_database, servers) = servers();
    let recipient = key();
    let senders = (0..SENDERS).map(|sender| {
        let (from, servers) = (key(), &servers);
        async move {
            for n in 0..MESSAGES {
                let message = message(recipient, from, &format!("{sender} {n}"));
                assert_eq!(put(&servers[n % 2], message).await, StoreOutcome::Stored);
            }
        }
    });
    let reader = async {
        let mut seen: Vec<(i64, String)> = Vec::new();
        while seen.len() < SENDERS * MESSAGES {
            let page = Page {
                after: seen.last().map(|(id, _)| *id),
                ..Page::default()
            };
            let listed =
                servers[seen.len() % 2].list(recipient, "inbox".to_owned(), page, everything());
            let listed = listed.await.unwrap().messages;
            seen.extend(
                listed
                    .into_iter()
                    .map(|message| (message.id, message.message_id)),
            );
            tokio::task::yield_now().await;
        }
        seen
    };
    let both = join(join_all(senders), reader);
    let (_, seen) = tokio::time::timeout(3 * PATIENCE, both).await.unwrap();
    let page = Page::default();
    let listed = servers[0]
        .list(recipient, "inbox".to_owned(), page, everything())
        .await
        .unwrap();
    let listed: Vec<String> = listed
        .messages
        .into_iter()
        .map(|message| message.message_id)
        .collect();
    let seen: Vec<String> = seen.into_iter().map(|(_, id)| id).collect();
    assert_eq!(seen, listed);
    for sender in 0..SENDERS {
        let prefix = format!("{sender} ");
        let own: Vec<&str> = listed
            .iter()
            .filter_map(|id| id.strip_prefix(&prefix))
            .collect();
        let expected: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
        assert_eq!(own, expected);
    }
}

#[actix::test]
async fn an_id_a_box_and_a_permission_for_everybody_are_made_once() {
    let (database, [one, two]) = servers();
    for round in 0..20 {
        let (recipient, alice, bob) = (key(), key(), key());
        let to = |sender| NewMessage {
            message_box: format!("box {round}"),
            ..message(recipient, sender, "1")
        };
        let outcomes = join(put(&one, to(alice)), put(&two, to(bob))).await;
        let (first, second) = (StoreOutcome::Stored, StoreOutcome::Taken);
        assert!(
            outcomes == (first, second) || outcomes == (second, first),
            "{outcomes:?}"
        );
        let set = |db: &DbHandle, fee| {
            let db = db.clone();
            async move {
                db.set_permission(recipient, None, "inbox".to_owned(), fee)
                    .await
            }
        };
        assert_eq!(join(set(&one, 1), set(&two, 2)).await, (Ok(()), Ok(())));
    }
    assert_eq!(database.count("messageBox"), 20);
    assert_eq!(database.count("message_permissions"), 20);
}

/// Collides with another transaction the first few times.
struct Collides(AtomicUsize);

impl WriteCommand for Collides {
    type Output = usize;

    fn run(&self, scope: &mut WriteScope<'_>) -> diesel::QueryResult<usize> {
        let recipient = key();
        message_store::store(scope, &message(recipient, recipient, "1"))?;
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        if before < 3 {
            let deadlock = Box::new("deadlock detected".to_owned());
            return Err(Error::DatabaseError(
                DatabaseErrorKind::SerializationFailure,
                deadlock,
            ));
        }
        Ok(before)
    }
}

#[actix::test]
async fn what_was_in_anothers_way_is_tried_again_whole() {
    let store = store();
    assert_eq!(store.db.run(Collides(AtomicUsize::new(0))).await, Ok(3));
    assert_eq!(store.db.status().failures, 0);
    assert_eq!(store.database.count("messages"), 1);
}

#[test]
fn servers_that_start_together_take_turns_in_making_the_tables() {
    const SERVERS: usize = 8;
    for _ in 0..3 {
        let database = TestDatabase::create();
        let settings = settings(&database);
        let connections = [(); SERVERS].map(|()| by_hand(&settings).unwrap());
        let start = std::sync::Barrier::new(SERVERS);
        std::thread::scope(|scope| {
            let opened: Vec<_> = connections
                .into_iter()
                .map(|mut connection| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        let refused = refuse_newer(&mut connection);
                        refused.map(|()| migrations::migrate(&mut connection))
                    })
                })
                .collect();
            let applied = opened.into_iter().map(|server| server.join().unwrap());
            let applied: Vec<_> = applied
                .map(|applied| applied.unwrap().unwrap().len())
                .collect();
            assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1);
        });
    }
}
