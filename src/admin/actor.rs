//! The actor that collects the status and samples the history.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::panics;

use super::collect::StatusSources;
use super::history::{Figures, History, HistoryReport};
use super::rates::{Counts, Rates};
use super::status::ServerStatus;

/// How long a status is served before the next one is collected.
const KEEP: Duration = Duration::from_millis(900);

/// Time between two samples for rates.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Asks for the status; `None` after a panic.
#[derive(Debug, Message)]
#[rtype(result = "Option<Arc<ServerStatus>>")]
pub struct GetServerStatus;

/// Asks for the history of the last 24 hours; `None` after a panic.
#[derive(Debug, Message)]
#[rtype(result = "Option<HistoryReport>")]
pub struct GetHistory;

/// Stops the actor and its arbiter.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopAdmin;

struct Sample {
    counts: Counts,
    deliveries: u64,
    /// Collected once per minute.
    figures: Option<Figures>,
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Collects the status. Requests that arrive meanwhile share the result.
#[derive(Debug)]
pub struct Admin {
    sources: StatusSources,
    rates: Rates,
    history: History,
    /// The registry's last count.
    deliveries: u64,
    sampling: bool,
    latest: Option<(Instant, Arc<ServerStatus>)>,
    /// Requests that wait for the status being collected.
    waiting: Vec<oneshot::Sender<Arc<ServerStatus>>>,
}

impl Admin {
    /// Starts the actor on an arbiter of its own, where no other work delays it.
    #[must_use]
    pub fn start_beside(sources: StatusSources) -> Addr<Self> {
        let arbiter = Arbiter::new();
        Self::start_in_arbiter(&arbiter.handle(), move |_| Self {
            sources,
            rates: Rates::default(),
            history: History::default(),
            deliveries: 0,
            sampling: false,
            latest: None,
            waiting: Vec::new(),
        })
    }

    fn sample(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.sampling, true) {
            return;
        }
        let (sources, mut deliveries) = (self.sources.clone(), self.deliveries);
        let is_due = self.history.is_due(Instant::now());
        let sampled = panics::contained("Admin", async move {
            let counts = sources.counts(&mut deliveries).await;
            Sample {
                counts,
                deliveries,
                figures: is_due.then(|| sources.figures(deliveries)),
            }
        });
        let sampled = sampled
            .into_actor(self)
            .map(|sample: Option<Sample>, admin, _| {
                admin.sampling = false;
                let Some(sample) = sample else { return };
                admin.deliveries = sample.deliveries;
                admin.rates.sample(Instant::now(), sample.counts);
                if let Some(figures) = sample.figures {
                    admin.history.add(unix_seconds(), figures);
                }
            });
        ctx.spawn(sampled);
    }

    fn collect(&self, ctx: &mut Context<Self>) {
        let (sources, rates) = (self.sources.clone(), self.rates.get());
        let collected = panics::contained("Admin", async move { sources.status(rates).await });
        let collected = collected.into_actor(self).map(|status, admin, _| {
            let waiting = std::mem::take(&mut admin.waiting);
            // After a panic, dropping the senders tells those who wait.
            let Some(status) = status else { return };
            let status = Arc::new(status);
            admin.latest = Some((Instant::now(), Arc::clone(&status)));
            for waiter in waiting {
                // A request may be gone.
                drop(waiter.send(Arc::clone(&status)));
            }
        });
        ctx.spawn(collected);
    }
}

impl Actor for Admin {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sample(ctx);
        ctx.run_interval(SAMPLE_INTERVAL, Self::sample);
    }
}

impl Handler<StopAdmin> for Admin {
    type Result = ();

    fn handle(&mut self, _: StopAdmin, ctx: &mut Self::Context) {
        ctx.stop();
        // The arbiter runs this actor only.
        Arbiter::current().stop();
    }
}

impl Handler<GetServerStatus> for Admin {
    type Result = ResponseFuture<Option<Arc<ServerStatus>>>;

    fn handle(&mut self, _: GetServerStatus, ctx: &mut Self::Context) -> Self::Result {
        if let Some((at, status)) = &self.latest
            && at.elapsed() < KEEP
        {
            let status = Arc::clone(status);
            return Box::pin(async move { Some(status) });
        }
        let (sender, receiver) = oneshot::channel();
        let is_first = self.waiting.is_empty();
        self.waiting.push(sender);
        if is_first {
            self.collect(ctx);
        }
        Box::pin(async move { receiver.await.ok() })
    }
}

impl Handler<GetHistory> for Admin {
    type Result = Option<HistoryReport>;

    fn handle(&mut self, _: GetHistory, _ctx: &mut Self::Context) -> Self::Result {
        let (sources, deliveries) = (&self.sources, self.deliveries);
        let now = panics::contain("Admin", || sources.figures(deliveries))?;
        Some(self.history.report(unix_seconds(), &now))
    }
}
