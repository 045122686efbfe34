//! The phases of a run: connect, begin, measure, drain, stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use messagebox::client::ClientError;
use parking_lot::Mutex;
use tokio::time::sleep_until;

use super::measure::accounting::DeliveryTally;
use super::measure::progress;
use super::measure::server_process::{ServerProcess, Usage};
use super::options::Scenario;
use super::run::{Run, stopped};
use super::scenario;
use super::traffic::signature;
use super::traffic::source;
use super::workload::Workload;

/// Sampling interval of the server's process.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// How often the drain checks for outstanding messages.
const DRAIN_CHECK: Duration = Duration::from_millis(10);
/// Maximum length of the drain, as a multiple of --drain.
const MAX_DRAINS: u32 = 10;
/// Maximum time for tasks to stop; those of `http` list and empty their boxes first.
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// The outcome of a run, beside what its operations recorded.
#[derive(Debug, Default)]
pub(crate) struct RunOutcome {
    pub(crate) tally: DeliveryTally,
    /// Samples of the server's process, from before the first socket to the end.
    pub(crate) server: Vec<Usage>,
    /// Samples of the server's process at the milestones.
    pub(crate) marks: Milestones<Option<Usage>>,
    /// Samples of this process at the milestones.
    pub(crate) own: Milestones<Option<Usage>>,
    /// CPU time of a bare signature during the run.
    pub(crate) signature: Option<Duration>,
}

/// Values before the first socket, once all are connected, and at both ends of the measured window.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Milestones<T> {
    pub(crate) start: T,
    pub(crate) connected: T,
    pub(crate) from: T,
    pub(crate) to: T,
}

/// Samples the server's process and this one.
struct Watch {
    run: Arc<Run>,
    server: Option<Mutex<ServerProcess>>,
    own: Mutex<ServerProcess>,
    samples: Mutex<Vec<Usage>>,
    signatures: Mutex<Vec<Duration>>,
}

impl Watch {
    fn sample(&self) -> Option<Usage> {
        let mut server = lock(self.server.as_ref()?);
        let usage = server.usage(self.run.clock.now())?;
        lock(&self.samples).push(usage);
        Some(usage)
    }

    fn sample_own(&self) -> Option<Usage> {
        lock(&self.own).usage(self.run.clock.now())
    }

    async fn keep_sampling(self: Arc<Self>) {
        let mut stop = self.run.stopping();
        loop {
            tokio::select! {
                () = tokio::time::sleep(SAMPLE_INTERVAL) => {}
                () = stopped(&mut stop) => return,
            }
            self.sample();
            if self.run.clock.measures(self.run.clock.now()) {
                let turn = tokio::task::spawn_blocking(signature::turn).await;
                lock(&self.signatures).extend(turn.ok().flatten());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> parking_lot::MutexGuard<'_, T> {
    mutex.lock()
}

/// Runs all phases of a run.
///
/// # Errors
/// If no socket could connect, or a sender could not: then there is nothing to report.
pub(crate) async fn drive(run: &Arc<Run>) -> Result<RunOutcome, ClientError> {
    let server = run
        .options
        .server_pid
        .map(|pid| Mutex::new(ServerProcess::new(pid)));
    let watch = Arc::new(Watch {
        run: Arc::clone(run),
        server,
        own: Mutex::new(ServerProcess::own()),
        samples: Mutex::new(Vec::new()),
        signatures: Mutex::new(Vec::new()),
    });
    let mut outcome = RunOutcome::default();
    outcome.marks.start = watch.sample();
    outcome.own.start = watch.sample_own();
    if run.options.server_pid.is_some() && outcome.marks.start.is_none() {
        return Err(ClientError::Unexpected(
            "--server-pid: there is no such process",
        ));
    }
    tokio::spawn(Arc::clone(&watch).keep_sampling());
    if !run.options.quiet {
        tokio::spawn(progress::show(Arc::clone(run)));
    }
    let workloads = scenario::prepare(run).await?;
    outcome.marks.connected = watch.sample();
    outcome.own.connected = watch.sample_own();
    let tasks = begin(run, workloads);
    sleep_until(run.clock.instant(run.clock.measured_from()).into()).await;
    outcome.marks.from = watch.sample();
    outcome.own.from = watch.sample_own();
    tokio::select! {
        () = sleep_until(run.clock.instant(run.clock.measured_to()).into()) => {}
        // The figures so far are worth a report.
        _ = tokio::signal::ctrl_c() => run.clock.cut(),
    }
    outcome.marks.to = watch.sample();
    outcome.own.to = watch.sample_own();
    drain(run).await;
    run.stop();
    outcome.tally = collect(run, tasks).await;
    watch.sample();
    outcome.server.clone_from(&lock(&watch.samples));
    let signatures = lock(&watch.signatures).clone();
    // A run that was too short to time one is over now.
    outcome.signature = signature::median(signatures).or_else(signature::turn);
    Ok(outcome)
}

fn begin(run: &Run, workloads: Vec<Workload>) -> Vec<tokio::task::JoinSet<DeliveryTally>> {
    run.clock.begin();
    let start = |workload: Workload| {
        source::begin(workload.sources, workload.pace, Arc::clone(&run.clock));
        workload.tasks
    };
    workloads.into_iter().map(start).collect()
}

/// Waits until all messages have arrived, or none arrives for a while, with a limit: a late message is not lost.
async fn drain(run: &Run) {
    let patience = run.options.drain;
    let all_arrived = async {
        let mut outstanding = run.outstanding();
        let mut last_arrival = Instant::now();
        while outstanding > 0 && last_arrival.elapsed() < patience {
            tokio::time::sleep(DRAIN_CHECK).await;
            let now = run.outstanding();
            if now < outstanding {
                last_arrival = Instant::now();
            }
            outstanding = now;
        }
    };
    let most = patience.saturating_mul(MAX_DRAINS);
    if tokio::time::timeout(most, all_arrived).await.is_err() {
        run.errors.note("the end", &"messages were still arriving");
    }
    // Duplicates may arrive a little later.
    if !matches!(run.options.scenario, Scenario::Idle) {
        tokio::time::sleep(DRAIN_CHECK * 10).await;
    }
}

async fn collect(run: &Run, tasks: Vec<tokio::task::JoinSet<DeliveryTally>>) -> DeliveryTally {
    let mut sum = DeliveryTally::default();
    let joining = async {
        for mut tasks in tasks {
            while let Some(tally) = tasks.join_next().await {
                match tally {
                    Ok(tally) => sum += tally,
                    Err(error) => run.errors.note("a task", &error),
                }
            }
        }
    };
    if tokio::time::timeout(STOP_TIMEOUT, joining).await.is_err() {
        run.errors.note("the end", &"tasks did not stop");
    }
    let open = run.connected.load(Ordering::Relaxed);
    log::debug!("{open} sockets were open at the end");
    sum
}
