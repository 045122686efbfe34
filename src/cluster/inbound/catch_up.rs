//! Reads from the database the events that members here have missed.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cluster::counters::add;
use crate::cluster::link::LinkError;
use crate::cluster::timing::{CATCH_UP_ATTEMPTS, CATCH_UP_PAUSE};
use crate::db::DbError;
use crate::model::{CatchUpPage, MessageHead};
use crate::rooms::{ClusterPublisher as _, CutOff, RemoteEvent, RemoteEvents, Topic};

use super::Inbound;
use super::live_event::live_event;
use super::subscriptions::CatchUp;

impl Inbound {
    /// Reads the topics that are subscribed to and not caught up, one batch after the other.
    pub(crate) async fn catch_up(&self) -> Result<Infallible, LinkError> {
        loop {
            if !self.has_resubscribed.get() {
                self.behind.notified().await;
                continue;
            }
            if self
                .shared
                .is_dedup_incomplete
                .swap(false, Ordering::AcqRel)
            {
                // Without the lost keys, delivered events cannot be told from missed ones.
                let latest = self.shared.watermark();
                let topics = self.subscriptions.borrow_mut().restart(latest);
                self.cut_off(topics, "Redis was away for too many events");
            }
            let catch_up = self.subscriptions.borrow().catch_up();
            let Some(catch_up) = catch_up else {
                self.shared.has_caught_up.store(true, Ordering::Release);
                self.behind.notified().await;
                continue;
            };
            let catch_up = Arc::new(catch_up);
            if let Err(reason) = self.read(&catch_up).await {
                self.cut_off(catch_up.topics(), &reason);
            }
            // No await between these: from the next event on, the topics are live.
            let released = self.subscriptions.borrow_mut().caught_up(&catch_up);
            add(&mut self.shared.status.lock().received, released.len());
            let released = released.into_iter().map(RemoteEvent::live).collect();
            self.registry.do_send(RemoteEvents(released));
        }
    }

    /// Sends the registry all events that these topics may have missed. The error says why that is not possible.
    async fn read(&self, catch_up: &Arc<CatchUp>) -> Result<(), String> {
        let (mut after, mut total) = (catch_up.after(), 0);
        loop {
            let page = self.page(catch_up, after).await;
            let page = page.map_err(|error| error.to_string())?;
            total += page.messages.len();
            if total > self.shared.settings.max_catch_up {
                return Err("they have missed too many events".to_owned());
            }
            let events = page.messages.iter().filter_map(|message| {
                Some(RemoteEvent {
                    event: live_event(message)?,
                    is_caught_up: true,
                })
            });
            let events = RemoteEvents(events.collect());
            if !events.0.is_empty() {
                let delivered = self.registry.send(events).await.unwrap_or(0);
                add(&mut self.shared.status.lock().caught_up, delivered);
            }
            if !page.more {
                return Ok(());
            }
            after = page.last;
        }
    }

    async fn page(&self, catch_up: &Arc<CatchUp>, after: i64) -> Result<CatchUpPage, DbError> {
        let mut attempts = 0;
        loop {
            let catch_up = Arc::clone(catch_up);
            let wanted = move |head: &MessageHead| {
                catch_up.wants(&Topic::of_owner(&head.recipient), head.id)
            };
            match self.db.messages_after(after, wanted).await {
                Err(_) if attempts < CATCH_UP_ATTEMPTS => {
                    attempts += 1;
                    tokio::time::sleep(CATCH_UP_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Disconnects the members of these topics: they have missed events that cannot be sent any more.
    pub(super) fn cut_off(&self, topics: HashSet<Topic>, reason: &str) {
        log::warn!(
            "the members of {} topics are disconnected so that they list what they missed: {reason}",
            topics.len()
        );
        self.registry.do_send(CutOff(topics));
    }
}
