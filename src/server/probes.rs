//! Asks the services that the server works with whether they work, also while nobody needs them. Their answers also tell
//! whether this machine's clock is right.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::config::Settings;
use crate::health::{CLOCK, FCM, HEADERS, Health, Observation, REDIS, WALLET};
use crate::outbound::{ClockOffset, Probed, WalletHttp};
use crate::payments::BlockHeaders;
use crate::push::PushHandle;

use super::background::{RESTART_PAUSE, restarted};
use super::layer_settings::wallet_url;

/// How long a service may take to answer: with the interval of 2 s, less than 5 s until everybody knows.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// Milliseconds by which this machine's clock may differ from another's.
const MAX_CLOCK_ERROR: u64 = 10_000;

/// As the wallet knows the server.
const ORIGINATOR: &str = "messagebox-server";

/// Begins to watch whatever is configured, and adds what it finds to the checks.
pub(super) fn watch(
    health: Health,
    settings: &Settings,
    push: Option<&PushHandle>,
    cluster: Option<&Cluster>,
) -> Health {
    let mut watch = Watch {
        health,
        interval: settings.server.health_interval,
        clocks: Clocks::default(),
        has_clocks: cluster.is_some(),
    };
    if let Some(url) = wallet_url(settings) {
        let wallet = Arc::new(WalletHttp::new(ORIGINATOR, url, DEADLINE));
        watch.service(WALLET, move || {
            let wallet = Arc::clone(&wallet);
            async move { wallet.probe().await }
        });
    }
    if let Some(url) = &settings.wallet.headers_url {
        let headers = Arc::new(BlockHeaders::new(url.expose(), DEADLINE));
        watch.service(HEADERS, move || {
            let headers = Arc::clone(&headers);
            async move { headers.probe().await }
        });
    }
    if let Some(push) = push.cloned() {
        watch.service(FCM, move || {
            let push = push.clone();
            async move { push.probe().await }
        });
    }
    let Watch {
        health,
        clocks,
        has_clocks,
        ..
    } = watch;
    if !has_clocks {
        // Nobody tells the time.
        return health;
    }
    let cluster = cluster.cloned();
    health.with_known(CLOCK, move || {
        clocks.check(cluster.as_ref().and_then(Cluster::clock))
    })
}

struct Watch {
    health: Health,
    interval: Duration,
    clocks: Clocks,
    has_clocks: bool,
}

impl Watch {
    fn service<F>(&mut self, name: &'static str, probe: impl Fn() -> F + Clone + 'static)
    where
        F: Future<Output = Probed> + 'static,
    {
        if self.interval.is_zero() {
            return;
        }
        self.has_clocks = true;
        let observation = Observation::default();
        let seen = observation.clone();
        self.health = self.health.clone().with_known(name, move || seen.check());
        let (interval, clocks) = (self.interval, self.clocks.clone());
        restarted(name, RESTART_PAUSE, move || {
            let (probe, clocks, observation) = (probe.clone(), clocks.clone(), observation.clone());
            async move {
                loop {
                    let probed = in_time(probe()).await;
                    clocks.note(name, probed.clock);
                    observation.note(probed.failure.map_or(Ok(()), Err));
                    tokio::time::sleep(interval).await;
                }
            }
        });
    }
}

async fn in_time(probing: impl Future<Output = Probed>) -> Probed {
    let probed = tokio::time::timeout(DEADLINE, probing).await;
    probed.unwrap_or_else(|_| Probed::failed("it did not answer in time"))
}

/// What others tell of this machine's clock, by who they are. Shared by its clones.
#[derive(Debug, Clone, Default)]
struct Clocks(Arc<Mutex<BTreeMap<&'static str, ClockOffset>>>);

impl Clocks {
    fn note(&self, name: &'static str, offset: Option<ClockOffset>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match offset {
            Some(offset) => known.insert(name, offset),
            None => known.remove(name),
        };
    }

    /// Fails where at least half of those who tell the time say that this machine's clock is wrong. Where most agree with
    /// it, the others are.
    fn check(&self, redis: Option<ClockOffset>) -> Result<(), String> {
        let mut known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(offset) = redis {
            known.insert(REDIS, offset);
        }
        let errors = known.iter().filter_map(|(name, offset)| {
            let error = offset.error(MAX_CLOCK_ERROR)?;
            Some(format!("{error} that of {name}"))
        });
        let errors: Vec<String> = errors.collect();
        if errors.is_empty() || errors.len() * 2 < known.len() {
            return Ok(());
        }
        Err(format!(
            "this machine's clock is {}: set it by NTP",
            errors.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    fn differing_by(seconds: i64) -> ClockOffset {
        let now = OffsetDateTime::now_utc();
        let theirs = (now.unix_timestamp() + seconds) * 1_000;
        ClockOffset::new(theirs, 1_000, now, now)
    }

    #[test]
    fn a_clock_is_wrong_where_not_most_of_the_others_agree_with_it() {
        let clocks = Clocks::default();
        assert_eq!(clocks.check(None), Ok(()));
        clocks.note(WALLET, Some(differing_by(-60)));
        let said = clocks.check(None).unwrap_err();
        assert!(
            said.starts_with("this machine's clock is ")
                && said.contains(" s ahead of that of wallet"),
            "{said}"
        );
        // One against one.
        assert!(clocks.check(Some(differing_by(0))).is_err());
        clocks.note(HEADERS, Some(differing_by(2)));
        assert_eq!(clocks.check(Some(differing_by(0))), Ok(()));
        // Who does not answer says nothing any more.
        clocks.note(HEADERS, None);
        clocks.note(WALLET, None);
        assert_eq!(clocks.check(Some(differing_by(0))), Ok(()));
        assert!(clocks.check(Some(differing_by(3_600))).is_err());
    }

    #[actix_web::test]
    async fn a_service_that_hangs_does_not_work() {
        let probed = in_time(std::future::pending()).await;
        assert_eq!(probed, Probed::failed("it did not answer in time"));
    }
}
