//! The worker that notifies devices: bounded queues, one for each recipient, and retries with growing pauses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use crate::db::DbHandle;
use crate::ids::IdentityKey;
use crate::model::Device;
use crate::outbound::Probed;
use crate::panics;
use crate::telemetry::{self, TraceId};

use super::fcm::{Fcm, PushOutcome};
use super::recipient_queues::RecipientQueues;

/// Devices that are notified of one message at a time.
const AT_A_TIME: usize = 8;

/// How long a reason of Firebase is not logged again, and how many reasons are kept.
const REPEAT_REFUSAL: Duration = Duration::from_secs(3_600);
const MAX_REFUSALS: usize = 16;

/// A message that the devices of its recipient are notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The owner of the devices.
    pub recipient: IdentityKey,
    /// The sender of the message.
    pub sender: IdentityKey,
    /// The sender's id of the message.
    pub message_id: String,
}

/// The pauses between attempts. Each is twice the one before, plus or minus a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The largest number of attempts.
    pub tries: u32,
    /// The pause after the first attempt.
    pub first: Duration,
    /// The longest pause, even if Firebase asks for a longer one.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The pause after so many attempts. `asked` is the pause that Firebase asked for. `chance` is from 0 to 1.
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
    /// Largest number of queued notifications. When it is reached, the newest of the longest queue is dropped and counted. One recipient may have a sixteenth.
    pub max_queued: usize,
    /// Notifications that are sent at a time.
    pub concurrency: usize,
    /// The pauses between attempts.
    pub backoff: RetryPolicy,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            max_queued: 10_000,
            concurrency: 16,
            backoff: RetryPolicy::default(),
        }
    }
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushStatus {
    /// Notifications that are queued or being sent.
    pub pending: usize,
    /// Devices that were notified.
    pub sent: u64,
    /// Attempts that are repeated later.
    pub retried: u64,
    /// Tokens that no device has any more.
    pub dead_tokens: u64,
    /// Devices that could not be notified, and notifications that failed before any device was tried.
    pub failed: u64,
    /// Notifications refused because of the project or the account, not of the device.
    pub refused: u64,
    /// Notifications dropped for want of room.
    pub dropped: u64,
}

/// A notification, and the trace id for its log lines.
type Job = (Notification, Option<TraceId>);

#[derive(Debug)]
struct Shared {
    status: Mutex<PushStatus>,
    /// Why Firebase refuses the project or the account, and when that was logged.
    refusals: Mutex<HashMap<String, Instant>>,
    queues: RecipientQueues<Job>,
    idle: Notify,
}

impl Shared {
    /// Counts a notification that is refused because of the project or the account. Logs each reason once an hour, because
    /// later notifications are refused for the same.
    fn refused(&self, reason: String) {
        self.status.lock().refused += 1;
        let now = Instant::now();
        let mut known = self.refusals.lock();
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
        self.queues.done(recipient);
        if self.queues.len() == 0 {
            self.idle.notify_waiters();
        }
    }
}

/// A handle on the worker; cheap to clone.
#[derive(Debug, Clone)]
pub struct PushHandle {
    shared: Arc<Shared>,
    fcm: Arc<Fcm>,
}

impl PushHandle {
    /// Starts the worker on the current runtime.
    pub fn start(fcm: Fcm, db: DbHandle, settings: &PushSettings) -> Self {
        let shared = Arc::new(Shared {
            status: Mutex::default(),
            refusals: Mutex::default(),
            queues: RecipientQueues::new(settings.max_queued),
            idle: Notify::new(),
        });
        let fcm = Arc::new(fcm);
        let worker = Worker {
            fcm: Arc::clone(&fcm),
            db,
            backoff: settings.backoff,
            permits: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            shared: Arc::clone(&shared),
        };
        actix::spawn(work(Arc::new(worker)));
        Self { shared, fcm }
    }

    /// Asks Firebase whether it would accept a notification. Nothing is sent.
    pub async fn probe(&self) -> Probed {
        self.fcm.probe().await
    }

    /// Queues a notification and returns at once. Without room, one is dropped and counted.
    pub fn notify(&self, notification: Notification) {
        let recipient = notification.recipient;
        let job = (notification, telemetry::current());
        if self.shared.queues.push(recipient, job).is_some() {
            let count = {
                let mut status = self.shared.status.lock();
                status.dropped += 1;
                status.dropped
            };
            // Logs at powers of two only.
            if count.is_power_of_two() {
                log::warn!("{count} push notifications were dropped so far");
            }
        }
    }

    /// Waits until no notification is queued or being sent, for at most this time. Returns whether that is so.
    pub async fn flush(&self, deadline: Duration) -> bool {
        let idle = async {
            loop {
                let notified = self.shared.idle.notified();
                if self.shared.queues.len() == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(deadline, idle).await.is_ok()
    }

    /// Counts since the start.
    pub fn status(&self) -> PushStatus {
        PushStatus {
            pending: self.shared.queues.len(),
            ..*self.shared.status.lock()
        }
    }
}

/// What to do after an attempt to notify a device.
enum After<'a> {
    Done,
    /// Try again after this pause.
    Pause(&'a Device, Duration),
    /// Log this reason: Firebase refuses the project or the account.
    Refused(String),
}

struct Worker {
    fcm: Arc<Fcm>,
    db: DbHandle,
    backoff: RetryPolicy,
    /// Permits to send. A notification that pauses before the next attempt holds none.
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
}

async fn work(worker: Arc<Worker>) {
    loop {
        let (recipient, (notification, trace)) = worker.shared.queues.next().await;
        let Ok(permit) = Arc::clone(&worker.permits).acquire_owned().await else {
            return;
        };
        let worker = Arc::clone(&worker);
        let notified = async move {
            let done = panics::contained("push worker", worker.notify(&notification, permit)).await;
            if done.is_none() {
                worker.shared.status.lock().failed += 1;
            }
            worker.shared.done(recipient);
        };
        actix::spawn(telemetry::under(trace, notified));
    }
}

impl Worker {
    async fn notify(&self, notification: &Notification, permit: OwnedSemaphorePermit) {
        #[cfg(test)]
        panics::injection::strike("push worker");
        let devices = match self.db.devices(notification.recipient).await {
            Ok(devices) => devices,
            Err(error) => {
                self.shared.status.lock().failed += 1;
                log::warn!("the devices of a recipient were not found: {error}");
                return;
            }
        };
        let mut permit = Some(permit);
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
            // Other notifications are sent meanwhile.
            permit.take();
            tokio::time::sleep(pause).await;
            permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            left = again.into_iter().map(|(device, _)| device).collect();
        }
    }

    /// Makes one attempt for one device.
    async fn notify_device<'a>(
        &self,
        device: &'a Device,
        notification: &Notification,
        tries: u32,
    ) -> After<'a> {
        let originator = notification.sender.to_hex();
        let sent = self
            .fcm
            .send(&device.fcm_token, &notification.message_id, &originator)
            .await;
        match sent {
            PushOutcome::Sent => {
                self.shared.status.lock().sent += 1;
                log::debug!("device {} is notified", device.id);
                self.mark(device, true).await;
            }
            PushOutcome::DeadToken => {
                self.shared.status.lock().dead_tokens += 1;
                log::info!("device {} has a dead token and is deactivated", device.id);
                self.mark(device, false).await;
            }
            PushOutcome::Later(asked, reason) if tries < self.backoff.tries => {
                self.shared.status.lock().retried += 1;
                log::debug!("device {}: {reason}, try {tries}", device.id);
                return After::Pause(device, self.backoff.pause(tries, asked, rand::random()));
            }
            PushOutcome::Refused(reason) => return After::Refused(reason),
            PushOutcome::Later(_, reason) | PushOutcome::Failed(reason) => {
                self.shared.status.lock().failed += 1;
                log::warn!("device {} was not notified: {reason}", device.id);
            }
        }
        After::Done
    }

    async fn mark(&self, device: &Device, works: bool) {
        if let Err(error) = self.db.mark_device(device.id, works).await {
            log::warn!("the state of device {} was not stored: {error}", device.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_heed_what_is_asked_for() {
        let backoff = RetryPolicy {
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
        // The next one succeeds: the recipient has no devices.
        push.notify(notification);
        assert!(push.flush(Duration::from_secs(20)).await);
        assert_eq!((push.status().failed, push.status().pending), (1, 0));
    }
}
