//! The event stream that keeps the dashboard up to date.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::admin::ServerStatus;
use crate::http::error::ApiError;
use crate::http::reply::NO_STORE;
use crate::limits::{LimitExceeded, Owner, refusals};
use crate::metrics::{Distribution, Histogram};
use crate::telemetry::{self, RecentLine};

use super::state::AdminState;

/// Time between two events.
const INTERVAL: Duration = Duration::from_secs(1);

/// Events over which latencies are measured: as many seconds as the rates in the status cover.
const RECENT: usize = 10;

#[derive(Serialize)]
struct StatusEvent<'a> {
    status: &'a ServerStatus,
    /// Null in the first event.
    recent: Option<RecentLatencies>,
    log: Vec<RecentLine>,
}

/// Latencies of the last 10 seconds in microseconds. Those in the status are since the start.
#[derive(Serialize)]
struct RecentLatencies {
    message: Distribution,
    request: Distribution,
    commit: Distribution,
}

impl RecentLatencies {
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

/// A dashboard that receives events.
struct StatusStream {
    admin: Arc<AdminState>,
    _permit: OwnedSemaphorePermit,
    /// Statuses of the last events, oldest first.
    sent: VecDeque<Arc<ServerStatus>>,
}

impl StatusStream {
    /// The next event, and whether it is the last. `None` ends the stream, because the admin actor does not answer.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        if !self.sent.is_empty() {
            tokio::time::sleep(INTERVAL).await;
        }
        let status = self.admin.status().await.ok()?;
        let earlier = self.sent.front();
        let event = StatusEvent {
            status: &status.shortened(),
            recent: earlier.map(|earlier| RecentLatencies::between(earlier, &status)),
            log: telemetry::recent(),
        };
        let text = serde_json::to_string(&event).unwrap_or_default();
        let is_last = status.server.draining;
        if self.sent.len() >= RECENT {
            self.sent.pop_front();
        }
        self.sent.push_back(status);
        Some((format!("data: {text}\n\n").into(), is_last))
    }
}

/// Sends the status once a second until the server shuts down.
pub(super) fn events(admin: &Arc<AdminState>) -> Result<HttpResponse, ApiError> {
    let permit = Arc::clone(&admin.streams).try_acquire_owned();
    let permit = permit.map_err(|_| {
        refusals().count("admin_streams", LimitExceeded::Global, None::<&Owner>);
        ApiError::overloaded()
    })?;
    let opened = StatusStream {
        admin: Arc::clone(admin),
        _permit: permit,
        sent: VecDeque::new(),
    };
    let events = stream::unfold(Some(opened), |opened| async move {
        let mut opened = opened?;
        let (event, is_last) = opened.next().await?;
        let event: Result<Bytes, std::convert::Infallible> = Ok(event);
        Some((event, (!is_last).then_some(opened)))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(NO_STORE)
        .streaming(events))
}
