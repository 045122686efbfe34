//! Messages for which the store has no room.

use std::time::Duration;

use actix_web::http::StatusCode;

use crate::model::{QuotaExceeded, Role};

use super::{ApiError, Details};

/// When a client may retry a message for which the disk has no room.
const RETRY_STORING: Duration = Duration::from_secs(60);

impl ApiError {
    /// An inbox or a sender has reached its quota. The server stored nothing of the request.
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
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, description).with_details(Details {
            resource: Some(resource),
            limit: Some(limit),
            recipient,
            ..Details::default()
        })
    }

    /// The disk of the database is nearly full. Clients can still read and acknowledge, which makes room.
    pub(super) fn storage_full() -> Self {
        Self::unavailable(
            "ERR_STORAGE_FULL",
            "The server has no room for more messages, try again later.",
        )
        .retry_after(RETRY_STORING)
    }
}
