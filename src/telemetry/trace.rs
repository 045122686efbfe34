//! The id that the log lines of one request or event bear.
//!
//! It is carried beside the work (a task-local), so that no function has to pass it on; what goes to another thread takes it
//! along ([`current`], [`within`]). Every request has one. An event has one only while debug lines are logged.

use std::fmt;

use futures_util::future::Either;
use log::LevelFilter;

tokio::task_local! {
    static ID: TraceId;
}

/// Tells requests and events apart in the log; eight characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u32);

impl TraceId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random_range(1..=u32::MAX))
    }

    /// For another process; none is 0.
    #[must_use]
    pub fn to_bytes(id: Option<Self>) -> [u8; 4] {
        id.map_or(0, |id| id.0).to_be_bytes()
    }

    /// As another process has had it.
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

/// The id of what is being done.
#[must_use]
pub fn current() -> Option<TraceId> {
    ID.try_with(|id| *id).ok()
}

/// Does what this future does under an id that was taken along.
pub fn under<F: Future>(id: Option<TraceId>, future: F) -> impl Future<Output = F::Output> {
    match id {
        Some(id) => Either::Left(ID.scope(id, future)),
        None => Either::Right(future),
    }
}

/// Gives what is done here an id of its own.
pub fn event<T>(act: impl FnOnce() -> T) -> T {
    within(fresh(), act)
}

/// Does this under an id that was taken along.
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
    fn an_id_goes_to_another_process_and_none_does_too() {
        for id in [None, Some(TraceId(1)), Some(TraceId(u32::MAX))] {
            assert_eq!(TraceId::from_bytes(TraceId::to_bytes(id)), id);
        }
    }

    #[actix_web::test]
    async fn an_id_goes_along_and_ends_with_its_work() {
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
