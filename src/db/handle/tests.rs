//! The persistence layer on real databases.

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError, mpsc};

use diesel::connection::{Connection as _, InstrumentationEvent};
use time::OffsetDateTime;

use super::*;
use crate::auth::Identity;
use crate::db::engine::url::DatabaseUrl;
use crate::db::engine::{clock, migrations};
use crate::db::store::command::Work;
use crate::db::store::session_step::SessionSteps;
use crate::db::test_database::{Kind, TestDatabase};
use crate::db::writer::committed::Committed;
use crate::model::{
    ClaimOutcome, ListBound, MESSAGE_OVERHEAD, MessageBody, Order, Outpoint, Page, Payment,
    PaymentOutput, PaymentState, SpentOutput, StoreOutcome,
};

mod sessions;
mod several;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn migrations_can_be_undone_and_done_again() {
    let database = TestDatabase::create();
    drop(open(&settings(&database)).unwrap());
    let pool = open(&settings(&database)).unwrap();
    let mut connection = pool.get().unwrap();
    assert_eq!(migrations::migrate(&mut connection), Ok(Vec::new()));
    let undone = migrations::revert_all(&mut connection);
    let pending = migrations::pending(&mut connection).unwrap();
    let names: Vec<String> = pending.into_iter().map(|pending| pending.name).collect();
    assert!(undone == names.len() && undone > 0, "{names:?}");
    assert_eq!(migrations::migrate(&mut connection), Ok(names));
    assert_eq!(migrations::migrate(&mut connection), Ok(Vec::new()));
}

struct Store {
    db: DbHandle,
    database: TestDatabase,
}

fn settings(database: &TestDatabase) -> DbSettings {
    DbSettings::new(DatabaseUrl::parse(database.url()).unwrap())
}

fn store_with(
    change: impl FnOnce(&mut DbSettings),
    on_commit: Option<Recipient<MessagesStored>>,
) -> Store {
    store_in(TestDatabase::create(), change, on_commit)
}

fn store_in(
    database: TestDatabase,
    change: impl FnOnce(&mut DbSettings),
    on_commit: Option<Recipient<MessagesStored>>,
) -> Store {
    let mut settings = settings(&database);
    change(&mut settings);
    let db = DbHandle::open(&settings, on_commit).unwrap();
    Store { db, database }
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
        has_payment: false,
    }
}

/// As much as there is.
fn everything() -> ListBound {
    ListBound::stored(usize::MAX)
}

/// What became of a single message that costs nothing.
fn single(outcome: &SubmitOutcome) -> StoreOutcome {
    match outcome {
        SubmitOutcome::Stored(outcomes) => outcomes[0],
        SubmitOutcome::Taken(_) => StoreOutcome::Taken,
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
            .list(
                recipient,
                message_box.to_owned(),
                Page::default(),
                everything(),
            )
            .await
            .unwrap();
        listed
            .messages
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
    // In another box it would be lost with a success.
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
    let change = |settings: &mut DbSettings| settings.tells_ids = true;
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
async fn one_that_cannot_be_written_is_found_by_halves() {
    const WRITES: usize = 64;
    let store = store();
    let commits = store.db.status().commits;
    let held = store.database.hold_writers();
    let (replies, mut answers) = tokio::sync::mpsc::unbounded_channel();
    // The first waits for the lock, and the others collect.
    for n in 0..=WRITES {
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
    while store.db.status().queued_writes < WRITES {
        tokio::task::yield_now().await;
    }
    drop(held);
    let mut stored = 0;
    for _ in 0..=WRITES {
        let answer = tokio::time::timeout(PATIENCE, answers.recv()).await;
        stored += usize::from(answer.unwrap().unwrap());
    }
    assert_eq!(stored, WRITES);
    // The first, and the other half of each half in which it was.
    assert_eq!(store.db.status().commits - commits, 1 + 6);
    assert_eq!(store.db.status().failures, 1);
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

/// The answers, in the order in which the writes were handed in.
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
        // Another file is not what was opened.
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

/// Each on its own would wait as long as all of them together.
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
    // One by one it would be minutes.
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(store.db.probe().await.is_err());
    drop(other);
    assert_eq!(store.db.probe().await, Ok(()));
    assert!(put_all(&store, 200).await.iter().all(Result::is_ok));
}

#[actix::test]
async fn many_messages_are_acknowledged_with_few_statements() {
    let store = store();
    let (recipient, other, sender) = (key(), key(), key());
    let ids = |count: usize| -> Vec<String> { (0..count).map(|id| id.to_string()).collect() };
    for owner in [recipient, other] {
        // As many at once as one identity may have in the queue.
        for ids in ids(1_203).chunks(500) {
            let stored = ids.iter().map(|id| store.put(message(owner, sender, id)));
            for outcome in futures_util::future::join_all(stored).await {
                assert_eq!(outcome, Ok(StoreOutcome::Stored));
            }
        }
    }
    let command = Acknowledge {
        recipient,
        // Some twice, in the same statement and in another, and some that nobody has.
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
    let mut work = Work {
        connection: &mut connection,
        boxes: &mut BoxIds::default(),
        now: &Now::read(None),
        fees: &DeliveryFees::default(),
        sessions: &SessionSteps::default(),
    };
    assert_eq!(command.run(&mut work).unwrap(), 1_203);
    let statements = statements.load(Ordering::Relaxed);
    assert!((1..100).contains(&statements), "{statements}");
    assert_eq!(store.ids(recipient, "inbox").await, [""; 0]);
    assert_eq!(store.ids(other, "inbox").await.len(), 1_203);
    assert_eq!(store.db.acknowledge(other, ids(1)).await, Ok(1));
    assert_eq!(store.db.acknowledge(other, ids(1)).await, Ok(0));
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
    let change = |settings: &mut DbSettings| settings.max_queued_writes = 32;
    let store = store_with(change, Some(hoarder.clone().recipient()));
    let (recipient, flood, other) = (key(), key(), key());
    let put = async |sender, id| {
        let outcome = store.put(message(recipient, sender, id)).await;
        // The notice follows the reply; the writer answers this after both.
        store.db.ping(PATIENCE).await.unwrap();
        outcome
    };
    // One may have a sixteenth of the places, and leaves the others to others.
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
async fn whoever_reads_has_a_turn_however_much_another_reads() {
    let change = |settings: &mut DbSettings| settings.max_queued_reads = 64;
    let store = store_with(change, None);
    let (flood, other) = (key(), key());
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let lists: Vec<_> = (0..9)
        .map(|_| {
            let (db, released) = (store.db.clone(), Arc::clone(&released));
            actix::spawn(async move {
                let wait = move |_: &mut AnyConnection| {
                    let released = released.lock().unwrap_or_else(PoisonError::into_inner);
                    released.recv().map_err(|_| DbError::Closed)
                };
                db.read(Some(flood), wait).await
            })
        })
        .collect();
    // They are handed in by tasks that were spawned before this one goes on.
    tokio::task::yield_now().await;
    let reads = async {
        for _ in 0..20 {
            store.db.read(Some(other), |_| Ok(())).await.unwrap();
            store.db.read(None, |_| Ok(())).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, reads).await.unwrap();
    for _ in 0..4 {
        release.send(()).unwrap();
    }
    let mut refused = 0;
    for list in lists {
        match list.await.unwrap() {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, DbError::Overloaded);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 5);
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

fn output(txid: &str, payee: IdentityKey) -> PaymentOutput {
    PaymentOutput {
        outpoint: Outpoint {
            txid: txid.to_owned(),
            index: 0,
        },
        satoshis: 5,
        payee,
        sender_identity_key: payee,
        derivation_prefix: "p".to_owned(),
        derivation_suffix: "s".to_owned(),
        transaction: Some("AAA=".to_owned()),
    }
}

/// A payment by transaction `txid`, which spends output 0 of `coin`.
fn payment(payer: IdentityKey, purpose: &str, txid: &str, coin: &str) -> Payment {
    Payment {
        payer,
        purpose: purpose.to_owned(),
        outputs: vec![output(txid, payer)],
        spends: vec![SpentOutput {
            outpoint: Outpoint {
                txid: coin.to_owned(),
                index: 0,
            },
            by: txid.to_owned(),
        }],
    }
}

const FRESH: ClaimOutcome = ClaimOutcome::Claimed {
    internalized: false,
};
const INTERNALIZED: ClaimOutcome = ClaimOutcome::Claimed { internalized: true };

impl Store {
    async fn claim(&self, payment: &Payment, settled: bool) -> ClaimOutcome {
        let claimed = PaymentState::Claimed;
        self.db
            .claim_payment(payment.clone(), claimed, settled)
            .await
            .unwrap()
    }

    async fn give_up(&self, payment: &Payment, state: Option<PaymentState>) {
        self.db
            .give_up_payment(payment.clone(), state)
            .await
            .unwrap();
    }

    /// Sets a time of all rows for which this holds.
    fn set_time(&self, table: &str, column: &str, iso: &str, rows: &str) {
        let time = self.database.time(iso);
        let sql = format!(r#"UPDATE "{table}" SET "{column}" = {time} WHERE {rows}"#);
        self.database.run(&sql);
    }
}

fn spent(txid: &str) -> ClaimOutcome {
    ClaimOutcome::Spent(Outpoint {
        txid: txid.to_owned(),
        index: 0,
    })
}

#[actix::test]
async fn what_came_to_nothing_is_its_payers_and_what_is_settled_is_nobodys() {
    let store = store();
    let (alice, bob) = (key(), key());
    let one = payment(alice, "one", "t", "c");
    let two = payment(alice, "two", "t", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    assert_eq!(store.claim(&one, false).await, FRESH, "a retry");
    assert_eq!(store.claim(&two, false).await, spent("t"));
    store.give_up(&one, Some(PaymentState::Internalized)).await;
    let stolen = payment(bob, "one", "t", "c");
    assert_eq!(store.claim(&stolen, false).await, spent("t"));
    assert_eq!(store.claim(&two, false).await, INTERNALIZED);
    // Whoever gives up what is another's purpose by now gives up nothing.
    store.give_up(&one, None).await;
    assert_eq!(store.claim(&two, true).await, INTERNALIZED);
    store.give_up(&two, None).await;
    assert_eq!(store.claim(&two, true).await, spent("t"));
}

#[actix::test]
async fn a_claim_that_was_left_behind_is_its_payers_after_an_hour() {
    let store = store();
    let alice = key();
    let (one, two) = (
        payment(alice, "one", "t", "c"),
        payment(alice, "two", "t", "c"),
    );
    assert_eq!(store.claim(&one, false).await, FRESH);
    let age = |minutes: i64| {
        let time = OffsetDateTime::now_utc() - time::Duration::minutes(minutes);
        store.set_time("payments", "updated_at", &clock::text(time), "TRUE");
    };
    age(55);
    assert_eq!(store.claim(&two, false).await, spent("t"));
    age(65);
    assert_eq!(store.claim(&two, false).await, FRESH);
}

#[actix::test]
async fn a_coin_is_spent_by_one_transaction_unless_nobody_took_that() {
    let store = store();
    let alice = key();
    let one = payment(alice, "one", "t", "c");
    let other = payment(alice, "other", "u", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    assert_eq!(store.claim(&other, false).await, spent("c"));
    // What a refused payment takes back, it takes back whole.
    store.give_up(&one, None).await;
    assert_eq!(store.claim(&other, true).await, FRESH);
    assert_eq!(store.claim(&one, false).await, spent("c"));
    // A second payment out of the same transaction that is given up does not free its coin.
    let mut second = payment(alice, "second", "u", "c");
    second.outputs[0].outpoint.index = 1;
    assert_eq!(store.claim(&second, false).await, FRESH);
    store.give_up(&second, None).await;
    assert_eq!(store.claim(&one, false).await, spent("c"));
}

/// A wallet that did not answer, and then, for something else, refused.
#[actix::test]
async fn a_coin_is_free_once_whoever_claimed_it_last_is_refused() {
    let store = store();
    let alice = key();
    let one = payment(alice, "one", "t", "c");
    let two = payment(alice, "two", "t", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    store.give_up(&one, Some(PaymentState::Claimed)).await;
    assert_eq!(store.claim(&two, false).await, FRESH);
    // What another purpose has by now is not freed by the first.
    store.give_up(&one, None).await;
    let other = payment(alice, "other", "u", "c");
    assert_eq!(store.claim(&other, false).await, spent("c"));
    store.give_up(&two, None).await;
    assert_eq!(store.claim(&other, true).await, FRESH);
}

/// A wallet has output 0; then output 1 pays the server, and output 0 is named for somebody else.
#[actix::test]
async fn each_output_has_a_state_of_its_own() {
    let store = store();
    let alice = key();
    let one = payment(alice, "one", "t", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    store.give_up(&one, Some(PaymentState::Internalized)).await;
    let mut two = payment(alice, "two", "t", "c");
    two.outputs[0].outpoint.index = 1;
    two.outputs.push(PaymentOutput {
        transaction: None,
        payee: key(),
        ..output("t", alice)
    });
    assert_eq!(
        store.claim(&two, false).await,
        FRESH,
        "no wallet has output 1"
    );
    // The wallet refuses it: output 1 is free, output 0 stays in the wallet, and the coin stays spent.
    store.give_up(&two, None).await;
    let bob = payment(key(), "bob", "t", "c");
    assert_eq!(store.claim(&bob, false).await, spent("t"));
    let other = payment(alice, "other", "u", "c");
    assert_eq!(store.claim(&other, false).await, spent("c"));
    assert_eq!(store.claim(&one, true).await, INTERNALIZED);
}

/// An output pays one party. What was claimed for another, on its sender's word, was not the sender's to claim.
#[actix::test]
async fn what_pays_the_server_by_its_script_is_the_servers() {
    let store = store();
    let (alice, mallory, bob) = (key(), key(), key());
    let mut stolen = payment(mallory, "stolen", "t", "c");
    stolen.outputs[0].transaction = None;
    stolen.outputs[0].payee = bob;
    assert_eq!(store.claim(&stolen, true).await, FRESH);
    let own = payment(alice, "own", "t", "c");
    assert_eq!(store.claim(&own, false).await, FRESH);
    assert_eq!(store.claim(&stolen, true).await, spent("t"));
    assert_eq!(store.claim(&own, true).await, FRESH);
    let kept = store.db.payments(alice, 0, 10).await.unwrap();
    assert_eq!((kept.len(), &kept[0].payer), (1, &alice.to_hex()));
    assert_eq!(store.db.payments(bob, 0, 10).await.unwrap(), []);
    let late = payment(mallory, "late", "t", "c");
    assert_eq!(store.claim(&late, false).await, spent("t"));
}

#[actix::test]
async fn a_list_ends_where_it_would_grow_too_large() {
    let store = store();
    let bound = ListBound::stored(2 * (23 + MESSAGE_OVERHEAD));
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3"] {
        assert_eq!(
            store.put(message(recipient, sender, id)).await,
            Ok(StoreOutcome::Stored)
        );
    }
    let list = |page: Page| store.db.list(recipient, "inbox".to_owned(), page, bound);
    // 23 bytes each.
    let first = list(Page::default()).await.unwrap();
    assert_eq!((first.messages.len(), first.more), (2, true));
    let rest = Page {
        after: first.messages.last().map(|message| message.id),
        ..Page::default()
    };
    let rest = list(rest).await.unwrap();
    assert_eq!((rest.messages.len(), rest.more), (1, false));
    let limited = |limit| Page {
        limit: Some(limit),
        ..Page::default()
    };
    let one = list(limited(1)).await.unwrap();
    assert_eq!((one.messages.len(), one.more), (1, true));
    // One that is too large by itself is listed all the same.
    let large = NewMessage {
        message_box: "large".to_owned(),
        body: MessageBody::Text("x".repeat(2_000).into()),
        ..message(recipient, sender, "4")
    };
    assert_eq!(store.put(large).await, Ok(StoreOutcome::Stored));
    let page = store
        .db
        .list(recipient, "large".to_owned(), Page::default(), bound)
        .await
        .unwrap();
    assert_eq!((page.messages.len(), page.more), (1, false));
}

/// Keeps a page so small that the messages of some sizes do not fit into any.
fn paged(max_bytes: usize) -> ListBound {
    ListBound {
        name: Some(|message| message.message_id.len() + MESSAGE_OVERHEAD),
        ..ListBound::stored(max_bytes)
    }
}

#[actix::test]
async fn messages_that_no_page_can_hold_are_named_and_counted() {
    let store = store();
    let (recipient, sender) = (key(), key());
    let sizes = [9, 3_000, 10, 3_000, 2_000, 3_000];
    for (id, size) in sizes.into_iter().enumerate() {
        let message = NewMessage {
            body: MessageBody::Text("x".repeat(size).into()),
            ..message(recipient, sender, &id.to_string())
        };
        assert_eq!(store.put(message).await, Ok(StoreOutcome::Stored));
    }
    let bound = paged(2_600);
    for (order, expected) in [
        (
            Order::Ascending,
            [("0 2", "1 3", true), ("4", "", true), ("", "5", false)],
        ),
        (
            Order::Descending,
            [("", "5", true), ("4", "", true), ("2 0", "3 1", false)],
        ),
    ] {
        for by_cursor in [true, false] {
            let mut page = Page {
                limit: Some(1_000),
                order,
                ..Page::default()
            };
            for (listed, named, more) in expected {
                let found = store
                    .db
                    .list(recipient, "inbox".to_owned(), page.clone(), bound);
                let found = found.await.unwrap();
                let ids: Vec<_> = found.messages.iter().map(|m| &*m.message_id).collect();
                let names: Vec<_> = found.oversized.iter().map(|m| &*m.message_id).collect();
                assert_eq!(
                    (&*ids.join(" "), &*names.join(" ")),
                    (listed, named),
                    "{page:?}"
                );
                assert_eq!(found.more, more);
                for named in &found.oversized {
                    // `{"message":"..."}`
                    assert_eq!((named.body_bytes, &named.sender), (3_014, &sender.to_hex()));
                }
                if by_cursor {
                    page.after = found.last;
                } else {
                    page.offset += i64::try_from(found.count()).unwrap();
                }
            }
        }
    }
    let one = |id: &str| Page {
        limit: Some(1_000),
        message_id: Some(id.to_owned()),
        ..Page::default()
    };
    let list = |page| store.db.list(recipient, "inbox".to_owned(), page, bound);
    let found = list(one("2")).await.unwrap();
    assert_eq!(
        (found.messages.len(), found.count(), found.more),
        (1, 1, false)
    );
    let found = list(one("3")).await.unwrap();
    assert_eq!(
        (found.messages.len(), found.count(), found.more),
        (0, 1, false)
    );
    assert_eq!(list(one("9")).await.unwrap().count(), 0);
    // A client without pages gets them all.
    let all = list_all(&store, recipient).await;
    assert_eq!(all.len(), sizes.len());
}

async fn list_all(store: &Store, recipient: IdentityKey) -> Vec<String> {
    store.ids(recipient, "inbox").await
}

/// A page that is asked for by offset goes on behind the one before it, without passing over all messages before that once
/// more: a message there that has expired since is not made up for by one that was not listed yet.
#[actix::test]
async fn pages_by_offset_go_on_where_the_last_one_ended() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3", "4", "5", "6"] {
        let stored = store.put(message(recipient, sender, id)).await;
        assert_eq!(stored, Ok(StoreOutcome::Stored));
    }
    let list = async |offset| {
        let page = Page {
            limit: Some(2),
            offset,
            ..Page::default()
        };
        let listed = store
            .db
            .list(recipient, "inbox".to_owned(), page, everything());
        let listed = listed.await.unwrap();
        let ids = listed.messages.into_iter().map(|m| m.message_id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list(0).await, ["1", "2"]);
    store.set_time(
        "messages",
        "expires_at",
        "2020-01-01T00:00:00.000Z",
        r#""messageId" = '1'"#,
    );
    assert_eq!(list(2).await, ["3", "4"]);
    // Where nothing tells where a page ended, and where it has changed since, it is counted out.
    assert_eq!(list(2).await, ["4", "5"]);
    assert_eq!(list(0).await, ["2", "3"]);
    let deleted = store.db.acknowledge(recipient, vec!["2".to_owned()]).await;
    assert_eq!(deleted, Ok(1));
    assert_eq!(list(2).await, ["5", "6"]);
}

#[actix::test]
async fn what_was_missed_is_read_in_pages_of_so_many_bytes() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for n in 1000..1300 {
        store
            .db
            .submit(one(message(recipient, sender, &n.to_string())), |_| {});
    }
    store.db.close(PATIENCE).await.unwrap();
    store
        .database
        .run(r#"DELETE FROM "messages" WHERE "messageId" IN ('1000', '1150', '1299')"#);
    let mut connection = open(&settings(&store.database)).unwrap().get().unwrap();
    // 26 bytes each; the message that passes the bound is the last of its page.
    for (max_bytes, in_page) in [(1, 1), (26, 1), (27, 2), (26 * 120, 120), (usize::MAX, 297)] {
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let page = missed_messages::missed(
                &mut connection,
                after,
                max_bytes,
                &Now::read(None),
                |_| true,
            )
            .unwrap();
            let ids = page.messages.into_iter().map(|message| {
                assert!(message.body.contains(&message.head.message_id));
                message.head.message_id
            });
            let ids: Vec<String> = ids.collect();
            assert!(
                ids.len() == in_page || !page.more,
                "{max_bytes}: {}",
                ids.len()
            );
            assert!(page.last > after || !page.more);
            after = page.last;
            found.extend(ids);
            if !page.more {
                break;
            }
        }
        let all = (1000..1300).filter(|n| ![1000, 1150, 1299].contains(n));
        assert!(found.into_iter().eq(all.map(|n: i32| n.to_string())));
    }
}

#[actix::test]
async fn a_long_list_ends_to_the_byte_in_either_order() {
    // 26 bytes each.
    let store = store();
    let bound = ListBound::stored((26 + MESSAGE_OVERHEAD) * 290);
    let (recipient, sender) = (key(), key());
    for n in 1000..1300 {
        let message = message(recipient, sender, &n.to_string());
        store.db.submit(one(message), |_| {});
    }
    store.db.close(PATIENCE).await.unwrap();
    for order in [Order::Ascending, Order::Descending] {
        let page = Page {
            order,
            offset: 1,
            ..Page::default()
        };
        let list = |page: Page| store.db.list(recipient, "inbox".to_owned(), page, bound);
        let first = list(page.clone()).await.unwrap();
        assert_eq!((first.messages.len(), first.more), (290, true));
        let rest = Page {
            offset: 0,
            after: first.messages.last().map(|message| message.id),
            ..page
        };
        let rest = list(rest).await.unwrap();
        assert_eq!((rest.messages.len(), rest.more), (9, false));
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

#[actix::test]
async fn an_identity_has_so_many_devices_and_the_latest_stay() {
    let store = store();
    let owner = key();
    let register = |token: String| store.db.register_device(owner, token, None, None);
    for token in 0..51 {
        register(format!("token {token}")).await.unwrap();
    }
    let mut tokens: Vec<String> = store
        .db
        .devices(owner)
        .await
        .unwrap()
        .into_iter()
        .map(|device| device.fcm_token)
        .collect();
    assert_eq!(tokens.len(), 50);
    tokens.sort();
    assert!(!tokens.contains(&"token 0".to_owned()) && tokens.contains(&"token 50".to_owned()));
}
