//! Storing, listing and acknowledging messages.

use super::*;

#[actix::test]
async fn a_message_is_stored_listed_and_acknowledged() {
    let store = store();
    let (recipient, sender) = (key(), key());
    assert_eq!(
        store.put(message(recipient, sender, "1")).await,
        Ok(StoreOutcome::Stored)
    );
    let listed = store
        .db
        .list(recipient, "inbox".to_owned(), Page::default(), everything())
        .await
        .unwrap()
        .messages;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].body, r#"{"message":"body of 1"}"#);
    assert_eq!(
        (listed[0].sender.as_str(), listed[0].message_id.as_str()),
        (&*sender.to_hex(), "1")
    );
    assert_eq!(listed[0].created_at, listed[0].updated_at);
    assert_eq!(
        store.db.acknowledge(sender, vec!["1".to_owned()]).await,
        Ok(0)
    );
    let ids = vec!["1".to_owned(), "unknown".to_owned()];
    assert_eq!(store.db.acknowledge(recipient, ids).await, Ok(1));
    assert_eq!(store.ids(recipient, "inbox").await, [""; 0]);
}

#[actix::test]
async fn a_message_is_unique_by_recipient_and_id() {
    let store = store();
    let (recipient, sender, stranger) = (key(), key(), key());
    assert_eq!(
        store.put(message(recipient, sender, "1")).await,
        Ok(StoreOutcome::Stored)
    );
    let mut again = message(recipient, sender, "1");
    assert_eq!(store.put(again.clone()).await, Ok(StoreOutcome::Duplicate));
    // Clients encrypt anew for each attempt.
    again.body = MessageBody::Text("encrypted once more".into());
    assert_eq!(store.put(again.clone()).await, Ok(StoreOutcome::Duplicate));
    // In another box the message would be lost despite the success reply.
    again.message_box = "another".to_owned();
    assert_eq!(store.put(again.clone()).await, Ok(StoreOutcome::Taken));
    let inspected = store.db.inspect(vec![again]).await;
    assert_eq!(inspected, Ok(SubmitOutcome::Taken(recipient)));
    assert_eq!(store.ids(recipient, "another").await, [""; 0]);
    let taken = store.put(message(recipient, stranger, "1")).await;
    assert_eq!(taken, Ok(StoreOutcome::Taken));
    assert_eq!(
        store.put(message(stranger, sender, "1")).await,
        Ok(StoreOutcome::Stored)
    );
    assert_eq!(store.ids(recipient, "inbox").await, ["1"]);
    assert_eq!(store.ids(recipient, "another").await, [""; 0]);
}

#[actix::test]
async fn names_and_ids_are_compared_to_the_letter() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for id in ["a", "A", "ä", "a ", "a'; DROP TABLE messages; --", "%", "_"] {
        assert_eq!(
            store.put(message(recipient, sender, id)).await,
            Ok(StoreOutcome::Stored),
            "{id}"
        );
    }
    let mut other = message(recipient, sender, "in the other box");
    other.message_box = "Inbox".to_owned();
    store.put(other).await.unwrap();
    assert_eq!(store.ids(recipient, "inbox").await.len(), 7);
    assert_eq!(store.ids(recipient, "Inbox").await, ["in the other box"]);
    assert_eq!(store.ids(recipient, "INBOX").await, [""; 0]);
}

#[actix::test]
async fn bodies_are_wrapped_as_they_came() {
    let bodies = [
        (
            MessageBody::Text("say \"hi\"\n€".into()),
            r#"{"message":"say \"hi\"\n€"}"#,
        ),
        (
            MessageBody::Json(r#"{"b": 1,"a":[ ]}"#.into()),
            r#"{"message":{"b": 1,"a":[ ]}}"#,
        ),
    ];
    for (body, wrapped) in bodies {
        assert_eq!(body.wrapped(None), wrapped);
    }
    assert_eq!(
        MessageBody::Text("x".into()).wrapped(Some(r#"{"tx":[1]}"#)),
        r#"{"message":"x","payment":{"tx":[1]}}"#
    );
    assert_eq!(MessageBody::Text("raw".into()).live(), "raw");
    assert_eq!(MessageBody::Json("{}".into()).live(), "{}");
}

#[actix::test]
async fn many_messages_are_acknowledged_with_few_statements() {
    let store = store();
    let (recipient, other, sender) = (key(), key(), key());
    let ids = |count: usize| -> Vec<String> { (0..count).map(|id| id.to_string()).collect() };
    for owner in [recipient, other] {
        // One identity may have 625 writes in the queue. Finished writes may count a little longer than their replies
        // take.
        for ids in ids(1_203).chunks(300) {
            let stored = ids.iter().map(|id| store.put(message(owner, sender, id)));
            for outcome in futures_util::future::join_all(stored).await {
                assert_eq!(outcome, Ok(StoreOutcome::Stored));
            }
        }
    }
    let command = Acknowledge {
        recipient,
        // Some ids appear twice, in one statement and in two, and some do not exist.
        message_ids: [ids(3), ids(1_200), ids(1_202)[1_198..].to_vec(), ids(7_000)].concat(),
    };
    let statements = Arc::new(AtomicUsize::new(0));
    let mut connection = open(&settings(&store.database)).unwrap().get().unwrap();
    connection.set_instrumentation({
        let statements = Arc::clone(&statements);
        move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                statements.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut scope = WriteScope {
        connection: &mut connection,
        boxes: &mut BoxIds::default(),
        now: &Now::read(None),
        fees: &DeliveryFees::default(),
        retention: &Retention::default(),
        quotas: &Quotas::NONE,
        totals: &mut TotalChanges::default(),
        sessions: &SessionSteps::default(),
    };
    assert_eq!(command.run(&mut scope).unwrap(), 1_203);
    let statements = statements.load(Ordering::Relaxed);
    assert!((1..100).contains(&statements), "{statements}");
    assert_eq!(store.ids(recipient, "inbox").await, [""; 0]);
    assert_eq!(store.ids(other, "inbox").await.len(), 1_203);
    assert_eq!(store.db.acknowledge(other, ids(1)).await, Ok(1));
    assert_eq!(store.db.acknowledge(other, ids(1)).await, Ok(0));
}

#[actix::test]
async fn everything_is_there_after_a_restart() {
    let mut database = TestDatabase::create();
    let (recipient, sender) = (key(), key());
    for round in 0..3 {
        let db = DbHandle::open(&settings(&database), None).unwrap();
        let store = Store { db, database };
        assert_eq!(store.ids(recipient, "inbox").await.len(), round);
        store
            .put(message(recipient, sender, &round.to_string()))
            .await
            .unwrap();
        store.db.close(PATIENCE).await.unwrap();
        assert_eq!(
            store.put(message(recipient, sender, "late")).await,
            Err(DbError::Closed)
        );
        database = store.database;
    }
}

#[actix::test]
async fn boxes_are_forgotten_by_their_number_and_not_by_their_owners() {
    let mut boxes = BoxIds::default();
    let owner = key();
    for id in 0..50_001 {
        boxes.insert(&owner, &id.to_string(), id);
    }
    assert_eq!(boxes.len(), 1);
}

#[actix::test]
async fn what_was_stored_while_the_clock_was_ahead_does_not_keep_the_rest() {
    let store = store_with(
        |settings| settings.message_ttl = Some(Duration::from_secs(60)),
        None,
    );
    let (recipient, sender) = (key(), key());
    for id in ["1", "2"] {
        let stored = store.put(message(recipient, sender, id)).await;
        assert_eq!(stored, Ok(StoreOutcome::Stored));
    }
    store.set_time(
        "messages",
        "created_at",
        "2037-01-01T00:00:00.000Z",
        r#""messageId" = '1'"#,
    );
    store.set_time(
        "messages",
        "created_at",
        "2020-01-01T00:00:00.000Z",
        r#""messageId" = '2'"#,
    );
    assert_eq!(store.db.delete_expired(1).await, Ok(1));
    assert_eq!(store.ids(recipient, "inbox").await, ["1"]);
}
