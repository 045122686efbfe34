//! The actor that is asked how the server is.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::panics;

use super::collect::Sources;
use super::history::{Figures, History, HistoryReport};
use super::rates::{Counts, Rates};
use super::status::Status;

/// How long an answer counts, however many ask.
const KEEP: Duration = Duration::from_millis(900);

/// How often what rates are made of is looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Ask how the server is. `None`: it could not be found out.
#[derive(Debug, Message)]
#[rtype(result = "Option<Arc<Status>>")]
pub struct GetStatus;

/// Ask how the server was in the last 24 hours. `None`: it could not be found out.
#[derive(Debug, Message)]
#[rtype(result = "Option<HistoryReport>")]
pub struct GetHistory;

/// The server has ended: let go of everything, and of the arbiter.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct End;

/// What is looked at once a second.
struct Sample {
    counts: Counts,
    deliveries: u64,
    /// Once a minute.
    figures: Option<Figures>,
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Asks everybody, once for all who ask it meanwhile.
#[derive(Debug)]
pub struct Admin {
    sources: Sources,
    rates: Rates,
    history: History,
    /// What the registry said last.
    deliveries: u64,
    sampling: bool,
    latest: Option<(Instant, Arc<Status>)>,
    /// Who waits for what is being found out.
    waiting: Vec<oneshot::Sender<Arc<Status>>>,
}

impl Admin {
    /// Starts it on an arbiter of its own, where nobody else keeps it waiting.
    #[must_use]
    pub fn start_beside(sources: Sources) -> Addr<Self> {
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
        let noted = sampled
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
        ctx.spawn(noted);
    }

    fn collect(&self, ctx: &mut Context<Self>) {
        let (sources, rates) = (self.sources.clone(), self.rates.get());
        let collected = panics::contained("Admin", async move { sources.status(rates).await });
        let told = collected.into_actor(self).map(|status, admin, _| {
            let waiting = std::mem::take(&mut admin.waiting);
            // Who waits hears of a panic by being dropped.
            let Some(status) = status else { return };
            let status = Arc::new(status);
            admin.latest = Some((Instant::now(), Arc::clone(&status)));
            for waiter in waiting {
                // Who has gone needs no answer.
                drop(waiter.send(Arc::clone(&status)));
            }
        });
        ctx.spawn(told);
    }
}

impl Actor for Admin {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sample(ctx);
        ctx.run_interval(SAMPLE_INTERVAL, Self::sample);
    }
}

impl Handler<End> for Admin {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Self::Context) {
        ctx.stop();
        // It was started for this actor only.
        Arbiter::current().stop();
    }
}

impl Handler<GetStatus> for Admin {
    type Result = ResponseFuture<Option<Arc<Status>>>;

    fn handle(&mut self, _: GetStatus, ctx: &mut Self::Context) -> Self::Result {
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
