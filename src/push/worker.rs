//! The worker that notifies devices: a bounded queue that nobody waits at, a lane for each recipient, and retries with growing
//! pauses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use crate::db::DbHandle;
use crate::ids::IdentityKey;
use crate::model::Device;
use crate::outbound::Probed;
use crate::panics;
use crate::telemetry::{self, TraceId};

use super::fcm::{Fcm, Outcome};
use super::lanes::Lanes;

/// Devices that one message is told at a time.
const AT_A_TIME: usize = 8;

/// How long a reason for which Firebase refuses everything is not logged again, and how many reasons are told apart.
const REPEAT_REFUSAL: Duration = Duration::from_secs(3_600);
const MAX_REFUSALS: usize = 16;

/// A message that its recipient's devices should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Whose devices.
    pub recipient: IdentityKey,
    /// Who sent the message.
    pub sender: IdentityKey,
    /// The sender's id for it.
    pub message_id: String,
}

/// Pauses between tries: each is twice the one before, give or take a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Tries in all.
    pub tries: u32,
    /// The first pause.
    pub first: Duration,
    /// The longest, also where Firebase asks for a longer one.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            tries: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The pause after so many tries, where `asked` is what the other end asked for. `chance` is from 0 to 1.
    fn pause(&self, tries: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << tries.saturating_sub(1).min(20));
        let own = doubled.min(self.longest).mul_f64(0.75 + chance / 2.0);
        own.max(asked.unwrap_or_default()).min(self.longest)
    }
}

/// Bounds and times of the worker.
#[derive(Debug, Clone)]
pub struct PushSettings {
    /// Notifications that may wait or be under way, a sixteenth of them of one recipient; what comes above that is dropped and
    /// counted.
    pub max_queued: usize,
    /// Notifications that are under way at a time.
    pub concurrency: usize,
    /// Pauses between tries.
    pub backoff: Backoff,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            max_queued: 10_000,
            concurrency: 16,
            backoff: Backoff::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    retried: AtomicU64,
    dead_tokens: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushStatus {
    /// Notifications that wait or are under way.
    pub pending: usize,
    /// Devices that were notified.
    pub sent: u64,
    /// Tries that were put off.
    pub retried: u64,
    /// Tokens that no device has any more.
    pub dead_tokens: u64,
    /// Devices that were not notified.
    pub failed: u64,
    /// Notifications that Firebase refuses for the project or its account, whoever the device is.
    pub refused: u64,
    /// Notifications for which there was no room.
    pub dropped: u64,
}

/// A notification, and the id that its log lines bear.
type Job = (Notification, Option<TraceId>);

#[derive(Debug)]
struct Shared {
    counters: Counters,
    /// Why Firebase refuses notifications whoever they are for, and when that was logged.
    refusals: Mutex<HashMap<String, Instant>>,
    lanes: Lanes<Job>,
    idle: Notify,
}

impl Shared {
    /// Counts a notification that is refused whoever it is for. Logs each reason once an hour: the next notification is
    /// refused for the same.
    fn refused(&self, reason: String) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut known = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, logged| now.duration_since(*logged) < REPEAT_REFUSAL);
        if known.len() < MAX_REFUSALS && !known.contains_key(&reason) {
            log::error!(
                "Firebase refuses push notifications: {reason}. Check FIREBASE_PROJECT_ID and the service account. Devices stay \
                 active. This line comes once an hour."
            );
            known.insert(reason, now);
        }
    }

    fn done(&self, recipient: IdentityKey) {
        self.lanes.done(recipient);
        if self.lanes.len() == 0 {
            self.idle.notify_waiters();
        }
    }
}

/// Where notifications are handed in; cheap to clone.
#[derive(Debug, Clone)]
pub struct PushHandle {
    shared: Arc<Shared>,
    fcm: Arc<Fcm>,
}

impl PushHandle {
    /// Starts the worker on the current runtime.
    #[must_use]
    pub fn start(fcm: Fcm, db: DbHandle, settings: &PushSettings) -> Self {
        let shared = Arc::new(Shared {
            counters: Counters::default(),
            refusals: Mutex::default(),
            lanes: Lanes::new(settings.max_queued),
            idle: Notify::new(),
        });
        let fcm = Arc::new(fcm);
        let worker = Worker {
            fcm: Arc::clone(&fcm),
            db,
            backoff: settings.backoff,
            places: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            shared: Arc::clone(&shared),
        };
        actix::spawn(work(Arc::new(worker)));
        Self { shared, fcm }
    }

    /// Asks Firebase whether it would take a notification; nothing is sent.
    pub async fn probe(&self) -> Probed {
        self.fcm.probe().await
    }

    /// Hands a notification in. Never waits; what does not fit is dropped and counted.
    pub fn notify(&self, notification: Notification) {
        let recipient = notification.recipient;
        let job = (notification, telemetry::current());
        if self.shared.lanes.push(recipient, job).is_some() {
            let dropped = &self.shared.counters.dropped;
            let count = dropped.fetch_add(1, Ordering::Relaxed) + 1;
            // A line for each power of two is enough to be noticed.
            if count.is_power_of_two() {
                log::warn!("{count} push notifications were dropped so far");
            }
        }
    }

    /// Waits until everything that was handed in is dealt with, but not longer than this; says whether it is.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let idle = async {
            loop {
                let notified = self.shared.idle.notified();
                if self.shared.lanes.len() == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(deadline, idle).await.is_ok()
    }

    /// Counts since the start.
    #[must_use]
    pub fn status(&self) -> PushStatus {
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PushStatus {
            pending: self.shared.lanes.len(),
            sent: count(&counters.sent),
            retried: count(&counters.retried),
            dead_tokens: count(&counters.dead_tokens),
            failed: count(&counters.failed),
            refused: count(&counters.refused),
            dropped: count(&counters.dropped),
        }
    }
}

/// What follows an attempt to notify a device.
enum After<'a> {
    Done,
    /// Another attempt, after this pause.
    Pause(&'a Device, Duration),
    /// Nothing: for this reason the project cannot notify such devices, whoever they belong to.
    Refused(String),
}

struct Worker {
    fcm: Arc<Fcm>,
    db: DbHandle,
    backoff: Backoff,
    /// Notifications that are being sent. One that pauses before it is tried again has no place.
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
}

async fn work(worker: Arc<Worker>) {
    loop {
        let (recipient, (notification, trace)) = worker.shared.lanes.next().await;
        let Ok(place) = Arc::clone(&worker.places).acquire_owned().await else {
            return;
        };
        let worker = Arc::clone(&worker);
        let notified = async move {
            let told = panics::contained("push worker", worker.notify(&notification, place)).await;
            if told.is_none() {
                worker
                    .shared
                    .counters
                    .failed
                    .fetch_add(1, Ordering::Relaxed);
            }
            worker.shared.done(recipient);
        };
        actix::spawn(telemetry::under(trace, notified));
    }
}

impl Worker {
    async fn notify(&self, notification: &Notification, place: OwnedSemaphorePermit) {
        #[cfg(test)]
        panics::injection::strike("push worker");
        let devices = match self.db.devices(notification.recipient).await {
            Ok(devices) => devices,
            Err(error) => {
                self.shared.counters.failed.fetch_add(1, Ordering::Relaxed);
                log::warn!("devices could not be looked up: {error}");
                return;
            }
        };
        let mut place = Some(place);
        let mut left: Vec<&Device> = devices.iter().filter(|device| device.active).collect();
        for tries in 1.. {
            let sending = left
                .iter()
                .map(|device| self.notify_device(device, notification, tries));
            let mut sending = stream::iter(sending).buffer_unordered(AT_A_TIME);
            let mut again: Vec<(&Device, Duration)> = Vec::new();
            let mut refusal = None;
            while let Some(after) = sending.next().await {
                match after {
                    After::Done => {}
                    After::Pause(device, pause) => again.push((device, pause)),
                    After::Refused(reason) => refusal = Some(reason),
                }
            }
            drop(sending);
            if let Some(reason) = refusal {
                self.shared.refused(reason);
            }
            let Some(pause) = again.iter().map(|(_, pause)| *pause).max() else {
                return;
            };
            // Others are notified meanwhile.
            place.take();
            tokio::time::sleep(pause).await;
            place = Arc::clone(&self.places).acquire_owned().await.ok();
            left = again.into_iter().map(|(device, _)| device).collect();
        }
    }

    /// Tries once.
    async fn notify_device<'a>(
        &self,
        device: &'a Device,
        notification: &Notification,
        tries: u32,
    ) -> After<'a> {
        let originator = notification.sender.to_hex();
        let counters = &self.shared.counters;
        let sent = self
            .fcm
            .send(&device.fcm_token, &notification.message_id, &originator)
            .await;
        match sent {
            Outcome::Sent => {
                counters.sent.fetch_add(1, Ordering::Relaxed);
                log::debug!("device {} is notified", device.id);
                self.mark(device, true).await;
            }
            Outcome::DeadToken => {
                counters.dead_tokens.fetch_add(1, Ordering::Relaxed);
                log::info!("device {} has a dead token and is deactivated", device.id);
                self.mark(device, false).await;
            }
            Outcome::Later(asked, reason) if tries < self.backoff.tries => {
                counters.retried.fetch_add(1, Ordering::Relaxed);
                log::debug!("device {}: {reason}, try {tries}", device.id);
                return After::Pause(device, self.backoff.pause(tries, asked, rand::random()));
            }
            Outcome::Refused(reason) => return After::Refused(reason),
            Outcome::Later(_, reason) | Outcome::Failed(reason) => {
                counters.failed.fetch_add(1, Ordering::Relaxed);
                log::warn!("device {} was not notified: {reason}", device.id);
            }
        }
        After::Done
    }

    async fn mark(&self, device: &Device, works: bool) {
        if let Err(error) = self.db.mark_device(device.id, works).await {
            log::warn!("device {} could not be marked: {error}", device.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_heed_what_is_asked_for() {
        let backoff = Backoff {
            tries: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        };
        let pause = |tries, asked: Option<u64>, chance| {
            let asked = asked.map(Duration::from_secs);
            backoff.pause(tries, asked, chance).as_secs_f64()
        };
        assert!((pause(1, None, 0.5) - 1.0).abs() < 1e-9);
        assert!((pause(3, None, 0.5) - 4.0).abs() < 1e-9);
        assert!((pause(1, None, 0.0) - 0.75).abs() < 1e-9);
        assert!((pause(60, None, 1.0) - 60.0).abs() < 1e-9);
        assert!((pause(1, Some(7), 0.5) - 7.0).abs() < 1e-9);
        assert!((pause(1, Some(7_000), 0.5) - 60.0).abs() < 1e-9);
    }

    #[actix::test]
    async fn a_notification_that_panics_is_one_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let url = crate::db::DatabaseUrl::parse(folder.path().join("x.db").to_str().unwrap());
        let db = DbHandle::open(&crate::db::DbSettings::new(url.unwrap()), None).unwrap();
        let pem = include_str!("../../tests/keys/worthless_rsa.pem");
        let account = serde_json::json!({
            "client_email": "a@b", "private_key": pem, "project_id": "p", "token_uri": "http://127.0.0.1:9/",
        });
        let account = super::super::ServiceAccount::parse(&account.to_string()).unwrap();
        let fcm = Fcm::new(account, &super::super::FcmSettings::default()).unwrap();
        let push = PushHandle::start(fcm, db, &PushSettings::default());
        let key = crate::auth::Identity::random().identity_key();
        let notification = Notification {
            recipient: key,
            sender: key,
            message_id: "1".to_owned(),
        };
        panics::injection::arm("push worker");
        push.notify(notification.clone());
        assert!(push.flush(Duration::from_secs(20)).await);
        assert_eq!(push.status().failed, 1);
        // The next one is dealt with: nobody has a device.
        push.notify(notification);
        assert!(push.flush(Duration::from_secs(20)).await);
        assert_eq!((push.status().failed, push.status().pending), (1, 0));
    }
}
