//! Who was refused for lack of room, and why: counted for the metrics, and logged once a minute for each resource and reason.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lru::LruCache;
use thiserror::Error;

use crate::ids::IdentityKey;
use crate::metrics::KeyedCounts;

use super::owner::{AddressKey, Holder};

/// Time between two log lines about the same.
const LINE_PERIOD: Duration = Duration::from_secs(60);

/// Identities of one address above which it is probably a proxy.
const CROWD: usize = 20;

/// How long the identities of an address are remembered.
const CROWD_PERIOD: Duration = Duration::from_secs(600);

/// Addresses whose identities are remembered.
const MAX_CROWDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LimitExceeded {
    /// This owner has as much as it may have.
    #[error("this one has as much as it may have")]
    PerKey,
    /// All together have as much as they may have.
    #[error("all together have as much as they may have")]
    Global,
}

impl LimitExceeded {
    /// The reason's name in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PerKey => "own_share",
            Self::Global => "all",
        }
    }
}

/// A resource and the reason of a refusal, in the words of the metric's labels.
type Reason = (&'static str, &'static str);

/// The identities that used an address lately.
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

/// The refusals of this process.
#[derive(Debug)]
pub struct Refusals {
    counts: KeyedCounts<Reason>,
    lines: DefaultKeyedRateLimiter<Reason>,
    crowds: Mutex<Crowds>,
}

/// The refusals of this process.
#[must_use]
pub fn refusals() -> &'static Refusals {
    static REFUSALS: LazyLock<Refusals> = LazyLock::new(Refusals::default);
    &REFUSALS
}

impl Default for Refusals {
    fn default() -> Self {
        let quota = Quota::with_period(LINE_PERIOD);
        // A period of zero has no quota; this one has.
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
    /// Refusals since the start, by resource and reason.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Reason, u64> {
        self.counts.get()
    }

    /// Nothing of this resource was refused yet: metrics show it all the same.
    pub fn declare(&self, resource: &'static str) {
        for reason in [LimitExceeded::PerKey, LimitExceeded::Global] {
            self.counts.declare((resource, reason.label()));
        }
    }

    /// An identity has proven itself at this address.
    pub fn saw(&self, address: AddressKey, identity: IdentityKey, now: Instant) {
        let mut crowds = self.lock();
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

    /// Counts a refusal of `who`.
    pub fn count<K: Holder>(&self, resource: &'static str, reason: LimitExceeded, who: Option<&K>) {
        let (address, label) = (who.and_then(Holder::address), who.map(Holder::label));
        let label = label.as_deref().unwrap_or("a client");
        if reason == LimitExceeded::PerKey
            && let Some(address) = address
            && self.is_news_of_a_crowd(address)
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

    /// Counts a refusal; the line that is to be logged, if one is.
    fn line(&self, resource: &'static str, reason: LimitExceeded, who: &str) -> Option<String> {
        let key = (resource, reason.label());
        self.counts.add_one(key);
        self.lines.check_key(&key).ok()?;
        let count = self.counts.get().get(&key).copied().unwrap_or_default();
        let reason = match reason {
            LimitExceeded::PerKey => "its own share",
            LimitExceeded::Global => "the room for all",
        };
        Some(format!(
            "refused {who}: {reason} of {resource} is full ({count} such refusals since the start)"
        ))
    }

    /// Whether many identities use this address, and it was not warned of before.
    fn is_news_of_a_crowd(&self, address: AddressKey) -> bool {
        let mut crowds = self.lock();
        let crowd = crowds.by_address.peek(&address);
        crowd.is_some_and(|crowd| crowd.identities.len() > CROWD)
            && crowds.warned_of.put(address, ()).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Crowds> {
        self.crowds.lock().unwrap_or_else(PoisonError::into_inner)
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
            "refused address 192.0.2.1: its own share of places is full (1 such refusals since the start)"
        );
        assert_eq!(line(LimitExceeded::PerKey), None);
        assert!(
            line(LimitExceeded::Global)
                .unwrap()
                .contains("the room for all")
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
        assert!(!refusals.is_news_of_a_crowd(address(1)));
        let last = Identity::random().identity_key();
        refusals.saw(address(1), last, now);
        refusals.saw(address(2), last, now);
        assert!(!refusals.is_news_of_a_crowd(address(2)));
        assert!(refusals.is_news_of_a_crowd(address(1)));
        assert!(!refusals.is_news_of_a_crowd(address(1)));
    }

    #[test]
    fn identities_of_long_ago_are_no_crowd() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for minute in 0..60 {
            let at = now + Duration::from_secs(60 * minute);
            refusals.saw(address(1), Identity::random().identity_key(), at);
        }
        assert!(!refusals.is_news_of_a_crowd(address(1)));
    }
}
