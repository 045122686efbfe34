//! What a scenario has prepared: tasks that wait for their ticks, and where the ticks go.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::client::ClientError;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::accounting::Tally;
use super::options::Pace;
use super::run::Run;
use super::source::{Source, Tick};

/// Part of a scenario, ready to begin.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Each tells at the end what became of its messages.
    pub(crate) tasks: JoinSet<Tally>,
    pub(crate) sources: Vec<Source>,
    pub(crate) pace: Pace,
    run: Arc<Run>,
    ready: UnboundedSender<bool>,
    joined: UnboundedReceiver<bool>,
    awaited: usize,
}

impl Workload {
    /// One without tasks.
    pub(crate) fn new(run: &Arc<Run>, pace: Pace) -> Self {
        let (ready, joined) = mpsc::unbounded_channel();
        Self {
            tasks: JoinSet::new(),
            sources: Vec::new(),
            pace,
            run: Arc::clone(run),
            ready,
            joined,
            awaited: 0,
        }
    }

    /// Ticks for a task, and where they come from for each of its `lanes`.
    pub(crate) fn ticks(&mut self, lanes: usize) -> (Vec<Source>, UnboundedReceiver<Tick>) {
        let (ticks, receiver) = mpsc::unbounded_channel();
        let source = |local| Source {
            ticks: ticks.clone(),
            local,
            pace: self.pace,
            clock: Arc::clone(&self.run.clock),
        };
        let sources: Vec<Source> = (0..lanes).map(source).collect();
        self.sources.extend(sources.iter().cloned());
        (sources, receiver)
    }

    /// Where a task says that it is ready, or never will be. [`Self::all_ready`] waits for it.
    pub(crate) fn expect_ready(&mut self) -> UnboundedSender<bool> {
        self.awaited += 1;
        self.run.wanted.fetch_add(1, Ordering::Relaxed);
        self.ready.clone()
    }

    /// Waits until every task is ready or has failed.
    ///
    /// # Errors
    /// When none is ready: there is nothing to measure.
    pub(crate) async fn all_ready(&mut self) -> Result<(), ClientError> {
        let mut any = self.awaited == 0;
        while self.awaited > 0 {
            self.awaited -= 1;
            any |= self.joined.recv().await.unwrap_or(false);
        }
        if any {
            Ok(())
        } else {
            Err(ClientError::Unexpected("nothing could be connected"))
        }
    }
}
