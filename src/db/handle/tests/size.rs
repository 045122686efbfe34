//! The size of the database, and its free space.

use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;

use super::*;
use crate::db::store::upkeep::size;
use crate::db::test_database::Kind;

/// More pages than a file keeps free.
const MESSAGES: usize = 90;
const BODY: usize = 256 * 1024;

fn is_sqlite() -> bool {
    Kind::of_this_run() == Kind::Sqlite
}

async fn fill(store: &Store) -> (IdentityKey, Vec<String>) {
    let (recipient, sender) = (key(), key());
    let ids: Vec<String> = (0..MESSAGES).map(|id| id.to_string()).collect();
    for id in &ids {
        let mut message = message(recipient, sender, id);
        message.body = MessageBody::Text("x".repeat(BODY).into());
        assert_eq!(store.put(message).await, Ok(StoreOutcome::Stored));
    }
    (recipient, ids)
}

#[actix::test]
async fn a_new_file_gives_back_what_nothing_uses() {
    let store = store();
    if !is_sqlite() {
        assert_eq!(store.db.shrink().await, Ok(false));
        return;
    }
    let (recipient, ids) = fill(&store).await;
    assert_eq!(store.db.shrink().await, Ok(false));
    store.db.measure().await.unwrap();
    let full = store.db.size().unwrap();
    assert_eq!(store.db.acknowledge(recipient, ids).await, Ok(MESSAGES));
    let mut steps = 1;
    while store.db.shrink().await.unwrap() {
        steps += 1;
    }
    // One step releases few pages.
    assert!(steps > 4, "{steps}");
    store.db.measure().await.unwrap();
    let left = store.db.size().unwrap();
    // The next messages have room.
    let spare = 4_096 * 4_096;
    assert_eq!(left.free_bytes, Some(spare));
    assert!(
        left.bytes < spare + 1_000_000 && full.bytes > left.bytes + 4_000_000,
        "{full:?} {left:?}"
    );
}

#[actix::test]
async fn a_file_of_an_earlier_release_stays_as_large_as_it_is() {
    let database = TestDatabase::create();
    if !is_sqlite() {
        return;
    }
    let path = database.url().strip_prefix("sqlite://").unwrap();
    SqliteConnection::establish(path)
        .unwrap()
        .batch_execute("PRAGMA journal_mode = WAL; CREATE TABLE earlier (x)")
        .unwrap();
    let store = store_in(database, |_| {}, None);
    let (recipient, ids) = fill(&store).await;
    assert_eq!(store.db.acknowledge(recipient, ids).await, Ok(MESSAGES));
    assert_eq!(store.db.shrink().await, Ok(false));
    store.db.measure().await.unwrap();
    let size = store.db.size().unwrap();
    assert!(size.free_bytes.unwrap() > 20_000_000, "{size:?}");
}

#[actix::test]
async fn the_size_is_known_once_it_was_asked_for() {
    let store = store();
    assert_eq!(store.db.size(), None);
    store.db.measure().await.unwrap();
    let empty = store.db.size().unwrap();
    assert!(empty.bytes > 0 && empty.oldest_message.is_none());
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3"] {
        store.put(message(recipient, sender, id)).await.unwrap();
    }
    store.db.measure().await.unwrap();
    let size = store.db.size().unwrap();
    assert!(size.oldest_message.is_some_and(|age| age < PATIENCE));
    // Servers update their estimates lazily. A file is counted again after a pause.
    if is_sqlite() {
        assert_eq!(empty.messages, 0);
        let began = std::time::Instant::now();
        while store.db.size().unwrap().messages != 3 {
            assert!(began.elapsed() < PATIENCE, "{:?}", store.db.size());
            store.db.measure().await.unwrap();
        }
    }
}

#[actix::test]
async fn messages_are_counted_in_steps() {
    let store = store();
    if !is_sqlite() {
        return;
    }
    for recipient in [key(), key(), key()] {
        for id in ["1", "2", "3"] {
            store.put(message(recipient, key(), id)).await.unwrap();
        }
    }
    let pool = open(&settings(&store.database)).unwrap();
    let mut connection = pool.get().unwrap();
    for max in [1, 2, 3, 4, 9, 10] {
        let mut counts = Vec::new();
        let mut next = Some(size::START);
        while let Some(after) = next {
            let (count, place) = size::count(&mut connection, after, max).unwrap();
            assert!(count < u64::from(max) * 2, "{max}: {count}");
            counts.push(count);
            next = place;
        }
        assert_eq!(counts.iter().sum::<u64>(), 9, "{max}: {counts:?}");
    }
}
