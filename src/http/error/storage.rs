//! Messages for which there is no room.

use std::time::Duration;

use actix_web::http::StatusCode;

use crate::model::{QuotaExceeded, Role};

use super::{ApiError, Details};

/// When a message may be tried again for which the disk had no room.
const RETRY_STORING: Duration = Duration::from_secs(60);

impl ApiError {
    /// Less must be stored before more can be. Nothing of the request was stored.
    pub(super) fn quota_exceeded(exceeded: &QuotaExceeded) -> Self {
        let (limit, resource) = (exceeded.limit, exceeded.resource.word());
        let (code, recipient, description) = match exceeded.role {
            Role::Inbox => (
                "ERR_INBOX_QUOTA_EXCEEDED",
                Some(exceeded.identity.to_hex()),
                format!(
                    "The inbox of {} may have {limit} {resource}.",
                    exceeded.identity
                ),
            ),
            Role::Sender => (
                "ERR_SENDER_QUOTA_EXCEEDED",
                None,
                format!(
                    "At most {limit} {resource} of one sender are stored until their recipients acknowledge them."
                ),
            ),
        };
        Self {
            details: Box::new(Details {
                resource: Some(resource),
                limit: Some(limit),
                recipient,
                ..Details::default()
            }),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, description)
        }
    }

    /// The disk of the database is nearly full. Reading and acknowledging go on, which makes room.
    pub(super) fn storage_full() -> Self {
        Self {
            headers: vec![("retry-after", RETRY_STORING.as_secs().to_string())],
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ERR_STORAGE_FULL",
                "The server has no room for more messages, try again later.",
            )
        }
    }
}
