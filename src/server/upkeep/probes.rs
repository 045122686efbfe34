//! Probes the external services periodically: wallet, block headers, Firebase. Their answers also show whether this
//! machine's clock is right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::cluster::Cluster;
use crate::config::Settings;
use crate::health::{CLOCK, FCM, HEADERS, Health, Observation, REDIS, WALLET};
use crate::outbound::{ClockOffset, Probed, WalletHttp};
use crate::payments::BlockHeaders;
use crate::push::PushHandle;

use super::background::{RESTART_PAUSE, restarted};
use crate::server::layer_settings::wallet_url;

/// Deadline of a probe. With the interval of 2 s, a failure shows within 5 s.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// Milliseconds by which this machine's clock may differ from another's.
const MAX_CLOCK_ERROR: u64 = 10_000;

/// The server's name for the wallet.
const ORIGINATOR: &str = "messagebox-server";

/// Starts probing the configured services, and adds their checks.
pub(crate) fn watch(
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
        // There is no clock to compare with.
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
    probed.unwrap_or_else(|_| Probed::failed("no answer in time"))
}

/// Offsets of this machine's clock from those of the services. Clones share them.
#[derive(Debug, Clone, Default)]
struct Clocks(Arc<Mutex<BTreeMap<&'static str, ClockOffset>>>);

impl Clocks {
    fn note(&self, name: &'static str, offset: Option<ClockOffset>) {
        let mut known = self.0.lock();
        match offset {
            Some(offset) => known.insert(name, offset),
            None => known.remove(name),
        };
    }

    /// Fails if at least half of the services disagree with this machine's clock. If most agree, the others are wrong.
    fn check(&self, redis: Option<ClockOffset>) -> Result<(), String> {
        let mut known = self.0.lock().clone();
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
    fn a_clock_is_wrong_unless_most_services_agree_with_it() {
        let clocks = Clocks::default();
        assert_eq!(clocks.check(None), Ok(()));
        clocks.note(WALLET, Some(differing_by(-60)));
        let error = clocks.check(None).unwrap_err();
        assert!(
            error.starts_with("this machine's clock is ")
                && error.contains(" s ahead of that of wallet"),
            "{error}"
        );
        // One against one.
        assert!(clocks.check(Some(differing_by(0))).is_err());
        clocks.note(HEADERS, Some(differing_by(2)));
        assert_eq!(clocks.check(Some(differing_by(0))), Ok(()));
        // A service that does not answer does not count.
        clocks.note(HEADERS, None);
        clocks.note(WALLET, None);
        assert_eq!(clocks.check(Some(differing_by(0))), Ok(()));
        assert!(clocks.check(Some(differing_by(3_600))).is_err());
    }

    #[actix_web::test]
    async fn a_service_that_hangs_fails() {
        let probed = in_time(std::future::pending()).await;
        assert_eq!(probed, Probed::failed("no answer in time"));
    }
}
