//! The actor that is asked how the server is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::panics;

use super::collect::Sources;
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

/// The server has ended: let go of everything, and of the arbiter.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct End;

/// Asks everybody, once for all who ask it meanwhile.
#[derive(Debug)]
pub struct Admin {
    sources: Sources,
    rates: Rates,
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
        let counted = panics::contained("Admin", async move {
            let counts = sources.counts(&mut deliveries).await;
            (counts, deliveries)
        });
        let noted = counted
            .into_actor(self)
            .map(|counted: Option<(Counts, u64)>, admin, _| {
                admin.sampling = false;
                if let Some((counts, deliveries)) = counted {
                    admin.deliveries = deliveries;
                    admin.rates.sample(Instant::now(), counts);
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
