//! Group commit against one commit per message, on a real SQLite file with synchronous=FULL.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix::System;
use criterion::{Criterion, criterion_group, criterion_main};
use messagebox::auth::Identity;
use messagebox::db::{DatabaseUrl, DbHandle, DbSettings};
use messagebox::ids::IdentityKey;
use messagebox::model::{MessageBody, NewMessage, Submission};

const MESSAGES: usize = 256;

/// A database whose executor runs on a thread of its own.
struct Store {
    db: DbHandle,
    recipient: IdentityKey,
    next: usize,
    _folder: tempfile::TempDir,
}

impl Store {
    fn open(max_group: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = DbSettings::new(DatabaseUrl::Sqlite(folder.path().join("bench.db")));
        settings.max_group = max_group;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let system = System::new();
            system.block_on(async {
                sender
                    .send(DbHandle::open(&settings, None).unwrap())
                    .unwrap();
            });
            system.run().unwrap();
        });
        Self {
            db: receiver.recv().unwrap(),
            recipient: Identity::random().identity_key(),
            next: 0,
            _folder: folder,
        }
    }

    /// Submits messages at once and waits until all are durable.
    fn store(&mut self) -> Duration {
        let (sender, receiver) = mpsc::channel();
        let start = Instant::now();
        for _ in 0..MESSAGES {
            self.next += 1;
            let message = NewMessage {
                recipient: self.recipient,
                sender: self.recipient,
                message_box: "inbox".to_owned(),
                message_id: self.next.to_string(),
                body: MessageBody::Text("x".repeat(256).into()),
                payment: None,
                expires_at: None,
                room: None,
            };
            let sender = sender.clone();
            let submission = Submission {
                messages: vec![message],
                paid: None,
                has_payment: false,
            };
            self.db
                .submit(submission, move |stored| sender.send(stored).unwrap());
        }
        for _ in 0..MESSAGES {
            receiver.recv().unwrap().unwrap();
        }
        start.elapsed()
    }
}

fn commits(criterion: &mut Criterion) {
    let (mut grouped, mut single) = (Store::open(512), Store::open(1));
    let mut group = criterion.benchmark_group("256 messages");
    group.sample_size(10);
    group.bench_function("group commit", |bench| bench.iter(|| grouped.store()));
    group.bench_function("one commit each", |bench| bench.iter(|| single.store()));
    group.finish();
    let mut ratios: Vec<f64> = (0..9)
        .map(|_| single.store().as_secs_f64() / grouped.store().as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "group commit is {:.1} times as fast as one commit a message (median of 9 pairs)",
        ratios.get(4).copied().unwrap_or_default()
    );
}

criterion_group!(benches, commits);
criterion_main!(benches);
