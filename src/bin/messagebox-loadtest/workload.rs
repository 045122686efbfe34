//! A prepared scenario: tasks that wait for ticks, and their sources.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::client::ClientError;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::measure::accounting::DeliveryTally;
use super::options::SendPace;
use super::run::Run;
use super::traffic::source::{Source, Tick};

/// A part of a scenario, ready to begin.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Each gives the tally of its messages.
    pub(crate) tasks: JoinSet<DeliveryTally>,
    pub(crate) sources: Vec<Source>,
    pub(crate) pace: SendPace,
    run: Arc<Run>,
    ready: UnboundedSender<bool>,
    joined: UnboundedReceiver<bool>,
    awaited: usize,
}

impl Workload {
    pub(crate) fn new(run: &Arc<Run>, pace: SendPace) -> Self {
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

    /// The ticks for a task, and a source for each of its `lanes`.
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

    /// A channel on which a task reports whether it is ready. [`Self::all_ready`] waits for it.
    pub(crate) fn expect_ready(&mut self) -> UnboundedSender<bool> {
        self.awaited += 1;
        self.run.wanted.fetch_add(1, Ordering::Relaxed);
        self.ready.clone()
    }

    /// Waits until every task is ready or has failed.
    ///
    /// # Errors
    /// If no task is ready: there is nothing to measure.
    pub(crate) async fn all_ready(&mut self) -> Result<(), ClientError> {
        let mut any = self.awaited == 0;
        while self.awaited > 0 {
            self.awaited -= 1;
            any |= self.joined.recv().await.unwrap_or(false);
        }
        if any {
            Ok(())
        } else {
            Err(ClientError::Unexpected("no client could connect"))
        }
    }
}
