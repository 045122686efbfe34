//! Quotas, recounts, retention of single boxes, and nearly full disks.

use std::sync::atomic::AtomicBool;

use futures_util::future::join_all;

use super::*;
use crate::model::{Quota, QuotaExceeded, QuotaResource, Role};

/// So large that no message exceeds it, but totals are kept.
const LARGE: Quotas = Quotas {
    inbox: Quota {
        messages: Some(1_000_000),
        bytes: None,
    },
    sender: Quota::NONE,
};

/// A server on this database with these quotas.
fn limited(database: &TestDatabase, quotas: Quotas) -> DbHandle {
    let mut settings = settings(database);
    settings.quotas = quotas;
    DbHandle::open(&settings, None).unwrap()
}

fn only_inbox(messages: u64) -> Quotas {
    Quotas {
        inbox: Quota {
            messages: Some(messages),
            bytes: None,
        },
        sender: Quota::NONE,
    }
}

async fn submit(db: &DbHandle, messages: Vec<NewMessage>) -> Result<SubmitOutcome, DbError> {
    let (sender, receiver) = oneshot::channel();
    let submission = Submission {
        messages,
        paid: None,
        has_payment: false,
    };
    db.submit(submission, move |result| drop(sender.send(result)));
    tokio::time::timeout(PATIENCE, receiver)
        .await
        .unwrap()
        .unwrap()
}

async fn is_stored(db: &DbHandle, message: NewMessage) -> bool {
    let outcome = submit(db, vec![message]).await.unwrap();
    matches!(outcome, SubmitOutcome::Stored(_))
}

/// The number of messages of the largest inbox and of the largest sender.
async fn largest(db: &DbHandle) -> (i64, i64) {
    let totals = db.refresh_totals().await.unwrap().unwrap();
    (totals.inboxes.most_messages, totals.senders.most_messages)
}

#[actix::test]
async fn a_full_inbox_takes_messages_again_when_one_is_acknowledged_or_has_expired() {
    let database = TestDatabase::create();
    let db = limited(&database, only_inbox(2));
    let (recipient, sender, other) = (key(), key(), key());
    let to_recipient = |id: &str| message(recipient, sender, id);
    let expiring = NewMessage {
        expires_at: Some(OffsetDateTime::now_utc() + Duration::from_secs(3_600)),
        ..to_recipient("2")
    };
    assert!(is_stored(&db, to_recipient("1")).await);
    assert!(is_stored(&db, expiring).await);
    let full = SubmitOutcome::Full(QuotaExceeded {
        identity: recipient,
        role: Role::Inbox,
        resource: QuotaResource::Messages,
        limit: 2,
    });
    assert_eq!(submit(&db, vec![to_recipient("3")]).await, Ok(full.clone()));
    // No price is quoted for a message that cannot be stored.
    assert_eq!(db.inspect(vec![to_recipient("3")]).await, Ok(full.clone()));
    // Duplicates may be sent again, and so may other requests.
    assert!(is_stored(&db, to_recipient("1")).await);
    let repeated = db.inspect(vec![to_recipient("1")]).await.unwrap();
    assert!(matches!(
        repeated,
        SubmitOutcome::Due(_) | SubmitOutcome::Stored(_)
    ));
    assert!(is_stored(&db, message(other, sender, "3")).await);
    // All or nothing: the other recipient gets nothing either.
    let several = vec![message(other, sender, "4"), to_recipient("4")];
    assert_eq!(submit(&db, several).await, Ok(full.clone()));
    let store = Store { db, database };
    assert_eq!(store.ids(other, "inbox").await, ["3"]);

    assert_eq!(
        store.db.acknowledge(recipient, vec!["1".to_owned()]).await,
        Ok(1)
    );
    assert!(is_stored(&store.db, to_recipient("5")).await);
    assert_eq!(submit(&store.db, vec![to_recipient("6")]).await, Ok(full));
    let past = store.database.time("2020-01-01T00:00:00.000Z");
    store.database.run(&format!(
        r#"UPDATE "messages" SET "expires_at" = {past} WHERE "messageId" = '2'"#
    ));
    assert_eq!(store.db.delete_expired(10).await, Ok(1));
    assert!(is_stored(&store.db, to_recipient("6")).await);
    assert_eq!(store.db.recount().await, Ok(Some(0)));
}

#[actix::test]
async fn a_sender_is_limited_in_bytes_for_all_recipients_together() {
    let database = TestDatabase::create();
    let body = message(key(), key(), "1").body.wrapped(None);
    let limit = u64::try_from(body.len()).unwrap() * 2;
    let quotas = Quotas {
        inbox: Quota::NONE,
        sender: Quota {
            messages: None,
            bytes: Some(limit),
        },
    };
    let db = limited(&database, quotas);
    let (sender, recipients) = (key(), [key(), key(), key()]);
    for recipient in &recipients[..2] {
        assert!(is_stored(&db, message(*recipient, sender, "1")).await);
    }
    let full = SubmitOutcome::Full(QuotaExceeded {
        identity: sender,
        role: Role::Sender,
        resource: QuotaResource::Bytes,
        limit,
    });
    let third = || vec![message(recipients[2], sender, "1")];
    assert_eq!(submit(&db, third()).await, Ok(full));
    assert!(is_stored(&db, message(recipients[2], key(), "2")).await);
    assert_eq!(
        db.acknowledge(recipients[0], vec!["1".to_owned()]).await,
        Ok(1)
    );
    assert!(matches!(
        submit(&db, third()).await,
        Ok(SubmitOutcome::Stored(_))
    ));
}

/// As servers of earlier releases and other programs do.
#[actix::test]
async fn what_was_written_by_servers_that_count_nothing_is_counted() {
    let database = TestDatabase::create();
    let earlier = limited(&database, Quotas::NONE);
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3"] {
        assert!(is_stored(&earlier, message(recipient, sender, id)).await);
    }
    assert_eq!(earlier.recount().await, Ok(None));
    assert_eq!(database.count("stored_totals"), 0);

    let db = limited(&database, only_inbox(2));
    // No total exists yet.
    assert!(is_stored(&db, message(recipient, sender, "4")).await);
    assert_eq!(db.recount().await, Ok(Some(2)));
    assert_eq!(largest(&db).await, (4, 4));
    let totals = db.totals().unwrap();
    assert_eq!((totals.inboxes.over, totals.senders.over), (1, 0));
    assert!(!is_stored(&db, message(recipient, sender, "5")).await);
    // The inbox can still be read and acknowledged.
    let store = Store { db, database };
    assert_eq!(store.ids(recipient, "inbox").await, ["1", "2", "3", "4"]);
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(
        earlier.acknowledge(recipient, ids(&["1", "2"])).await,
        Ok(2)
    );
    assert!(!is_stored(&store.db, message(recipient, sender, "5")).await);
    assert_eq!(store.db.recount().await, Ok(Some(2)));
    assert_eq!(largest(&store.db).await, (2, 2));
    assert_eq!(
        store.db.acknowledge(recipient, ids(&["3", "4"])).await,
        Ok(2)
    );
    // Empty rows are deleted.
    assert_eq!(store.database.count("stored_totals"), 2);
    assert_eq!(store.db.recount().await, Ok(Some(0)));
    assert_eq!(store.database.count("stored_totals"), 0);
}

#[actix::test]
async fn a_recount_is_right_whatever_is_written_meanwhile() {
    let database = TestDatabase::create();
    let earlier = limited(&database, Quotas::NONE);
    let (sender, recipients) = (key(), [key(), key(), key(), key()]);
    for n in 0..40_usize {
        assert!(is_stored(&earlier, message(recipients[n % 4], sender, &n.to_string())).await);
    }
    let db = limited(&database, LARGE);
    let is_done = AtomicBool::new(false);
    let writes = recipients.map(|recipient| {
        let (db, is_done) = (&db, &is_done);
        async move {
            let mut n = 100;
            while !is_done.load(Ordering::Acquire) || n < 120 {
                n += 1;
                assert!(is_stored(db, message(recipient, sender, &n.to_string())).await);
                if n % 3 > 0 {
                    let acknowledged = db.acknowledge(recipient, vec![n.to_string()]).await;
                    assert_eq!(acknowledged, Ok(1));
                }
            }
        }
    });
    let recounts = async {
        let mut off = Vec::new();
        for _ in 0..5 {
            off.push(db.recount().await.unwrap().unwrap());
        }
        is_done.store(true, Ordering::Release);
        off
    };
    let (off, _) = futures_util::future::join(recounts, join_all(writes)).await;
    assert_eq!(off, [5, 0, 0, 0, 0]);
    assert_eq!(db.recount().await, Ok(Some(0)));
}

#[actix::test]
async fn messages_of_a_box_are_kept_as_long_as_it_says() {
    let day = Duration::from_secs(24 * 3_600);
    let store = store_with(
        |settings| {
            settings.retention.insert("news".to_owned(), day);
        },
        None,
    );
    let (recipient, sender) = (key(), key());
    let in_news = |id: &str, expires_at| NewMessage {
        message_box: "news".to_owned(),
        expires_at,
        ..message(recipient, sender, id)
    };
    let soon = Some(OffsetDateTime::now_utc() + Duration::from_secs(60));
    let late = Some(OffsetDateTime::now_utc() + day * 9);
    for message in [
        in_news("none", None),
        in_news("soon", soon),
        in_news("late", late),
        message(recipient, sender, "another box"),
    ] {
        assert_eq!(store.put(message).await, Ok(StoreOutcome::Stored));
    }
    let expiring = |condition: &str| {
        let query = format!(
            r#"SELECT "messageId" AS "value" FROM "messages" WHERE "expires_at" {condition} ORDER BY "messageId""#
        );
        store.database.texts(&query)
    };
    let at = |after: Duration| {
        let time = clock::text(OffsetDateTime::now_utc() + after);
        store.database.time(&time)
    };
    assert_eq!(expiring("IS NULL"), ["another box"]);
    assert_eq!(expiring(&format!("> {}", at(day + day))), [""; 0]);
    assert_eq!(expiring(&format!("> {}", at(day / 2))), ["late", "none"]);
}

#[actix::test]
async fn on_a_disk_that_is_nearly_full_messages_can_be_read_and_acknowledged() {
    let store = store();
    let (recipient, sender) = (key(), key());
    assert_eq!(
        store.put(message(recipient, sender, "1")).await,
        Ok(StoreOutcome::Stored)
    );
    let Store { db, database } = store;
    drop(db);
    let mut settings = settings(&database);
    settings.min_free_bytes = u64::MAX;
    let db = DbHandle::open(&settings, None).unwrap();
    let Some(space) = db.disk() else {
        // A database server manages its own disk.
        let store = Store { db, database };
        assert_eq!(
            store.put(message(recipient, sender, "2")).await,
            Ok(StoreOutcome::Stored)
        );
        return;
    };
    assert!(space.is_low());
    let refused = submit(&db, vec![message(recipient, sender, "2")]).await;
    assert_eq!(refused, Err(DbError::LowDisk));
    let inspected = db.inspect(vec![message(recipient, sender, "2")]).await;
    assert_eq!(inspected, Err(DbError::LowDisk));
    let store = Store { db, database };
    assert_eq!(store.ids(recipient, "inbox").await, ["1"]);
    assert_eq!(
        store.db.acknowledge(recipient, vec!["1".to_owned()]).await,
        Ok(1)
    );
}
