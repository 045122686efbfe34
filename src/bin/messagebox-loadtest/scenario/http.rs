//! `http`: authenticated requests that send, list and acknowledge, each timed by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use messagebox::auth::Identity;
use messagebox::client::{ClientError, MessageBoxClient};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::measure::accounting::{DeliveryTally, SequenceTracker};
use crate::measure::figures;
use crate::measure::recorder::TimedOperation;
use crate::options::{HttpOperation, HttpOptions, MESSAGE_BOX, SendPace};
use crate::run::{Run, stopped};
use crate::traffic::marker::Marker;
use crate::traffic::source::{Source, Tick};
use crate::workload::Workload;

/// The box to list, whose messages do not change.
const LISTED_BOX: &str = "loadtest-list";
/// Messages per acknowledgement at the end.
const CHUNK: usize = 500;
/// Maximum lists to empty a box, for servers that list a part at a time.
const MAX_ROUNDS: usize = 1_000;

pub(crate) async fn prepare(
    run: &Arc<Run>,
    options: &HttpOptions,
    clients: usize,
    pace: SendPace,
) -> Result<Workload, ClientError> {
    let mut workload = Workload::new(run, pace);
    for _ in 0..clients {
        let ready = workload.expect_ready();
        let (sources, ticks) = workload.ticks(1);
        let steps = options.operations.iter().map(|&operation| Step {
            operation,
            times: run.operation(operation.name()),
        });
        let identity = Arc::new(Identity::random());
        let client = Client {
            run: Arc::clone(run),
            boxes: MessageBoxClient::new(run.connector.clone(), identity),
            steps: steps.collect(),
            listed: options.messages,
            stream: run.next_stream(),
            sent: 0,
            stored: 0,
            tracker: SequenceTracker::default(),
            waiting: VecDeque::new(),
        };
        workload.tasks.spawn(client.work(sources, ticks, ready));
    }
    workload.all_ready().await?;
    Ok(workload)
}

#[derive(Debug)]
struct Step {
    operation: HttpOperation,
    times: Arc<TimedOperation>,
}

/// A client, with one request at a time.
#[derive(Debug)]
struct Client {
    run: Arc<Run>,
    boxes: MessageBoxClient,
    steps: Vec<Step>,
    /// Messages in the box to list.
    listed: u64,
    stream: u32,
    sent: u64,
    stored: u64,
    tracker: SequenceTracker,
    /// Messages stored and not yet acknowledged.
    waiting: VecDeque<Marker>,
}

impl Client {
    async fn work(
        mut self,
        sources: Vec<Source>,
        mut ticks: UnboundedReceiver<Tick>,
        ready: UnboundedSender<bool>,
    ) -> DeliveryTally {
        let prepared = self.fill().await;
        if let Err(error) = &prepared {
            self.run.errors.note("a client could not start", error);
        } else {
            self.run.connected.fetch_add(1, Ordering::Relaxed);
        }
        let _ = ready.send(prepared.is_ok());
        drop(ready);
        if prepared.is_err() {
            return DeliveryTally::default();
        }
        let mut stop = self.run.stopping();
        let mut turn = 0;
        loop {
            let tick = tokio::select! {
                Some(tick) = ticks.recv() => tick,
                () = stopped(&mut stop) => break,
            };
            if self.run.clock.now() >= self.run.clock.measured_to() {
                let scheduled = u64::from(tick.intended.is_some());
                self.run.unsent.fetch_add(scheduled, Ordering::Relaxed);
                continue;
            }
            self.run.issued.fetch_add(1, Ordering::AcqRel);
            let steps = self.steps.len();
            if let Err(error) = self.step(turn, tick).await {
                self.run.errors.note("a request", &error);
            }
            turn = (turn + 1) % steps.max(1);
            self.run.settled.fetch_add(1, Ordering::AcqRel);
            for source in &sources {
                source.completed();
            }
        }
        self.finish().await
    }

    /// Shakes hands, and fills the box to list.
    async fn fill(&self) -> Result<(), ClientError> {
        self.boxes.connect().await?;
        let lists = |step: &Step| step.operation == HttpOperation::List;
        if !self.steps.iter().any(lists) {
            return Ok(());
        }
        let body = "x".repeat(self.run.options.body.max(1));
        for index in 0..self.listed {
            let id = format!("listed-{index}");
            let own = self.boxes.identity_key();
            self.boxes.send(own, LISTED_BOX, &id, &body).await?;
        }
        Ok(())
    }

    async fn step(&mut self, turn: usize, tick: Tick) -> Result<(), ClientError> {
        let Some(step) = self.steps.get(turn) else {
            return Ok(());
        };
        let (operation, times) = (step.operation, Arc::clone(&step.times));
        if operation == HttpOperation::Acknowledge && self.waiting.is_empty() {
            self.send(self.run.clock.now()).await?;
        }
        // Without a schedule, sending the missing message does not count.
        let intended = tick.intended.unwrap_or_else(|| self.run.clock.now());
        match operation {
            HttpOperation::Send => self.send(intended).await?,
            HttpOperation::List => self.list().await?,
            HttpOperation::Acknowledge => self.acknowledge().await?,
        }
        times.record(times.shard(), intended);
        Ok(())
    }

    async fn send(&mut self, intended: u64) -> Result<(), ClientError> {
        let marker = Marker {
            run: self.run.tag,
            stream: self.stream,
            sequence: self.sent,
            intended,
        };
        self.sent += 1;
        let body = marker.body(self.run.options.body);
        let own = self.boxes.identity_key();
        self.boxes
            .send(own, MESSAGE_BOX, &marker.to_string(), &body)
            .await?;
        self.stored += 1;
        let acknowledges = |step: &Step| step.operation == HttpOperation::Acknowledge;
        if self.steps.iter().any(acknowledges) {
            self.waiting.push_back(marker);
        }
        Ok(())
    }

    async fn list(&self) -> Result<(), ClientError> {
        let listed = figures::count(self.boxes.list(LISTED_BOX).await?.len());
        if listed != self.listed {
            let difference = format!("{listed} messages instead of {}", self.listed);
            self.run.errors.note("a list", &difference);
        }
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<(), ClientError> {
        let Some(marker) = self.waiting.pop_front() else {
            return Ok(());
        };
        match self.boxes.acknowledge(&[marker.to_string()]).await {
            // The message is still stored, and is acknowledged again later.
            Err(error @ ClientError::Refused { status: 500.., .. }) => {
                self.waiting.push_front(marker);
                Err(error)
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.tracker.note(marker.sequence);
                Ok(())
            }
        }
    }

    /// Counts the remaining messages, and empties the boxes.
    async fn finish(mut self) -> DeliveryTally {
        for message_box in [MESSAGE_BOX, LISTED_BOX] {
            if let Err(error) = self.empty(message_box).await {
                self.run.errors.note("emptying a box", &error);
            }
        }
        self.tracker.finish(self.stored)
    }

    async fn empty(&mut self, message_box: &str) -> Result<(), ClientError> {
        for _ in 0..MAX_ROUNDS {
            let messages = self.boxes.list(message_box).await?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in &messages {
                let marker = Marker::find(message.message_id.as_bytes(), self.run.tag);
                if let Some(marker) = marker
                    && marker.sequence < self.sent
                {
                    self.tracker.note(marker.sequence);
                }
            }
            let ids: Vec<String> = messages.into_iter().map(|it| it.message_id).collect();
            for chunk in ids.chunks(CHUNK) {
                self.boxes.acknowledge(chunk).await?;
            }
        }
        Err(ClientError::Unexpected("a box does not become empty"))
    }
}
