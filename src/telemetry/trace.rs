//! The id in the log lines of one request or event.
//!
//! A task-local carries the id, so that functions need no argument for it. Work on another thread takes it along
//! ([`current`], [`within`]). Every request has an id; an event has one only while debug lines are logged.

use std::fmt;

use futures_util::future::Either;
use log::LevelFilter;

tokio::task_local! {
    static ID: TraceId;
}

/// Identifies a request or event in the log; eight characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u32);

impl TraceId {
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random_range(1..=u32::MAX))
    }

    /// The id for another process; none is 0.
    #[must_use]
    pub fn to_bytes(id: Option<Self>) -> [u8; 4] {
        id.map_or(0, |id| id.0).to_be_bytes()
    }

    /// Reads an id of another process.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        let id = u32::from_be_bytes(bytes);
        (id != 0).then_some(Self(id))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

fn fresh() -> Option<TraceId> {
    (log::max_level() >= LevelFilter::Debug).then(TraceId::random)
}

/// The id of the current request or event.
#[must_use]
pub fn current() -> Option<TraceId> {
    ID.try_with(|id| *id).ok()
}

/// Runs a future under an id that was taken along.
pub fn under<F: Future>(id: Option<TraceId>, future: F) -> impl Future<Output = F::Output> {
    match id {
        Some(id) => Either::Left(ID.scope(id, future)),
        None => Either::Right(future),
    }
}

/// Runs `act` under a new id, if events have one.
pub fn event<T>(act: impl FnOnce() -> T) -> T {
    within(fresh(), act)
}

/// Runs `act` under an id that was taken along.
pub fn within<T>(id: Option<TraceId>, act: impl FnOnce() -> T) -> T {
    match id {
        Some(id) => ID.sync_scope(id, act),
        None => act(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_way_to_another_process() {
        for id in [None, Some(TraceId(1)), Some(TraceId(u32::MAX))] {
            assert_eq!(TraceId::from_bytes(TraceId::to_bytes(id)), id);
        }
    }

    #[actix_web::test]
    async fn an_id_ends_with_its_work() {
        let [first, second] = [TraceId(1), TraceId(0xab)];
        assert_eq!(second.to_string(), "000000ab");
        let seen = within(Some(first), || {
            (current(), within(Some(second), current), current())
        });
        assert_eq!(seen, (Some(first), Some(second), Some(first)));
        let pausing = under(Some(first), async {
            tokio::task::yield_now().await;
            current()
        });
        let (seen, beside) = tokio::join!(pausing, async { current() });
        assert_eq!((seen, beside, current()), (Some(first), None, None));
    }
}
