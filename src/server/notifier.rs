//! Passes stored messages to the push worker.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::Settings;
use crate::db::DbHandle;
use crate::delivery::Notify;
use crate::model::NewMessage;
use crate::push::{
    Fcm, FcmSettings, Notification, PushHandle, PushSettings, ServiceAccount, ServiceAccountError,
};

/// Passes messages of the configured boxes to the push worker.
#[derive(Debug)]
pub(super) struct Notifier {
    boxes: HashSet<String>,
    push: PushHandle,
}

impl Notify for Notifier {
    fn wants(&self, message_box: &str) -> bool {
        self.boxes.contains(message_box)
    }

    fn stored(&self, message: &NewMessage) {
        self.push.notify(Notification {
            recipient: message.recipient,
            sender: message.sender,
            message_id: message.message_id.clone(),
        });
    }
}

/// Starts the push worker.
pub(super) fn start_push(fcm: Fcm, settings: &Settings, db: &DbHandle) -> PushHandle {
    let worker = PushSettings {
        max_queued: settings.push.max_queued,
        ..PushSettings::default()
    };
    PushHandle::start(fcm, db.clone(), &worker)
}

/// The client of Firebase; `None` if notifications are off. Connects to nothing.
pub(super) fn fcm(settings: &Settings) -> Result<Option<Fcm>, ServiceAccountError> {
    let push = &settings.push;
    if !push.enabled {
        return Ok(None);
    }
    let account = match (&push.service_account_json, &push.service_account_path) {
        (Some(json), _) => ServiceAccount::parse(json.expose())?,
        (None, Some(path)) => ServiceAccount::read(path)?,
        (None, None) => return Err(ServiceAccountError::Missing),
    };
    let fcm = FcmSettings {
        endpoint: push.endpoint.clone(),
        project_id: push.project_id.clone(),
        ..FcmSettings::default()
    };
    Ok(Some(Fcm::new(account, &fcm)?))
}

/// The listener that delivery calls for stored messages.
pub(super) fn notifier(settings: &Settings, push: Option<&PushHandle>) -> Option<Arc<dyn Notify>> {
    let push = push?.clone();
    let boxes = settings.push.boxes.iter().cloned().collect();
    Some(Arc::new(Notifier { boxes, push }))
}
