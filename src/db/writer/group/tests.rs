//! Runs random groups as groups in one database and one by one in another. Replies and rows must be equal.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use time::OffsetDateTime;

use super::*;
use crate::auth::Identity;
use crate::db::engine::clock::Timestamp;
use crate::db::engine::connect::open;
use crate::db::engine::connect::pool::Pooled;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::connect::url::DatabaseUrl;
use crate::db::engine::schema::{message_boxes, message_permissions, messages, stored_totals};
use crate::db::engine::transaction::{self, WriteLock};
use crate::db::store::command::WriteCommand;
use crate::db::store::fees::DeliveryFees;
use crate::db::store::messages::box_ids::Retention;
use crate::db::store::messages::expiry::DeleteExpired;
use crate::db::store::messages::message_store::Acknowledge;
use crate::db::store::permission_store::SetPermission;
use crate::db::store::sessions::session_step::SessionSteps;
use crate::db::test_database::{Kind, TestDatabase};
use crate::ids::IdentityKey;
use crate::model::{
    MessageBody, NewMessage, Paid, Payment, PaymentState, Quota, Role, StoredTotal, Submission,
};

/// The environment variable with the number of groups.
const GROUPS: &str = "TEST_GROUPS";

/// Few enough to collide.
const BOXES: [&str; 4] = ["inbox", "notifications", "Inbox ", "paid"];
const IDS: [&str; 8] = ["1", "2", "a", "A", "a ", "ä", "a'\"\\?", "😀"];

/// Groups with the same identities.
const SAME_PEOPLE: usize = 25;

fn people() -> Vec<IdentityKey> {
    (0..6).map(|_| Identity::random().identity_key()).collect()
}

fn groups() -> usize {
    let count = std::env::var(GROUPS)
        .ok()
        .map(|count| count.parse().unwrap());
    count.unwrap_or(match Kind::of_this_run() {
        Kind::Sqlite => 2_000,
        #[cfg(any(feature = "mysql", feature = "postgres"))]
        _ => 150,
    })
}

/// A write that can run in both ways.
#[derive(Debug, Clone)]
enum Made {
    Submission(Submission),
    Acknowledge(IdentityKey, Vec<String>),
    Permission(IdentityKey, Option<IdentityKey>, &'static str, i64),
    Sweep,
}

struct Random {
    numbers: StdRng,
    people: Vec<IdentityKey>,
}

impl Random {
    fn person(&mut self) -> IdentityKey {
        self.people[self.numbers.random_range(0..self.people.len())]
    }

    fn message_box(&mut self) -> &'static str {
        BOXES[self.numbers.random_range(0..BOXES.len())]
    }

    fn id(&mut self) -> String {
        IDS[self.numbers.random_range(0..IDS.len())].to_owned()
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.numbers.random_ratio(1, count)
    }

    fn group(&mut self, now: &Now) -> Vec<Made> {
        let size = self.numbers.random_range(1..=12);
        (0..size).map(|_| self.write(now)).collect()
    }

    fn write(&mut self, now: &Now) -> Made {
        match self.numbers.random_range(0..20) {
            0..12 => Made::Submission(self.submission(now)),
            12 => Made::Sweep,
            13..18 => {
                let count = self.numbers.random_range(1..=3);
                Made::Acknowledge(self.person(), (0..count).map(|_| self.id()).collect())
            }
            _ => {
                let sender = self.one_in(2).then(|| self.person());
                let fee = [-1, 0, 0, 0, 7][self.numbers.random_range(0..5)];
                Made::Permission(self.person(), sender, self.message_box(), fee)
            }
        }
    }

    fn submission(&mut self, now: &Now) -> Submission {
        let (sender, message_box) = (self.person(), self.message_box());
        let count = if self.one_in(3) {
            self.numbers.random_range(2..=4)
        } else {
            1
        };
        let id = self.id();
        // On MySQL all ids have the same length at least. On all engines, the past is a second ago.
        let message = |random: &mut Self| NewMessage {
            recipient: random.person(),
            sender,
            message_box: message_box.to_owned(),
            message_id: if random.one_in(3) {
                random.id()
            } else {
                id.clone()
            },
            body: MessageBody::Text(
                format!("{} \u{1} \"€😀\"", random.numbers.random::<u16>()).into(),
            ),
            payment: random.one_in(5).then(|| r#"{"tx":[1]}"#.into()),
            expires_at: random.one_in(4).then(|| {
                let seconds = if random.one_in(2) { -1 } else { 3_600 };
                OffsetDateTime::from_unix_timestamp(now.millis() / 1_000 + seconds).unwrap()
            }),
            room: None,
        };
        let messages: Vec<NewMessage> = (0..count).map(|_| message(self)).collect();
        let paid = self.one_in(12).then(|| Paid {
            delivery: 1_000,
            recipients: vec![10; messages.len()],
            payment: Payment {
                payer: sender,
                purpose: "test".to_owned(),
                outputs: Vec::new(),
                spends: Vec::new(),
            },
            state: if self.one_in(2) {
                PaymentState::Kept
            } else {
                PaymentState::Internalized
            },
        });
        Submission {
            messages,
            paid,
            has_payment: self.one_in(9),
        }
    }
}

type Replies = Arc<Mutex<Vec<String>>>;

fn write<C: WriteCommand>(command: C, replies: &Replies) -> QueuedWrite
where
    C::Output: Debug,
{
    let replies = Arc::clone(replies);
    QueuedWrite::new(command, None, None, move |result| {
        replies.lock().unwrap().push(format!("{result:?}"));
    })
}

fn writes(group: &[Made], replies: &Replies) -> Vec<QueuedWrite> {
    let write = |made: &Made| match made.clone() {
        Made::Submission(submission) => write(submission, replies),
        Made::Acknowledge(recipient, message_ids) => {
            let command = Acknowledge {
                recipient,
                message_ids,
            };
            write(command, replies)
        }
        Made::Sweep => write(DeleteExpired { max: 3 }, replies),
        Made::Permission(recipient, sender, message_box, recipient_fee) => {
            let command = SetPermission {
                recipient,
                sender,
                message_box: message_box.to_owned(),
                recipient_fee,
            };
            write(command, replies)
        }
    };
    group.iter().map(write).collect()
}

type MessageLine = (String, String, String, String, String, Option<Timestamp>);

type TotalLine = (String, String, i64, i64);

type BoxLine = (String, String);

type PermissionLine = (String, Option<String>, String, i64);

/// Few enough to be exceeded.
const QUOTAS: Quotas = Quotas {
    inbox: Quota {
        messages: Some(3),
        bytes: Some(125),
    },
    sender: Quota {
        messages: Some(5),
        bytes: Some(205),
    },
};

/// A database and its writer's caches.
struct Side {
    connection: Pooled,
    boxes: BoxIds,
    fees: DeliveryFees,
    _database: TestDatabase,
}

impl Side {
    fn new() -> Self {
        let database = TestDatabase::create();
        let url = DatabaseUrl::parse(database.url()).unwrap();
        let mut settings = DbSettings::new(url);
        settings.busy_timeout = Duration::from_secs(20);
        let mut connection = open(&settings).unwrap().get().unwrap();
        if matches!(**connection, AnyConnection::Sqlite(_)) {
            connection
                .batch_execute("PRAGMA synchronous = OFF")
                .unwrap();
        }
        let own = BTreeMap::from([("paid".to_owned(), 3)]);
        Self {
            connection,
            boxes: BoxIds::default(),
            fees: DeliveryFees::new(own, true),
            _database: database,
        }
    }

    /// Runs a group in one transaction.
    fn run<T>(&mut self, now: &Now, run: impl FnOnce(&mut WriteScope<'_>) -> QueryResult<T>) -> T {
        let sessions = SessionSteps::default();
        let (boxes, fees) = (&mut self.boxes, &self.fees);
        let retention = Retention::new(BTreeMap::from([(
            "notifications".to_owned(),
            Duration::from_secs(60),
        )]));
        transaction::write(&mut self.connection, WriteLock::Held, |connection| {
            run(&mut WriteScope {
                connection,
                boxes,
                now,
                fees,
                retention: &retention,
                quotas: &QUOTAS,
                totals: &mut TotalChanges::default(),
                sessions: &sessions,
            })
        })
        .unwrap()
    }

    fn totals(&mut self) -> Vec<TotalLine> {
        let connection = &mut **self.connection;
        let mut rows: Vec<TotalLine> = stored_totals::table
            .filter(stored_totals::messages.ne(0).or(stored_totals::bytes.ne(0)))
            .load(connection)
            .unwrap();
        rows.sort();
        rows
    }

    /// Deletes all rows that groups have written.
    fn clear(&mut self) {
        let connection = &mut **self.connection;
        diesel::delete(messages::table).execute(connection).unwrap();
        diesel::delete(message_boxes::table)
            .execute(connection)
            .unwrap();
        diesel::delete(message_permissions::table)
            .execute(connection)
            .unwrap();
        diesel::delete(stored_totals::table)
            .execute(connection)
            .unwrap();
        self.boxes.forget();
    }

    /// All messages in id order, and their ids.
    fn messages(&mut self) -> (Vec<MessageLine>, Vec<i64>) {
        type Row = (i64, String, String, String, i64, String, Option<Timestamp>);
        let connection = &mut **self.connection;
        let rows: Vec<Row> = messages::table
            .select((
                messages::id,
                messages::recipient,
                messages::message_id,
                messages::sender,
                messages::message_box_id,
                messages::body,
                messages::expires_at,
            ))
            .order(messages::id.asc())
            .load(connection)
            .unwrap();
        let boxes: Vec<(i64, String, String)> = message_boxes::table
            .select((
                message_boxes::message_box_id,
                message_boxes::identity_key,
                message_boxes::kind,
            ))
            .load(connection)
            .unwrap();
        let boxes: BTreeMap<i64, String> = boxes
            .into_iter()
            .map(|(id, owner, name)| (id, format!("{owner} {name}")))
            .collect();
        rows.into_iter()
            .map(
                |(id, recipient, message_id, sender, box_id, body, expires_at)| {
                    let line = (
                        recipient,
                        message_id,
                        sender,
                        boxes[&box_id].clone(),
                        body,
                        expires_at,
                    );
                    (line, id)
                },
            )
            .unzip()
    }

    /// Owners and names of all boxes, and all permissions.
    fn others(&mut self) -> (Vec<BoxLine>, Vec<PermissionLine>) {
        let connection = &mut **self.connection;
        let mut boxes: Vec<BoxLine> = message_boxes::table
            .select((message_boxes::identity_key, message_boxes::kind))
            .load(connection)
            .unwrap();
        boxes.sort();
        let mut permissions: Vec<_> = message_permissions::table
            .select((
                message_permissions::recipient,
                message_permissions::sender,
                message_permissions::message_box,
                message_permissions::recipient_fee,
            ))
            .load(connection)
            .unwrap();
        permissions.sort();
        (boxes, permissions)
    }
}

/// The totals that these stored messages must give.
fn totals_of(lines: &[MessageLine]) -> Vec<TotalLine> {
    let mut totals = BTreeMap::<(String, &str), StoredTotal>::new();
    for (recipient, _, sender, _, body, _) in lines {
        let one = StoredTotal {
            messages: 1,
            bytes: i64::try_from(body.len()).unwrap(),
        };
        for (identity, role) in [(recipient, Role::Inbox), (sender, Role::Sender)] {
            let total = totals.entry((identity.clone(), role.word())).or_default();
            *total = total.plus(one);
        }
    }
    let line = |((identity, role), total): ((String, &str), StoredTotal)| {
        (identity, role.to_owned(), total.messages, total.bytes)
    };
    totals.into_iter().map(line).collect()
}

/// The kind of this reply.
fn kind_of(answer: &str) -> String {
    let word = |words: &'static [&'static str]| {
        let found = words.iter().find(|word| answer.contains(**word));
        found.copied().unwrap_or_default()
    };
    if answer.contains("Full") {
        return format!(
            "Full {} {}",
            word(&["Inbox", "Sender"]),
            word(&["Messages", "Bytes"])
        );
    }
    let words: Vec<&str> = answer.split(['(', '[', ' ']).take(3).collect();
    words.join(" ")
}

fn answered(writes: Vec<QueuedWrite>, replies: &Replies) -> Vec<String> {
    for write in writes {
        write.committed();
    }
    std::mem::take(&mut *replies.lock().unwrap())
}

#[test]
fn a_group_is_what_its_writes_are_one_by_one() {
    let seed = rand::random();
    let mut random = Random {
        numbers: StdRng::seed_from_u64(seed),
        people: people(),
    };
    let (mut together, mut single) = (Side::new(), Side::new());
    let replies = Replies::default();
    let mut newest = 0;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..groups() {
        if number % SAME_PEOPLE == 0 {
            // Boxes are new again.
            random.people = people();
            together.clear();
            single.clear();
            newest = 0;
        }
        let now = Now::read(None);
        let made = random.group(&now);
        let about = format!("seed {seed}, group {number}: {made:#?}");

        let mut group = writes(&made, &replies);
        let ids = together.run(&now, |work| run(work, &mut group, true));
        let of_group = answered(group, &replies);

        let mut group = writes(&made, &replies);
        single.run(&now, |work| {
            group.iter_mut().try_for_each(|write| {
                write.run(work)?;
                change_totals(work)
            })
        });
        let one_by_one = answered(group, &replies);

        assert_eq!(of_group, one_by_one, "{about}");
        let (lines, numbers) = together.messages();
        assert_eq!(lines, single.messages().0, "{about}");
        assert_eq!(together.others(), single.others(), "{about}");
        let totals = together.totals();
        assert_eq!(totals, single.totals(), "{about}");
        assert_eq!(totals, totals_of(&lines), "{about}");
        let before = newest;
        for (line, id) in lines
            .into_iter()
            .zip(numbers)
            .filter(|(_, id)| *id > before)
        {
            assert_eq!(ids.get(&(line.0, line.1)), Some(&id), "{about}");
            newest = newest.max(id);
        }
        for answer in one_by_one {
            *kinds.entry(kind_of(&answer)).or_default() += 1;
        }
    }
    // The test proves nothing if the groups try too little.
    let total = |name: &str| {
        let of_name = kinds.iter().filter(|(kind, _)| kind.contains(name));
        of_name.map(|(_, count)| count).sum::<usize>()
    };
    for name in ["Stored", "Taken", "Blocked", "Due"] {
        assert!(total(name) > groups() / 20, "{name}: {kinds:?}");
    }
    for name in [
        "Full Inbox Messages",
        "Full Inbox Bytes",
        "Full Sender Messages",
        "Full Sender Bytes",
    ] {
        assert!(total(name) > groups() / 150, "{name}: {kinds:?}");
    }
}
