//! A way to a database server that is cut at a chosen point of a transaction that holds the writers' lock.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server gets the beginning of the transaction.
    Begin,
    /// At the first statement in the transaction.
    Work,
    /// Before the server gets the commit.
    Commit,
    /// After the server has committed, before it can say so.
    Answer,
    /// Not at all: MySQL refuses to end the transaction, commit or rollback, and answers everything else. The connection counts
    /// as cut when its client closes it.
    Refusal,
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Option<Cut>>,
    cuts: AtomicUsize,
}

impl Shared {
    /// Whether the connection is to be cut here. One is, once.
    fn cuts(&self, here: Cut) -> bool {
        let mut armed = self.armed.lock().unwrap();
        let is_here = *armed == Some(here);
        if is_here {
            *armed = None;
        }
        is_here
    }
}

pub struct CuttingProxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    /// The proxy ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl CuttingProxy {
    /// Runs on a thread of its own: a test may block.
    pub fn to(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let passing = Arc::clone(&shared);
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_io().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, target, passing) => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            address,
            shared,
            _end: end,
        }
    }

    /// The next transaction that comes to this point loses its connection.
    pub fn arm(&self, cut: Cut) {
        *self.shared.armed.lock().unwrap() = Some(cut);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Acquire)
    }
}

async fn accept(listener: std::net::TcpListener, target: SocketAddr, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(target).await.unwrap();
        tokio::spawn(pass(near, far, Arc::clone(&shared)));
    }
}

const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;

/// What a statement does for the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begins,
    Commits,
}

/// Finds the steps in what a client says. MySQL's statements are prepared under a number, and run by it.
#[derive(Default)]
struct Steps {
    asked: Option<Step>,
    prepared: HashMap<[u8; 4], Step>,
}

impl Steps {
    /// Names a statement that the server does not know instead of the one that ends a transaction.
    fn garble(&self, chunk: &mut [u8]) {
        if let [_, _, _, _, EXECUTE, a, b, c, d, ..] = chunk
            && self.prepared.get(&[*a, *b, *c, *d]) == Some(&Step::Commits)
        {
            (*a, *b, *c, *d) = (0xFF, 0xFF, 0xFF, 0x7F);
        }
    }

    fn of_client(&mut self, chunk: &[u8]) -> Option<Step> {
        if contains(chunk, "pg_advisory_xact_lock") {
            return Some(Step::Begins);
        }
        let Some(packets) = packets(chunk) else {
            return contains(chunk, "COMMIT").then_some(Step::Commits);
        };
        let mut step = None;
        for packet in packets {
            match packet {
                [PREPARE, text @ ..] => {
                    // With claims of requests, or by itself. Asking whether a connection can write takes no lock.
                    let locks =
                        contains(text, "`messagebox_writer`") && !contains(text, "WHERE FALSE");
                    self.asked = if locks {
                        Some(Step::Begins)
                    } else if text == b"SET autocommit = 1" {
                        Some(Step::Commits)
                    } else {
                        None
                    };
                }
                [EXECUTE, a, b, c, d, ..] => {
                    step = step.or(self.prepared.get(&[*a, *b, *c, *d]).copied());
                }
                _ => {}
            }
        }
        step
    }

    /// The answer to `PREPARE` begins with the number.
    fn of_server(&mut self, chunk: &[u8]) {
        if let (Some(step), [_, _, _, _, 0, a, b, c, d, ..]) = (self.asked.take(), chunk) {
            self.prepared.insert([*a, *b, *c, *d], step);
        }
    }
}

/// MySQL's packets: the length in three bytes, a number, the command, and what it is about. A statement that is closed has no
/// answer, so the next one may come with it.
fn packets(mut chunk: &[u8]) -> Option<Vec<&[u8]>> {
    let mut packets = Vec::new();
    while let [a, b, c, 0, rest @ ..] = chunk {
        let length = u32::from_le_bytes([*a, *b, *c, 0]);
        let (packet, others) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        packets.push(packet);
        chunk = others;
    }
    chunk.is_empty().then_some(packets)
}

fn contains(chunk: &[u8], text: &str) -> bool {
    chunk
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Passes what both say, until one of them ends or the connection is cut. Statements and their beginnings come in one piece
/// each: they are short, and the client waits for every answer.
async fn pass(mut near: TcpStream, mut far: TcpStream, shared: Arc<Shared>) {
    let (mut from_near, mut from_far) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut is_writing, mut is_committing, mut is_refusing) = (false, false, false);
    let mut steps = Steps::default();
    loop {
        tokio::select! {
            read = near.read(&mut from_near) => {
                let Ok(length @ 1..) = read else {
                    if is_refusing {
                        break;
                    }
                    return;
                };
                let chunk = &mut from_near[..length];
                let step = steps.of_client(chunk);
                let begins = step == Some(Step::Begins);
                let commits = is_writing && step == Some(Step::Commits);
                let is_cut = begins && shared.cuts(Cut::Begin)
                    || is_writing && !commits && shared.cuts(Cut::Work)
                    || commits && shared.cuts(Cut::Commit);
                is_committing = commits && shared.cuts(Cut::Answer);
                is_refusing = is_refusing || commits && shared.cuts(Cut::Refusal);
                if is_refusing {
                    steps.garble(chunk);
                }
                is_writing = (is_writing || begins) && !commits;
                if is_cut {
                    break;
                }
                if far.write_all(chunk).await.is_err() {
                    return;
                }
            }
            read = far.read(&mut from_far) => {
                let Ok(length @ 1..) = read else {
                    // The client has said farewell, and the server was faster to close.
                    if is_refusing {
                        break;
                    }
                    return;
                };
                if is_committing {
                    break;
                }
                steps.of_server(&from_far[..length]);
                if near.write_all(&from_far[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
    // Both ends are closed before anybody can see the count.
    drop((near, far));
    shared.cuts.fetch_add(1, Ordering::AcqRel);
}
