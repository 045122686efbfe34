//! Failures, and what still works after them.

use super::*;

#[actix::test]
async fn a_panic_fails_its_own_write_and_nothing_else() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for round in 1..=3 {
        let (reply, panicked) = oneshot::channel();
        store
            .db
            .write(Panics, move |result| drop(reply.send(result)));
        let id = round.to_string();
        assert_eq!(
            store.put(message(recipient, sender, &id)).await,
            Ok(StoreOutcome::Stored)
        );
        assert_eq!(panicked.await.unwrap(), Err(DbError::Panicked));
    }
    assert_eq!(store.ids(recipient, "inbox").await, ["1", "2", "3"]);
    assert!(store.db.status().panics >= 3);
    assert_eq!(store.db.ping(PATIENCE).await, Ok(()));
}

#[actix::test]
async fn a_caller_whose_answer_panics_harms_itself_only() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for round in 1..=3 {
        let id = round.to_string();
        store.db.submit(one(message(recipient, sender, &id)), |_| {
            panic!("on purpose")
        });
        let id = format!("next to {round}");
        assert_eq!(
            store.put(message(recipient, sender, &id)).await,
            Ok(StoreOutcome::Stored)
        );
    }
    assert_eq!(store.ids(recipient, "inbox").await.len(), 6);
    assert_eq!(store.db.ping(PATIENCE).await, Ok(()));
}

#[actix::test]
async fn a_read_that_panics_fails_alone() {
    let store = store();
    for _ in 0..9 {
        let read: Result<(), _> = store.db.read(None, |_| panic!("on purpose")).await;
        assert_eq!(read, Err(DbError::Panicked));
    }
    assert_eq!(store.ids(key(), "inbox").await, [""; 0]);
}

/// The results, in the order of the writes.
async fn put_all(store: &Store, count: usize) -> Vec<Result<SubmitOutcome, DbError>> {
    let (recipient, sender) = (key(), key());
    let answers: Vec<_> = (0..count)
        .map(|n| {
            let (reply, answer) = oneshot::channel();
            let message = message(recipient, sender, &n.to_string());
            store
                .db
                .submit(one(message), move |result| drop(reply.send(result)));
            answer
        })
        .collect();
    let mut all = Vec::new();
    for answer in answers {
        all.push(
            tokio::time::timeout(PATIENCE, answer)
                .await
                .unwrap()
                .unwrap(),
        );
    }
    all
}

#[actix::test]
async fn a_database_that_is_moved_away_takes_nothing_until_it_is_back() {
    let store = store_in(TestDatabase::of(Kind::Sqlite), |_| {}, None);
    assert_eq!(store.db.probe().await, Ok(()));
    let file = store.database.url().trim_start_matches("sqlite://");
    for name in ["", "-wal"] {
        let here = std::path::PathBuf::from(format!("{file}{name}"));
        let away = here.with_file_name("away");
        std::fs::rename(&here, &away).unwrap();
        let answers = put_all(&store, 20).await;
        assert!(answers.iter().all(Result::is_err), "{here:?}: {answers:?}");
        assert!(
            store
                .db
                .probe()
                .await
                .unwrap_err()
                .to_string()
                .contains("is gone")
        );
        // A different file at the path is not accepted.
        std::fs::write(&here, "").unwrap();
        let error = store.db.probe().await.unwrap_err().to_string();
        assert!(
            error.contains("another file") && error.contains("restart"),
            "{error}"
        );
        std::fs::rename(&away, &here).unwrap();
        assert_eq!(store.db.probe().await, Ok(()));
        assert!(put_all(&store, 20).await.iter().all(Result::is_ok));
    }
    assert!(std::path::Path::new(file).exists());
}

/// One write at a time, the group would wait for as many lock timeouts.
#[actix::test]
async fn a_database_that_is_locked_fails_a_group_at_once() {
    let store = store_with(
        |settings| settings.busy_timeout = Duration::from_secs(1),
        None,
    );
    let other = store.database.hold_writers();
    let began = std::time::Instant::now();
    let answers = put_all(&store, 200).await;
    assert!(answers.iter().all(Result::is_err));
    // One by one, this would take minutes.
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(store.db.probe().await.is_err());
    drop(other);
    assert_eq!(store.db.probe().await, Ok(()));
    assert!(put_all(&store, 200).await.iter().all(Result::is_ok));
}

#[actix::test]
async fn a_probe_leaves_nothing_and_finds_tables_that_are_gone() {
    let store = store();
    let fees = store.database.count("server_fees");
    assert_eq!(store.db.probe().await, Ok(()));
    assert_eq!(store.database.count("server_fees"), fees);
    store
        .database
        .run(r#"ALTER TABLE "server_fees" RENAME TO "gone""#);
    assert!(store.db.probe().await.is_err());
}

#[actix::test]
async fn a_locked_database_fails_writes_and_then_goes_on() {
    let store = store_with(
        |settings| settings.busy_timeout = Duration::from_secs(1),
        None,
    );
    let (recipient, sender) = (key(), key());
    store
        .put(message(recipient, sender, "before"))
        .await
        .unwrap();
    let other = store.database.hold_writers();
    let refused = store.put(message(recipient, sender, "during")).await;
    assert!(
        matches!(refused, Err(DbError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(store.ids(recipient, "inbox").await, ["before"]);
    drop(other);
    let mut new_box = message(recipient, sender, "after");
    new_box.message_box = "new".to_owned();
    assert_eq!(store.put(new_box).await, Ok(StoreOutcome::Stored));
    assert_eq!(store.ids(recipient, "new").await, ["after"]);
}
