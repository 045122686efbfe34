//! The stream that keeps the dashboard up to date.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::admin::ServerStatus;
use crate::http::authenticate::{NOT_STORED, unsigned};
use crate::http::error::ApiError;
use crate::limits::{LimitExceeded, Owner, refusals};
use crate::metrics::{Distribution, Histogram};
use crate::telemetry::{self, RecentLine};

use super::{AdminState, status};

/// From one event of the stream to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// Events that latencies are of: as many seconds as the rates in the status are of.
const RECENT: usize = 10;

#[derive(Serialize)]
struct Event<'a> {
    status: &'a ServerStatus,
    /// Null in the first event.
    recent: Option<Recent>,
    log: Vec<RecentLine>,
}

/// Latencies of late, in microseconds; those in the status are of all the time since the start.
#[derive(Serialize)]
struct Recent {
    message: Distribution,
    request: Distribution,
    commit: Distribution,
}

impl Recent {
    fn between(earlier: &ServerStatus, now: &ServerStatus) -> Self {
        Self {
            message: since(
                &earlier.events.counts.answer_time,
                &now.events.counts.answer_time,
            ),
            request: since(&earlier.http.counts.time, &now.http.counts.time),
            commit: (now.database.measures.commit_time)
                .since(&earlier.database.measures.commit_time),
        }
    }
}

fn since(earlier: &Histogram, now: &Histogram) -> Distribution {
    now.get().since(&earlier.get())
}

/// Somebody who listens.
struct Listener {
    admin: Arc<AdminState>,
    _place: OwnedSemaphorePermit,
    /// What he was told last, oldest first.
    told: VecDeque<Arc<ServerStatus>>,
}

impl Listener {
    /// The next event, and whether it is the last. `None`: where nobody answers there is nothing to say, and whoever listens
    /// notices by himself.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        if !self.told.is_empty() {
            tokio::time::sleep(INTERVAL).await;
        }
        let status = status(&self.admin).await.ok()?;
        let event = Event {
            status: &status.shortened(),
            recent: (self.told.front()).map(|earlier| Recent::between(earlier, &status)),
            log: telemetry::recent(),
        };
        let text = serde_json::to_string(&event).unwrap_or_default();
        let is_last = status.server.draining;
        if self.told.len() >= RECENT {
            self.told.pop_front();
        }
        self.told.push_back(status);
        Some((format!("data: {text}\n\n").into(), is_last))
    }
}

/// Says how the server is, once a second, until it goes down. So many may listen at a time.
pub(super) fn events(admin: &Arc<AdminState>) -> HttpResponse {
    let Ok(place) = Arc::clone(&admin.streams).try_acquire_owned() else {
        refusals().count("admin_streams", LimitExceeded::Global, None::<&Owner>);
        return unsigned(&ApiError::overloaded());
    };
    let listener = Listener {
        admin: Arc::clone(admin),
        _place: place,
        told: VecDeque::new(),
    };
    let events = stream::unfold(Some(listener), |listener| async move {
        let mut listener = listener?;
        let (event, is_last) = listener.next().await?;
        let event: Result<Bytes, std::convert::Infallible> = Ok(event);
        Some((event, (!is_last).then_some(listener)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(NOT_STORED)
        .streaming(events)
}
