//! Counts refusals for metrics, and logs one line a minute for each resource and reason.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lru::LruCache;
use parking_lot::Mutex;
use thiserror::Error;

use crate::ids::IdentityKey;
use crate::metrics::KeyedCounts;

use super::owner::{AddressKey, Holder};

/// Minimum time between two log lines for one resource and reason.
const LINE_PERIOD: Duration = Duration::from_secs(60);

/// An address with more identities than this is probably a proxy.
const CROWD: usize = 20;

/// How long an address remembers its identities.
const CROWD_PERIOD: Duration = Duration::from_secs(600);

/// Number of addresses whose identities are remembered.
const MAX_CROWDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

/// A limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LimitExceeded {
    /// The owner has reached its share.
    #[error("the owner has reached its limit")]
    PerKey,
    /// All owners together have reached the limit.
    #[error("the limit for all owners is reached")]
    Global,
}

impl LimitExceeded {
    /// The value of the metric's `reason` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PerKey => "own_share",
            Self::Global => "all",
        }
    }
}

/// The labels of a refusal in metrics: resource and reason.
type Reason = (&'static str, &'static str);

/// The identities that used an address recently.
#[derive(Debug)]
struct Crowd {
    identities: HashSet<IdentityKey>,
    since: Instant,
}

#[derive(Debug)]
struct Crowds {
    by_address: LruCache<AddressKey, Crowd>,
    warned_of: LruCache<AddressKey, ()>,
}

/// Counts the refusals of this process.
#[derive(Debug)]
pub struct Refusals {
    counts: KeyedCounts<Reason>,
    lines: DefaultKeyedRateLimiter<Reason>,
    crowds: Mutex<Crowds>,
}

/// The counter of this process.
#[must_use]
pub fn refusals() -> &'static Refusals {
    static REFUSALS: LazyLock<Refusals> = LazyLock::new(Refusals::default);
    &REFUSALS
}

impl Default for Refusals {
    fn default() -> Self {
        let quota = Quota::with_period(LINE_PERIOD);
        // `with_period` returns `None` only for a period of zero.
        let quota = quota.unwrap_or(Quota::per_minute(std::num::NonZeroU32::MIN));
        Self {
            counts: KeyedCounts::default(),
            lines: RateLimiter::keyed(quota),
            crowds: Mutex::new(Crowds {
                by_address: LruCache::new(MAX_CROWDS),
                warned_of: LruCache::new(MAX_CROWDS),
            }),
        }
    }
}

impl Refusals {
    /// Refusals since the start of the process, by resource and reason.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Reason, u64> {
        self.counts.get()
    }

    /// Makes the metrics show a resource before its first refusal.
    pub fn declare(&self, resource: &'static str) {
        for reason in [LimitExceeded::PerKey, LimitExceeded::Global] {
            self.counts.declare((resource, reason.label()));
        }
    }

    /// Notes that an identity authenticated at this address.
    pub fn saw(&self, address: AddressKey, identity: IdentityKey, now: Instant) {
        let mut crowds = self.crowds.lock();
        let crowd = crowds.by_address.get_or_insert_mut(address, || Crowd {
            identities: HashSet::new(),
            since: now,
        });
        if now.saturating_duration_since(crowd.since) > CROWD_PERIOD {
            crowd.identities.clear();
            crowd.since = now;
        }
        if crowd.identities.len() <= CROWD {
            crowd.identities.insert(identity);
        }
    }

    /// Counts and logs a refusal of `who`.
    pub fn count<K: Holder>(&self, resource: &'static str, reason: LimitExceeded, who: Option<&K>) {
        let (address, label) = (who.and_then(Holder::address), who.map(Holder::label));
        let label = label.as_deref().unwrap_or("a client");
        if reason == LimitExceeded::PerKey
            && let Some(address) = address
            && self.is_new_crowd(address)
        {
            log::warn!(
                "{label} has used up its share of {resource}, and more than {CROWD} identities use it: if it is a proxy or \
                 a load balancer, name it in TRUSTED_PROXIES"
            );
        }
        if let Some(line) = self.line(resource, reason, label) {
            log::warn!("{line}");
        }
    }

    /// Counts a refusal. Returns the line to log, if any.
    fn line(&self, resource: &'static str, reason: LimitExceeded, who: &str) -> Option<String> {
        let key = (resource, reason.label());
        self.counts.add_one(key);
        self.lines.check_key(&key).ok()?;
        let count = self.counts.get().get(&key).copied().unwrap_or_default();
        let limit = match reason {
            LimitExceeded::PerKey => "its own share of",
            LimitExceeded::Global => "the limit for all of",
        };
        Some(format!(
            "refused {who}: {limit} {resource} is used up ({count} such refusals since the start)"
        ))
    }

    /// Whether many identities use this address, and no warning was logged for it.
    fn is_new_crowd(&self, address: AddressKey) -> bool {
        let mut crowds = self.crowds.lock();
        let crowd = crowds.by_address.peek(&address);
        crowd.is_some_and(|crowd| crowd.identities.len() > CROWD)
            && crowds.warned_of.put(address, ()).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    fn address(last: u8) -> AddressKey {
        AddressKey::of([192, 0, 2, last].into())
    }

    #[test]
    fn refusals_are_counted_apart_and_one_of_many_is_logged() {
        let refusals = Refusals::default();
        let line = |reason| refusals.line("places", reason, &address(1).label());
        assert_eq!(
            line(LimitExceeded::PerKey).unwrap(),
            "refused address 192.0.2.1: its own share of places is used up (1 such refusals since the start)"
        );
        assert_eq!(line(LimitExceeded::PerKey), None);
        assert!(
            line(LimitExceeded::Global)
                .unwrap()
                .contains("the limit for all of places")
        );
        let counts = [(("places", "all"), 1), (("places", "own_share"), 2)];
        assert_eq!(refusals.counts(), BTreeMap::from(counts));
    }

    #[test]
    fn an_address_of_many_identities_is_warned_of_once() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for _ in 0..CROWD {
            refusals.saw(address(1), Identity::random().identity_key(), now);
        }
        assert!(!refusals.is_new_crowd(address(1)));
        let last = Identity::random().identity_key();
        refusals.saw(address(1), last, now);
        refusals.saw(address(2), last, now);
        assert!(!refusals.is_new_crowd(address(2)));
        assert!(refusals.is_new_crowd(address(1)));
        assert!(!refusals.is_new_crowd(address(1)));
    }

    #[test]
    fn identities_of_long_ago_are_no_crowd() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for minute in 0..60 {
            let at = now + Duration::from_secs(60 * minute);
            refusals.saw(address(1), Identity::random().identity_key(), at);
        }
        assert!(!refusals.is_new_crowd(address(1)));
    }
}
