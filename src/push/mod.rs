//! Push notifications by Firebase Cloud Messaging (HTTP v1). They are sent after a message is stored and never delay it.

mod access_token;
mod fcm;
mod message;
mod probe;
mod recipient_queues;
mod service_account;
mod worker;

pub use fcm::{Fcm, FcmSettings};
pub use service_account::{ServiceAccount, ServiceAccountError};
pub use worker::{Notification, PushHandle, PushSettings, PushStatus, RetryPolicy};
