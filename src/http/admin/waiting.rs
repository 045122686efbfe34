//! Messages that wait in boxes: by box, and by identity.

use std::time::Duration;

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::model::{IdentityTotal, TotalsOrder, WaitingBox, WaitingPage, WaitingTotal};

use super::request::{AdminRequest, cut, one_more};
use super::state::{AdminState, database_error};

/// Boxes with messages, in the order of their creation.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct WaitingBoxes {
    /// Expired messages count until they are deleted.
    boxes: Vec<WaitingBoxItem>,
    /// The `after` of the next page, which may be empty; null on the last page.
    next: Option<String>,
    /// Sum over all boxes of the identity that the request names.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<WaitingTotalItem>,
}

/// A box with messages.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct WaitingBoxItem {
    /// Owner of the box; shortened unless `full` is set.
    identity: String,
    message_box: String,
    messages: i64,
    /// Bytes of the messages' bodies.
    bytes: i64,
    /// Age of the oldest message in seconds.
    oldest_seconds: u64,
}

/// All boxes of an identity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct WaitingTotalItem {
    /// Number of boxes with messages.
    boxes: usize,
    messages: i64,
    /// Bytes of the messages' bodies.
    bytes: i64,
    /// Age of the oldest message in seconds; null without messages.
    oldest_seconds: Option<u64>,
}

/// A page of identities with messages.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct InboxList {
    /// In the order that the request asks for.
    inboxes: Vec<InboxItem>,
    /// The `after` of the next page; null on the last page, and in lists by size.
    next: Option<String>,
}

/// An identity with messages.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct InboxItem {
    /// Identity key; shortened unless `full` is set.
    identity: String,
    messages: i64,
    /// Bytes of the messages' bodies.
    bytes: i64,
}

pub(super) async fn boxes(
    request: &AdminRequest<'_>,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let limit = request.limit()?;
    let after = request.parameter("after").map_or(Ok(0), str::parse);
    let after = after.map_err(|_| {
        ApiError::bad_request("ERR_INVALID_AFTER", "after must be the next of a page")
    })?;
    let found = if let Some(identity) = request.key("identity")? {
        let found = admin.db.waiting_boxes_of(identity, after, limit).await;
        found.map(|(page, total)| (page, Some(total)))
    } else {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = admin.db.waiting_boxes(after, limit).await;
        found.map(|page| (page, None))
    };
    let (WaitingPage { boxes, next }, total) = found.map_err(database_error)?;
    let item = |waiting: WaitingBox| WaitingBoxItem {
        identity: request.shown(&waiting.identity),
        message_box: waiting.message_box,
        messages: waiting.messages,
        bytes: waiting.bytes,
        oldest_seconds: waiting.oldest.as_secs(),
    };
    let total = total.map(|total: WaitingTotal| WaitingTotalItem {
        boxes: total.boxes,
        messages: total.messages,
        bytes: total.bytes,
        oldest_seconds: total.oldest.as_ref().map(Duration::as_secs),
    });
    Ok(RouteReply::success(&WaitingBoxes {
        boxes: boxes.into_iter().map(item).collect(),
        next: next.map(|id| id.to_string()),
        total,
    }))
}

pub(super) async fn inboxes(
    request: &AdminRequest<'_>,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let limit = request.limit()?;
    let order = match request.parameter("order") {
        None | Some("identity") => TotalsOrder::Identity,
        Some("messages") => TotalsOrder::Messages,
        Some("bytes") => TotalsOrder::Bytes,
        Some(_) => {
            return Err(ApiError::bad_request(
                "ERR_INVALID_FILTER",
                "order must be identity, messages or bytes",
            ));
        }
    };
    let after = request.text("after").to_ascii_lowercase();
    let found = admin.db.inboxes(order, after, one_more(limit)).await;
    let found = found.map_err(database_error)?;
    let mut found = found.ok_or_else(|| {
        ApiError::new(
            StatusCode::CONFLICT,
            "ERR_NOT_COUNTED",
            "Identities are counted only where a quota is set, such as MAX_INBOX_MESSAGES; boxes are always.",
        )
    })?;
    let next = cut(&mut found, limit).filter(|_| order == TotalsOrder::Identity);
    let next = next.map(|last| last.identity.clone());
    let item = |total: IdentityTotal| InboxItem {
        identity: request.shown(&total.identity),
        messages: total.messages,
        bytes: total.bytes,
    };
    Ok(RouteReply::success(&InboxList {
        inboxes: found.into_iter().map(item).collect(),
        next,
    }))
}
