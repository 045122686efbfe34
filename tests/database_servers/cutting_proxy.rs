//! A proxy to a database server that cuts a transaction with the writers' lock at a chosen point.

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
    /// Before the server receives the start of the transaction.
    Begin,
    /// At the first statement in the transaction.
    Work,
    /// Before the server receives the commit.
    Commit,
    /// After the server has committed, before its answer.
    Answer,
    /// No cut: MySQL refuses the commit or rollback and answers everything else. The cut counts when the client closes
    /// the connection.
    Refusal,
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Option<Cut>>,
    cuts: AtomicUsize,
}

impl Shared {
    /// Whether to cut the connection here. Only one connection is cut.
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
    /// Runs on its own thread, because tests may block.
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

    /// Cuts the next transaction that reaches this point.
    pub fn arm(&self, cut: Cut) {
        *self.shared.armed.lock().unwrap() = Some(cut);
    }

    /// The number of connections that were cut.
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

/// The role of a statement in the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begins,
    Commits,
}

/// Finds the steps in the client's bytes. MySQL prepares statements under a number and runs them by it.
#[derive(Default)]
struct Steps {
    preparing: Option<Step>,
    prepared: HashMap<[u8; 4], Step>,
}

impl Steps {
    /// Replaces the statement that ends a transaction by one that the server does not have.
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
                    // With request claims or without. Asking whether a connection can write takes no lock.
                    let locks =
                        contains(text, "`messagebox_writer`") && !contains(text, "WHERE FALSE");
                    self.preparing = if locks {
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
        if let (Some(step), [_, _, _, _, 0, a, b, c, d, ..]) = (self.preparing.take(), chunk) {
            self.prepared.insert([*a, *b, *c, *d], step);
        }
    }
}

/// MySQL's packets: three bytes of length, a sequence number, the command, and its argument. Closing a statement has no
/// answer, so the next packet may follow at once.
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

/// Copies bytes in both directions until one end closes or the connection is cut. Statements and their first bytes come
/// in one piece each: they are short, and the client waits for every answer.
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
                    // The client has sent its last packet, and the server closed first.
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
    // Both ends are closed before the count is visible.
    drop((near, far));
    shared.cuts.fetch_add(1, Ordering::AcqRel);
}
