//! The round trips to a database server for a group of writes: hundreds of writes take no more than one.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::db::{DatabaseUrl, DbError, DbHandle, DbSettings};
use messagebox::ids::IdentityKey;
use messagebox::model::{
    ListBound, MessageBody, NewMessage, Page, RequestClaim, SessionRow, Submission, SubmitOutcome,
};
use tokio::sync::mpsc;
use url::Url;

use crate::delaying_proxy::DelayingProxy;
use crate::support::database::{Kind, TestDatabase};

const PATIENCE: Duration = Duration::from_secs(60);

/// A store whose connections go through a counting proxy.
struct Store {
    kind: Kind,
    db: DbHandle,
    proxy: DelayingProxy,
    database: TestDatabase,
    recipients: Vec<IdentityKey>,
    sender: IdentityKey,
    session: String,
    /// The next number for messages and requests.
    next: usize,
}

impl Store {
    async fn open(kind: Kind) -> Self {
        let database = TestDatabase::of(kind);
        let mut url = Url::parse(database.url()).unwrap();
        let port = url.port().unwrap();
        let server = (url.host_str().unwrap(), port).to_socket_addrs();
        let server = server.unwrap().next().unwrap();
        let proxy = DelayingProxy::start(server, Duration::ZERO).unwrap();
        url.set_ip_host(proxy.address().ip()).unwrap();
        url.set_port(Some(proxy.address().port())).unwrap();
        let mut settings = DbSettings::new(DatabaseUrl::parse(url.as_str()).unwrap());
        settings.max_group = 10_000;
        settings.returns_ids = true;
        settings.quotas.inbox.messages = Some(1_000_000);
        settings.quotas.sender.bytes = Some(1 << 40);
        let db = DbHandle::open(&settings, None).unwrap();
        let session = SessionRow {
            own_nonce: "session".to_owned(),
            peer_nonce: "peer".to_owned(),
            peer: key(),
        };
        db.store_session(session, true).await.unwrap();
        Self {
            kind,
            db,
            proxy,
            database,
            recipients: (0..500).map(|_| key()).collect(),
            sender: key(),
            session: "session".to_owned(),
            next: 0,
        }
    }

    fn message(&mut self, recipient: IdentityKey, message_box: &str) -> NewMessage {
        self.next += 1;
        NewMessage {
            recipient,
            sender: self.sender,
            message_box: message_box.to_owned(),
            message_id: self.next.to_string(),
            // The acknowledged message and the new one differ in size, so totals change.
            body: MessageBody::Text("x".repeat(200 + message_box.len()).into()),
            payment: None,
            expires_at: None,
            room: None,
        }
    }

    /// Whether the other writes join a write that waits for the lock. On MySQL, claims take the lock, so the others
    /// form the next group.
    fn goes_along(&self, is_claimed: bool) -> bool {
        self.kind != Kind::Mysql || !is_claimed
    }

    /// The round trips of `size` sends, as many acknowledgements, and the write before them. That write waits for the
    /// lock while they collect.
    async fn group(&mut self, size: usize, message_box: &str, is_claimed: bool) -> u64 {
        let acknowledged = self.sent(size).await;
        let (before, commits) = (self.proxy.round_trips(), self.db.status().commits);
        let held = self.database.hold_writers();
        let blocker = self.message(self.sender, "first");
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let submit = |db: &DbHandle, message| {
            let sender = sender.clone();
            let submission = Submission {
                messages: vec![message],
                paid: None,
                has_payment: false,
            };
            db.submit(submission, move |result| sender.send(result).unwrap());
        };
        let claim = RequestClaim::new(&self.session, &format!("nonce {}", self.next));
        if is_claimed {
            submit(&self.db.claiming(&claim), blocker);
        } else {
            submit(&self.db, blocker);
        }
        while self.db.status().queued_writes > 0 {
            tokio::task::yield_now().await;
        }
        let mut waiting = Vec::new();
        for (index, acknowledged) in acknowledged.into_iter().enumerate() {
            let recipient = self.recipients[index];
            let message = self.message(recipient, message_box);
            let claim = RequestClaim::new(&self.session, &format!("nonce {}", self.next));
            if is_claimed {
                submit(&self.db.claiming(&claim), message);
            } else {
                submit(&self.db, message);
            }
            let db = self.db.clone();
            waiting.push(actix_web::rt::spawn(async move {
                db.acknowledge(recipient, vec![acknowledged]).await
            }));
        }
        while self.db.status().queued_writes < 2 * size {
            tokio::task::yield_now().await;
        }
        drop(held);
        for _ in 0..=size {
            let result = next(&mut receiver).await;
            assert!(matches!(result, Ok(SubmitOutcome::Stored(_))), "{result:?}");
        }
        for acknowledgement in waiting {
            assert_eq!(acknowledgement.await.unwrap(), Ok(1));
        }
        let is_one = size == 0 || self.goes_along(is_claimed);
        let groups = if is_one { 1 } else { 2 };
        assert_eq!(self.db.status().commits, commits + groups);
        self.proxy.round_trips() - before
    }

    /// Stores a message for each of `size` recipients and returns their ids.
    async fn sent(&mut self, size: usize) -> Vec<String> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut ids = Vec::new();
        for index in 0..size {
            let mut message = self.message(self.recipients[index], "acknowledged");
            // Its size differs from those of the group, so that the totals of identities change.
            message.body = MessageBody::Text("a longer body than those of a group".into());
            ids.push(message.message_id.clone());
            let sender = sender.clone();
            let submission = Submission {
                messages: vec![message],
                paid: None,
                has_payment: false,
            };
            self.db
                .submit(submission, move |result| sender.send(result).unwrap());
        }
        for _ in 0..size {
            next(&mut receiver).await.unwrap();
        }
        ids
    }

    /// The round trips of one group.
    async fn counted(&mut self, size: usize, message_box: &str, is_claimed: bool) -> u64 {
        let both = self.group(size, message_box, is_claimed).await;
        if self.goes_along(is_claimed) {
            return both;
        }
        both - self.group(0, message_box, is_claimed).await
    }
}

/// Round trips of the reads of clients and nodes.
const MAX_READ: u64 = 2;

impl Store {
    /// The round trips of this read, done twice: the first time prepares its statements.
    async fn reading<T>(&self, read: impl AsyncFn(&DbHandle) -> T) -> (T, u64) {
        read(&self.db).await;
        let before = self.proxy.round_trips();
        let value = read(&self.db).await;
        (value, self.proxy.round_trips() - before)
    }
}

async fn count_reads(kind: Kind) {
    let mut store = Store::open(kind).await;
    store.sent(500).await;
    let (reader, sender) = (store.recipients[0], store.sender);
    let bound = ListBound {
        max_bytes: 1_000_000,
        measure: |message| message.body.len(),
        overhead: 0,
        name: None,
    };
    for _ in 0..40 {
        store.sent(1).await;
    }
    let list = async |db: &DbHandle| {
        let message_box = "acknowledged".to_owned();
        let listed = db.list_into(reader, message_box, Page::default(), bound, Vec::new);
        listed.await.unwrap().0.len()
    };
    let (listed, trips) = store.reading(list).await;
    println!("{kind:?}: a list of {listed}: {trips} round trips");
    assert_eq!(listed, 41);
    assert!(trips <= MAX_READ, "{trips}");

    let recipients = store.recipients.clone();
    let quote = async |db: &DbHandle| db.quote(sender, recipients.clone(), "b".to_owned()).await;
    let (quote, trips) = store.reading(quote).await;
    println!("{kind:?}: a quote for 500 recipients: {trips} round trips");
    assert_eq!(quote.unwrap().recipient_fees, [0; 500]);
    assert!(trips <= MAX_READ, "{trips}");

    let session = async |db: &DbHandle| db.find_session("session".to_owned()).await;
    let (session, trips) = store.reading(session).await;
    println!("{kind:?}: a session of another node: {trips} round trips");
    assert!(session.unwrap().is_some());
    assert!(trips <= MAX_READ, "{trips}");

    store.sent(500).await;
    let missed = async |db: &DbHandle| db.messages_after(0, |_| true).await;
    let (page, trips) = store.reading(missed).await;
    let page = page.unwrap();
    println!(
        "{kind:?}: a page of {} missed messages: {trips} round trips",
        page.messages.len()
    );
    assert_eq!((page.messages.len(), page.more), (1_000, true));
    assert!(trips <= MAX_READ, "{trips}");
}

pub async fn reads_on_postgresql_take_two() {
    count_reads(Kind::Postgres).await;
}

pub async fn reads_on_mariadb_take_two() {
    count_reads(Kind::Mysql).await;
}

type Outcome = Result<SubmitOutcome, DbError>;

async fn next(receiver: &mut mpsc::UnboundedReceiver<Outcome>) -> Outcome {
    tokio::time::timeout(PATIENCE, receiver.recv())
        .await
        .unwrap()
        .unwrap()
}

fn key() -> IdentityKey {
    Identity::random().identity_key()
}

/// `BEGIN` with the lock and request claims, a look-up, deletes, boxes, messages, totals, their ids, commit. PostgreSQL
/// claims in a statement of its own and returns ids with the messages.
const MAX: u64 = 8;

async fn count_groups(kind: Kind) {
    let mut store = Store::open(kind).await;
    // All statements are prepared now.
    for is_claimed in [false, true] {
        store.counted(2, "prepared", is_claimed).await;
    }
    for is_claimed in [false, true] {
        let mut counts = Vec::new();
        for size in [1, 50, 500] {
            let new_box = format!("box {size} {is_claimed}");
            counts.push(store.counted(size, &new_box, is_claimed).await);
        }
        println!(
            "{kind:?}: groups of 1, 50 and 500, claimed: {is_claimed}: {counts:?} round trips"
        );
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        assert!(counts[0] <= MAX, "{counts:?}");
    }
}

pub async fn a_group_on_postgresql_takes_as_many_as_one_write() {
    count_groups(Kind::Postgres).await;
}

pub async fn a_group_on_mariadb_takes_as_many_as_one_write() {
    count_groups(Kind::Mysql).await;
}
