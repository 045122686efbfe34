//! The persistence layer on real databases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use diesel::connection::{Connection as _, InstrumentationEvent};
use time::OffsetDateTime;

use super::*;
use crate::auth::Identity;
use crate::db::engine::clock;
use crate::db::engine::connect::url::DatabaseUrl;
use crate::db::store::command::WriteScope;
use crate::db::store::sessions::session_step::SessionSteps;
use crate::db::store::totals::changes::TotalChanges;
use crate::db::test_database::{Kind, TestDatabase};
use crate::db::writer::committed::Committed;
use crate::model::tests::{MESSAGE_OVERHEAD, MessagePage};
use crate::model::{
    ClaimOutcome, ListBound, ListOrder, MessageBody, Outpoint, Page, PageEnd, Payment,
    PaymentOutput, PaymentState, SpentOutput, SpentPart, StoreOutcome,
};

mod devices;
mod failures;
mod groups;
mod identity_lists;
mod lists;
mod messages;
mod migrations;
mod payments;
mod sessions;
mod several;
mod size;
mod totals;
mod waiting;

const PATIENCE: Duration = Duration::from_secs(20);

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

/// No bound on a list.
fn everything() -> ListBound {
    ListBound::stored(usize::MAX)
}

/// The outcome of a single free message.
fn single(outcome: &SubmitOutcome) -> StoreOutcome {
    match outcome {
        SubmitOutcome::Stored(outcomes) => outcomes[0],
        SubmitOutcome::Taken(_) => StoreOutcome::Taken,
        other => panic!("{other:?}"),
    }
}

impl DbHandle {
    async fn list(
        &self,
        recipient: IdentityKey,
        message_box: String,
        page: Page,
        bound: ListBound,
    ) -> Result<MessagePage, DbError> {
        let list = self.list_into(recipient, message_box, page, bound, MessagePage::default);
        let (page, PageEnd { last, more, .. }) = list.await?;
        Ok(MessagePage { last, more, ..page })
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

    /// Sets a time column of all matching rows.
    fn set_time(&self, table: &str, column: &str, iso: &str, rows: &str) {
        let time = self.database.time(iso);
        let sql = format!(r#"UPDATE "{table}" SET "{column}" = {time} WHERE {rows}"#);
        self.database.run(&sql);
    }
}

/// A command that panics in the writer.
struct Panics;

impl WriteCommand for Panics {
    type Output = ();

    fn run(&self, _: &mut WriteScope<'_>) -> diesel::QueryResult<()> {
        panic!("asked for by a test")
    }
}
