//! The persistence layer on real files.

use std::sync::mpsc;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

use super::super::command::Work;
use super::super::connection::DatabaseUrl;
use super::super::message::{Committed, MessageBody, StoreOutcome};
use super::*;
use crate::auth::Identity;

const PATIENCE: Duration = Duration::from_secs(20);

struct Store {
    folder: tempfile::TempDir,
    db: DbHandle,
}

fn settings(folder: &tempfile::TempDir) -> DbSettings {
    DbSettings::new(DatabaseUrl::Sqlite(folder.path().join("messages.db")))
}

fn store_with(
    change: impl FnOnce(&mut DbSettings),
    on_commit: Option<Recipient<MessagesStored>>,
) -> Store {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    change(&mut settings);
    let db = DbHandle::open(&settings, on_commit).unwrap();
    Store { folder, db }
}

fn store() -> Store {
    store_with(|_| {}, None)
}

fn key() -> IdentityKey {
    Identity::random().identity_key()
}

fn message(recipient: IdentityKey, sender: IdentityKey, id: &str) -> NewMessage {
    NewMessage {
        recipient,
        sender,
        message_box: "inbox".to_owned(),
        message_id: id.to_owned(),
        body: MessageBody::Text(format!("body of {id}").into()),
        payment: None,
        expires_at: None,
        room: None,
    }
}

fn one(message: NewMessage) -> Submission {
    Submission {
        messages: vec![message],
        paid: None,
    }
}

/// What became of a single message that costs nothing.
fn single(outcome: &SubmitOutcome) -> StoreOutcome {
    match outcome {
        SubmitOutcome::Stored(outcomes) => outcomes[0],
        SubmitOutcome::Taken(_) => StoreOutcome::TakenByAnotherSender,
        other => panic!("{other:?}"),
    }
}

impl Store {
    async fn put(&self, message: NewMessage) -> Result<StoreOutcome, DbError> {
        let (sender, receiver) = oneshot::channel();
        self.db.submit(one(message), move |result| {
            drop(sender.send(result.map(|outcome| single(&outcome))));
        });
        tokio::time::timeout(PATIENCE, receiver)
            .await
            .unwrap()
            .unwrap()
    }

    async fn ids(&self, recipient: IdentityKey, message_box: &str) -> Vec<String> {
        let listed = self
            .db
            .list(recipient, message_box.to_owned(), Page::default())
            .await
            .unwrap();
        listed
            .into_iter()
            .map(|message| message.message_id)
            .collect()
    }
}

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
        .list(recipient, "inbox".to_owned(), Page::default())
        .await
        .unwrap();
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
    again.message_box = "another".to_owned();
    assert_eq!(store.put(again).await, Ok(StoreOutcome::Duplicate));
    let taken = store.put(message(recipient, stranger, "1")).await;
    assert_eq!(taken, Ok(StoreOutcome::TakenByAnotherSender));
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
    for id in ["a", "A", "ä", " a", "a'; DROP TABLE messages; --", "%", "_"] {
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
    let store = store_with(|_| {}, Some(recorder.recipient()));
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
                .map(|stored| stored.message.message_id),
        );
    }
    assert_eq!(announced, ["1", "2", "3"]);
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
    // A future that was never polled did nothing; one that was polled once is under way.
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

/// Makes the writer panic.
struct Panics;

impl Command for Panics {
    type Output = ();

    fn run(&self, _: &mut Work<'_>) -> diesel::QueryResult<()> {
        panic!("asked for by a test")
    }
}

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

/// Keeps every notice, as a mailbox does that nobody empties.
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
    let change = |settings: &mut DbSettings| settings.max_queued_writes = 3;
    let store = store_with(change, Some(hoarder.clone().recipient()));
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3"] {
        assert_eq!(
            store.put(message(recipient, sender, id)).await,
            Ok(StoreOutcome::Stored)
        );
        // The notice follows the reply; the writer answers this after both.
        store.db.ping(PATIENCE).await.unwrap();
    }
    assert_eq!(
        store.put(message(recipient, sender, "4")).await,
        Err(DbError::Overloaded)
    );
    hoarder.send(LetGo).await.unwrap();
    assert_eq!(
        store.put(message(recipient, sender, "4")).await,
        Ok(StoreOutcome::Stored)
    );
}

#[actix::test]
async fn a_locked_database_fails_writes_and_then_goes_on() {
    let store = store_with(
        |settings| settings.busy_timeout = Duration::from_millis(50),
        None,
    );
    let (recipient, sender) = (key(), key());
    store
        .put(message(recipient, sender, "before"))
        .await
        .unwrap();
    let path = store.folder.path().join("messages.db");
    let mut other = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let refused = store.put(message(recipient, sender, "during")).await;
    assert!(
        matches!(refused, Err(DbError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(store.ids(recipient, "inbox").await, ["before"]);
    other.batch_execute("ROLLBACK").unwrap();
    let mut new_box = message(recipient, sender, "after");
    new_box.message_box = "new".to_owned();
    assert_eq!(store.put(new_box).await, Ok(StoreOutcome::Stored));
    assert_eq!(store.ids(recipient, "new").await, ["after"]);
}

#[actix::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (recipient, sender) = (key(), key());
    for round in 0..3 {
        let db = DbHandle::open(&settings(&folder), None).unwrap();
        let store = Store {
            folder: tempfile::tempdir().unwrap(),
            db,
        };
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
    }
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
