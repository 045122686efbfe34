//! `handshake`: opens a socket until `authenticationSuccess` and closes it, again and again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use messagebox::auth::Identity;
use messagebox::client::{AuthSocket, ClientError};

use crate::measure::accounting::DeliveryTally;
use crate::measure::recorder::TimedOperation;
use crate::options::SendPace;
use crate::run::{Run, stopped};
use crate::workload::Workload;

/// Deadline for a handshake.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a socket stays open.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold {
    No,
    /// This long, plus or minus a half.
    For(Duration),
}

pub(crate) fn prepare(run: &Arc<Run>, workers: usize, hold: Hold, pace: SendPace) -> Workload {
    let mut workload = Workload::new(run, pace);
    let operation = run.operation("handshake");
    for _ in 0..workers {
        let (sources, mut ticks) = workload.ticks(1);
        let (run, operation) = (Arc::clone(run), Arc::clone(&operation));
        workload.tasks.spawn(async move {
            let mut stop = run.stopping();
            let shard = operation.shard();
            loop {
                let tick = tokio::select! {
                    Some(tick) = ticks.recv() => tick,
                    () = stopped(&mut stop) => break,
                };
                let now = run.clock.now();
                if now >= run.clock.measured_to() {
                    let scheduled = u64::from(tick.intended.is_some());
                    run.unsent.fetch_add(scheduled, Ordering::Relaxed);
                    continue;
                }
                run.issued.fetch_add(1, Ordering::AcqRel);
                let intended = tick.intended.unwrap_or(now);
                let result = open(&run, &operation, shard, intended).await;
                run.settled.fetch_add(1, Ordering::AcqRel);
                match result {
                    Ok(socket) => leave(&run, socket, hold).await,
                    Err(error) => run.errors.note("a handshake", &error),
                }
                for source in &sources {
                    source.completed();
                }
            }
            DeliveryTally::default()
        });
    }
    workload
}

async fn open(
    run: &Run,
    operation: &TimedOperation,
    shard: usize,
    intended: u64,
) -> Result<AuthSocket, ClientError> {
    let connecting = AuthSocket::connect(&run.connector, Arc::new(Identity::random()));
    let socket = tokio::time::timeout(TIMEOUT, connecting)
        .await
        .map_err(|_| ClientError::Timeout("a handshake"))??;
    operation.record(shard, intended);
    Ok(socket)
}

/// Reads from the socket while it is held, then closes it.
async fn leave(run: &Run, mut socket: AuthSocket, hold: Hold) {
    if let Hold::For(duration) = hold {
        let until = tokio::time::sleep(duration.mul_f64(0.5 + rand::random::<f64>()));
        tokio::pin!(until);
        let mut stop = run.stopping();
        loop {
            let event = tokio::select! {
                event = socket.next_payload(run.reader()) => event,
                () = &mut until => break,
                () = stopped(&mut stop) => break,
            };
            if let Err(error) = event {
                run.errors.note("a socket closed early", &error);
                return;
            }
        }
    }
    socket.close().await;
}
