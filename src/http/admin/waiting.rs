//! What waits in boxes, for admins: by box, and by identity.

use std::time::Duration;

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::model::{IdentityTotal, TotalsOrder, WaitingBox, WaitingPage, WaitingTotal};

use super::sockets::key;
use super::{AdminState, Asked, cut, database_error, one_more};

/// Boxes with messages, by their numbers.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct WaitingBoxes {
    /// Always `success`.
    status: &'static str,
    /// The boxes. Expired messages that are not deleted yet count.
    boxes: Vec<WaitingBoxItem>,
    /// `after` of the next page, which may be empty; null: there are no more.
    next: Option<String>,
    /// All boxes of the identity together, where one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<WaitingTotalItem>,
}

/// What waits in a box.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct WaitingBoxItem {
    /// Whose box; shortened unless asked for in full.
    identity: String,
    /// Its name.
    message_box: String,
    /// How many messages.
    messages: i64,
    /// Bytes of their bodies.
    bytes: i64,
    /// Seconds since the oldest was stored.
    oldest_seconds: u64,
}

/// What waits in all boxes of an identity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct WaitingTotalItem {
    /// Boxes with messages.
    boxes: usize,
    /// How many messages.
    messages: i64,
    /// Bytes of their bodies.
    bytes: i64,
    /// Seconds since the oldest was stored; null: there is none.
    oldest_seconds: Option<u64>,
}

/// Identities with messages.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct InboxList {
    /// Always `success`.
    status: &'static str,
    /// In the order asked for.
    inboxes: Vec<InboxItem>,
    /// `after` of the next page; null: there are no more, or they come by size.
    next: Option<String>,
}

/// What waits for an identity.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct InboxItem {
    /// Identity key; shortened unless asked for in full.
    identity: String,
    /// How many messages.
    messages: i64,
    /// Bytes of their bodies.
    bytes: i64,
}

/// `GET /admin/boxes`.
pub(super) async fn boxes(asked: &Asked<'_>, admin: &AdminState) -> Result<Reply, ApiError> {
    let limit = asked.limit()?;
    let after = match asked.query.first(&["after"]) {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            ApiError::bad_request("ERR_INVALID_AFTER", "after must be the next of a page")
        })?,
    };
    let of_identity = asked.query.first(&["identity"]).map(key).transpose()?;
    let found = if let Some(identity) = of_identity {
        let found = admin.db.waiting_boxes_of(identity, after, limit).await;
        found.map(|(page, total)| (page, Some(total)))
    } else {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = admin.db.waiting_boxes(after, limit).await;
        found.map(|page| (page, None))
    };
    let (WaitingPage { boxes, next }, total) = found.map_err(|error| database_error(&error))?;
    let item = |waiting: WaitingBox| WaitingBoxItem {
        identity: asked.shown(&waiting.identity),
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
    Ok(Reply::ok(&WaitingBoxes {
        status: "success",
        boxes: boxes.into_iter().map(item).collect(),
        next: next.map(|id| id.to_string()),
        total,
    }))
}

/// `GET /admin/inboxes`.
pub(super) async fn inboxes(asked: &Asked<'_>, admin: &AdminState) -> Result<Reply, ApiError> {
    let limit = asked.limit()?;
    let order = match asked.query.first(&["order"]) {
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
    let after = asked.query.first(&["after"]).unwrap_or_default();
    let after = after.to_ascii_lowercase();
    let found = admin.db.inboxes(order, after, one_more(limit)).await;
    let found = found.map_err(|error| database_error(&error))?;
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
        identity: asked.shown(&total.identity),
        messages: total.messages,
        bytes: total.bytes,
    };
    Ok(Reply::ok(&InboxList {
        status: "success",
        inboxes: found.into_iter().map(item).collect(),
        next,
    }))
}
