//! The course of a run: connect, begin, measure, wait for the rest, stop.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use messagebox::client::ClientError;
use tokio::time::sleep_until;

use super::accounting::Tally;
use super::options::Scenario;
use super::progress;
use super::run::{Run, stopped};
use super::scenario;
use super::server_process::{ServerProcess, Usage};
use super::signature;
use super::source;
use super::workload::Workload;

/// How often the server's process is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is asked whether all has come.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// How many times as long as nothing may come the wait for the rest may be altogether.
const MAX_DRAINS: u32 = 10;
/// How long tasks may take to end after they were told to; those of `http` look through their boxes then.
const STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// What a run has led to, beside what its operations recorded.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Looks at the server's process, from before the first socket to the end.
    pub(crate) server: Vec<Usage>,
    /// When all was connected, and at both ends of the measured window.
    pub(crate) marks: Marks<Option<Usage>>,
    /// The same of this process.
    pub(crate) own: Marks<Option<Usage>>,
    /// What a bare signature took meanwhile.
    pub(crate) signature: Option<Duration>,
}

/// Looks at times that matter.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Marks<T> {
    pub(crate) start: T,
    pub(crate) connected: T,
    pub(crate) from: T,
    pub(crate) to: T,
}

/// The processes that are looked at.
struct Watch {
    run: Arc<Run>,
    server: Option<Mutex<ServerProcess>>,
    own: Mutex<ServerProcess>,
    looks: Mutex<Vec<Usage>>,
    signatures: Mutex<Vec<Duration>>,
}

impl Watch {
    fn look(&self) -> Option<Usage> {
        let mut server = lock(self.server.as_ref()?);
        let usage = server.usage(self.run.clock.now())?;
        lock(&self.looks).push(usage);
        Some(usage)
    }

    fn look_at_own(&self) -> Option<Usage> {
        lock(&self.own).usage(self.run.clock.now())
    }

    async fn keep_looking(self: Arc<Self>) {
        let mut stop = self.run.stopping();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stopped(&mut stop) => return,
            }
            self.look();
            if self.run.clock.measures(self.run.clock.now()) {
                let turn = tokio::task::spawn_blocking(signature::turn).await;
                lock(&self.signatures).extend(turn.ok().flatten());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries a run out.
///
/// # Errors
/// When nothing could be connected, or a sender could not: then there is nothing to report.
pub(crate) async fn drive(run: &Arc<Run>) -> Result<Outcome, ClientError> {
    let server = run
        .options
        .server_pid
        .map(|pid| Mutex::new(ServerProcess::new(pid)));
    let watch = Arc::new(Watch {
        run: Arc::clone(run),
        server,
        own: Mutex::new(ServerProcess::own()),
        looks: Mutex::new(Vec::new()),
        signatures: Mutex::new(Vec::new()),
    });
    let mut outcome = Outcome::default();
    outcome.marks.start = watch.look();
    outcome.own.start = watch.look_at_own();
    if run.options.server_pid.is_some() && outcome.marks.start.is_none() {
        return Err(ClientError::Unexpected(
            "there is no process with the id of --server-pid",
        ));
    }
    tokio::spawn(Arc::clone(&watch).keep_looking());
    if !run.options.quiet {
        tokio::spawn(progress::show(Arc::clone(run)));
    }
    let workloads = scenario::prepare(run).await?;
    outcome.marks.connected = watch.look();
    outcome.own.connected = watch.look_at_own();
    let tasks = begin(run, workloads);
    sleep_until(run.clock.instant(run.clock.measured_from()).into()).await;
    outcome.marks.from = watch.look();
    outcome.own.from = watch.look_at_own();
    tokio::select! {
        () = sleep_until(run.clock.instant(run.clock.measured_to()).into()) => {}
        // What was measured so far is worth a report.
        _ = tokio::signal::ctrl_c() => run.clock.cut(),
    }
    outcome.marks.to = watch.look();
    outcome.own.to = watch.look_at_own();
    drain(run).await;
    run.stop();
    outcome.tally = collect(run, tasks).await;
    watch.look();
    outcome.server.clone_from(&lock(&watch.looks));
    let signatures = lock(&watch.signatures).clone();
    // A run that was too short for it is over now.
    outcome.signature = signature::median(signatures).or_else(signature::turn);
    Ok(outcome)
}

fn begin(run: &Run, workloads: Vec<Workload>) -> Vec<tokio::task::JoinSet<Tally>> {
    run.clock.begin();
    let start = |workload: Workload| {
        source::begin(workload.sources, workload.pace, Arc::clone(&run.clock));
        workload.tasks
    };
    workloads.into_iter().map(start).collect()
}

/// Waits until all that was sent has come, or nothing came for a while: what is late is not lost. Not for ever.
async fn drain(run: &Run) {
    let patience = run.options.drain;
    let all_came = async {
        let mut outstanding = run.outstanding();
        let mut last_came = Instant::now();
        while outstanding > 0 && last_came.elapsed() < patience {
            tokio::time::sleep(DRAIN_LOOK).await;
            let now = run.outstanding();
            if now < outstanding {
                last_came = Instant::now();
            }
            outstanding = now;
        }
    };
    let most = patience.saturating_mul(MAX_DRAINS);
    if tokio::time::timeout(most, all_came).await.is_err() {
        run.errors.note("the end", &"messages were still coming");
    }
    // What comes twice may come a little later.
    if !matches!(run.options.scenario, Scenario::Idle) {
        tokio::time::sleep(DRAIN_LOOK * 10).await;
    }
}

async fn collect(run: &Run, tasks: Vec<tokio::task::JoinSet<Tally>>) -> Tally {
    let mut sum = Tally::default();
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
        run.errors.note("the end", &"tasks that do not end");
    }
    let open = run.connected.load(Ordering::Relaxed);
    log::debug!("{open} sockets were open at the end");
    sum
}
