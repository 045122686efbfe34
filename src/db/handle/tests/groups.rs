//! Writes committed together, and the notices of them.

use super::*;

#[actix::test]
async fn what_waits_is_committed_together_and_answered_in_order() {
    let store = store();
    let (recipient, sender) = (key(), key());
    let (replies, mut order) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..500 {
        let replies = replies.clone();
        store.db.submit(
            one(message(recipient, sender, &n.to_string())),
            move |result| {
                replies
                    .send((n, result.map(|outcome| single(&outcome))))
                    .unwrap();
            },
        );
    }
    let mut all = Vec::new();
    while all.len() < 500 {
        all.push(
            tokio::time::timeout(PATIENCE, order.recv())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let expected: Vec<_> = (0..500).map(|n| (n, Ok(StoreOutcome::Stored))).collect();
    assert_eq!(all, expected);
    let status = store.db.status();
    assert_eq!(status.writes, 500);
    assert!(
        status.commits < 500 && status.largest_group > 1,
        "{status:?}"
    );
    let listed = store.ids(recipient, "inbox").await;
    assert_eq!(listed, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[actix::test]
async fn what_comes_while_a_group_waits_for_the_lock_goes_with_it() {
    let store = store();
    let (recipient, sender) = (key(), key());
    let (replies, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    let put = |id| {
        let replies = replies.clone();
        let message = one(message(recipient, sender, id));
        store.db.submit(message, move |result| {
            replies
                .send(result.map(|outcome| single(&outcome)))
                .unwrap();
        });
    };
    let another_server = store.database.hold_writers();
    put("1");
    // Once the queue is empty, the transaction waits for the lock.
    while store.db.status().queued_writes > 0 {
        tokio::task::yield_now().await;
    }
    put("2");
    drop(another_server);
    for _ in 0..2 {
        let outcome = tokio::time::timeout(PATIENCE, outcomes.recv()).await;
        assert_eq!(outcome.unwrap(), Some(Ok(StoreOutcome::Stored)));
    }
    assert_eq!(store.db.status().commits, 1);
    assert_eq!(store.ids(recipient, "inbox").await, ["1", "2"]);
}

struct Recorder(mpsc::Sender<Vec<Committed>>);

impl Actor for Recorder {
    type Context = Context<Self>;
}

impl Handler<MessagesStored> for Recorder {
    type Result = ();

    fn handle(&mut self, notice: MessagesStored, _ctx: &mut Self::Context) {
        self.0.send(notice.messages).unwrap();
    }
}

#[actix::test]
async fn commits_are_announced_once_in_order_and_without_duplicates() {
    let (sender, notices) = mpsc::channel();
    let recorder = Recorder(sender).start();
    let change = |settings: &mut DbSettings| settings.returns_ids = true;
    let store = store_with(change, Some(recorder.recipient()));
    let (recipient, from) = (key(), key());
    for id in ["1", "2", "1", "3"] {
        store.put(message(recipient, from, id)).await.unwrap();
    }
    let mut announced = Vec::new();
    while announced.len() < 3 {
        tokio::task::yield_now().await;
        announced.extend(
            notices
                .try_iter()
                .flatten()
                .map(|stored| (stored.message.message_id, stored.id.unwrap())),
        );
    }
    let listed = store
        .db
        .list(recipient, "inbox".to_owned(), Page::default(), everything())
        .await
        .unwrap();
    let listed = listed.messages.into_iter();
    let listed: Vec<_> = listed
        .map(|message| (message.message_id, message.id))
        .collect();
    assert_eq!(announced, listed);
    let names: Vec<&str> = announced.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1", "2", "3"]);
}

#[actix::test]
async fn a_caller_that_goes_away_takes_nothing_back() {
    let store = store();
    let (recipient, sender) = (key(), key());
    let (first, other) = (
        message(recipient, sender, "1"),
        message(recipient, sender, "2"),
    );
    store.put(first).await.unwrap();
    drop(store.db.acknowledge(recipient, vec!["1".to_owned()]));
    // A future that was never polled did nothing. A future that was polled once has submitted its write.
    let mut future = Box::pin(store.db.acknowledge(recipient, vec!["1".to_owned()]));
    assert!(futures_util::poll!(future.as_mut()).is_pending());
    drop(future);
    let (reply, dropped) = oneshot::channel();
    store
        .db
        .submit(one(other), move |result| drop(reply.send(result)));
    drop(dropped);
    store.put(message(recipient, sender, "3")).await.unwrap();
    assert_eq!(store.ids(recipient, "inbox").await, ["2", "3"]);
}

#[actix::test]
async fn one_that_cannot_be_written_is_found_by_halves() {
    const WRITES: usize = 64;
    let store = store();
    let commits = store.db.status().commits;
    let held = store.database.hold_writers();
    let (replies, mut results) = tokio::sync::mpsc::unbounded_channel();
    // The first write waits for the lock, and the others join its group.
    for n in 0..WRITES {
        let replies = replies.clone();
        if n == WRITES / 3 {
            store
                .db
                .write(Panics, move |result| replies.send(result.is_ok()).unwrap());
        } else {
            let submission = one(message(key(), key(), "1"));
            store.db.submit(submission, move |result| {
                replies.send(result.is_ok()).unwrap();
            });
        }
        while n == 0 && store.db.status().queued_writes > 0 {
            tokio::task::yield_now().await;
        }
    }
    while store.db.status().queued_writes < WRITES - 1 {
        tokio::task::yield_now().await;
    }
    drop(held);
    let mut stored = 0;
    for _ in 0..WRITES {
        let answer = tokio::time::timeout(PATIENCE, results.recv()).await;
        stored += usize::from(answer.unwrap().unwrap());
    }
    assert_eq!(stored, WRITES - 1);
    // The other half of each half that contained it.
    assert_eq!(store.db.status().commits - commits, 6);
    assert_eq!(store.db.status().failures, 1);
}

#[actix::test]
async fn too_many_writes_are_refused_at_once() {
    let store = store_with(|settings| settings.max_queued_writes = 0, None);
    assert_eq!(
        store.put(message(key(), key(), "1")).await,
        Err(DbError::Overloaded)
    );
    assert_eq!(
        store.db.acknowledge(key(), vec![]).await,
        Err(DbError::Overloaded)
    );
}

/// Keeps every notice, like a mailbox whose actor is stuck.
struct Hoarder(Vec<MessagesStored>);

impl Actor for Hoarder {
    type Context = Context<Self>;
}

impl Handler<MessagesStored> for Hoarder {
    type Result = ();

    fn handle(&mut self, notice: MessagesStored, _ctx: &mut Self::Context) {
        self.0.push(notice);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct LetGo;

impl Handler<LetGo> for Hoarder {
    type Result = ();

    fn handle(&mut self, _: LetGo, _ctx: &mut Self::Context) {
        self.0.clear();
    }
}

#[actix::test]
async fn stored_messages_that_nobody_delivers_keep_their_places() {
    let hoarder = Hoarder(Vec::new()).start();
    let change = |settings: &mut DbSettings| settings.max_queued_writes = 32;
    let store = store_with(change, Some(hoarder.clone().recipient()));
    let (recipient, flood, other) = (key(), key(), key());
    let put = async |sender, id| {
        let outcome = store.put(message(recipient, sender, id)).await;
        // The notice follows the reply. The writer answers this after both.
        store.db.ping(PATIENCE).await.unwrap();
        outcome
    };
    // One identity may hold a sixteenth of the places. The rest stays available.
    assert_eq!(put(flood, "1").await, Ok(StoreOutcome::Stored));
    assert_eq!(put(flood, "2").await, Ok(StoreOutcome::Stored));
    assert_eq!(put(flood, "3").await, Err(DbError::Overloaded));
    assert_eq!(put(other, "4").await, Ok(StoreOutcome::Stored));
    assert_eq!(put(other, "5").await, Ok(StoreOutcome::Stored));
    assert_eq!(put(other, "6").await, Err(DbError::Overloaded));
    hoarder.send(LetGo).await.unwrap();
    assert_eq!(put(flood, "3").await, Ok(StoreOutcome::Stored));
    assert_eq!(put(other, "6").await, Ok(StoreOutcome::Stored));
}

#[actix::test]
async fn closing_waits_for_what_was_admitted() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for n in 0..200 {
        store
            .db
            .submit(one(message(recipient, sender, &n.to_string())), |_| {});
    }
    store.db.close(PATIENCE).await.unwrap();
    assert_eq!(store.ids(recipient, "inbox").await.len(), 200);
}
