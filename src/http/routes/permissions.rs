//! `/permissions/set`, `/permissions/get` and `/permissions/list`: who may write to the caller, and for what fee.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::events::is_message_box;
use crate::http::error::{ApiError, internal_store_error, store_error};
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;
use crate::ids::IdentityKey;
use crate::js_trim::{is_js_blank, js_trim};
use crate::model::{Permission, PermissionPage};

use super::json_body::parse_small;
use super::query::{RequestQuery, sender_key};

/// A permission was set.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct PermissionSet {
    /// The new setting in words.
    description: String,
}

/// A permission, or that there is none.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct PermissionFound {
    /// The result in words.
    description: String,
    /// Null: the caller has not set one.
    permission: Option<PermissionItem>,
}

/// A page of the caller's permissions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct PermissionList {
    /// Ordered by box and sender.
    permissions: PermissionRows,
    /// Number of permissions on all pages.
    total_count: i64,
}

/// Permissions in one of two spellings. Strict clients refuse a row with both.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum PermissionRows {
    /// For clients that name the box `messageBox`.
    Camel(Vec<PermissionItem>),
    /// For older clients, which read only the names of this spelling.
    Snake(Vec<OlderPermissionItem>),
}

/// A permission of a reply: the same fields, in one of two spellings.
macro_rules! permission_item {
    ($(#[$attribute:meta])* $name:ident) => {
        #[derive(Serialize, ToSchema)]
        $(#[$attribute])*
        pub(in crate::http) struct $name {
            /// The sender that it applies to; null: all senders.
            sender: Option<String>,
            message_box: String,
            /// -1 blocks, 0 allows, more is a fee in satoshis.
            recipient_fee: i64,
            /// `blocked`, `always_allow` or `payment_required`.
            status: &'static str,
            /// When it was set first (ISO 8601).
            created_at: String,
            /// When it was set last (ISO 8601).
            updated_at: String,
        }

        impl From<Permission> for $name {
            fn from(permission: Permission) -> Self {
                Self {
                    sender: permission.sender.map(|key| key.to_ascii_lowercase()),
                    message_box: permission.message_box,
                    recipient_fee: permission.recipient_fee,
                    status: status_of(permission.recipient_fee),
                    created_at: permission.created_at,
                    updated_at: permission.updated_at,
                }
            }
        }
    };
}

permission_item! {
    /// A fee or a block that the caller has set.
    #[serde(rename_all = "camelCase")]
    PermissionItem
}

permission_item! {
    /// A permission as older clients read it.
    OlderPermissionItem
}

/// The status word of a fee.
pub(super) const fn status_of(fee: i64) -> &'static str {
    match fee {
        ..0 => "blocked",
        0 => "always_allow",
        1.. => "payment_required",
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Setting {
    sender: Option<IdentityKey>,
    message_box: String,
    fee: i64,
}

pub(super) async fn set(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let setting = validate(body)?;
    let description = describe(&setting);
    let Setting {
        sender,
        message_box,
        fee,
    } = setting;
    state
        .db
        .set_permission(caller, sender, message_box, fee)
        .await
        .map_err(internal_store_error)?;
    Ok(RouteReply::success(&PermissionSet { description }))
}

/// Checks in the documented order and reports the first mistake.
fn validate(body: &[u8]) -> Result<Setting, ApiError> {
    let whole = parse_small(body)?;
    let field = |name: &str| whole.get(name).filter(|value| !value.is_null());
    let (Some(message_box), Some(Value::Number(fee))) =
        (field("messageBox"), field("recipientFee"))
    else {
        return Err(ApiError::bad_request(
            "ERR_INVALID_REQUEST",
            "messageBox (string) and recipientFee (number) are required. sender (string) is optional for box-wide settings.",
        ));
    };
    let sender = match field("sender") {
        None => None,
        // A value that is not a string is not a key.
        Some(key) => Some(sender_key(key.as_str().unwrap_or_default())?),
    };
    // Existing tables have a column of four bytes.
    let max = i64::from(i32::MAX);
    let fee = match whole_number(fee) {
        Some(fee) if (-1..=max).contains(&fee) => fee,
        fee => {
            let description = match fee {
                Some(1..) => format!("recipientFee must be at most {max}."),
                _ => "recipientFee must be an integer (-1, 0, or positive number).".to_owned(),
            };
            return Err(ApiError::bad_request("ERR_INVALID_FEE_VALUE", description));
        }
    };
    let refuse = |description| {
        Err(ApiError::bad_request(
            "ERR_INVALID_MESSAGE_BOX",
            description,
        ))
    };
    match message_box.as_str().map(js_trim) {
        Some(name) if is_message_box(name) => Ok(Setting {
            sender,
            message_box: name.to_owned(),
            fee,
        }),
        Some(name) if !is_js_blank(name) => refuse(
            "messageBox must be at most 128 bytes, without control characters and without those that change the direction of text.",
        ),
        _ => refuse("messageBox must be a non-empty string."),
    }
}

/// Reads `7`, and `7.0`: JSON has one type of numbers.
fn whole_number(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        // Every whole float below 1e15 has an exact integer.
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
    })
}

fn describe(setting: &Setting) -> String {
    let Setting {
        sender,
        message_box,
        fee,
    } = setting;
    match (sender, fee) {
        (None, ..0) => {
            format!("Box-wide default for all senders to {message_box} is now blocked.")
        }
        (None, 0) => {
            format!("Box-wide default for all senders to {message_box} is now always allowed.")
        }
        (None, 1..) => {
            format!(
                "Box-wide default for all senders to {message_box} now requires {fee} satoshis."
            )
        }
        (Some(sender), ..0) => format!("Messages from {sender} to {message_box} are now blocked."),
        (Some(sender), 0) => {
            format!("Messages from {sender} to {message_box} are now always allowed.")
        }
        (Some(sender), 1..) => {
            format!("Messages from {sender} to {message_box} now require {fee} satoshis.")
        }
    }
}

pub(super) async fn get(
    caller: IdentityKey,
    query: &str,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let query = RequestQuery::parse(query);
    let message_box = query.message_box().ok_or_else(|| {
        ApiError::bad_request(
            "ERR_MISSING_PARAMETERS",
            "messageBox parameter is required.",
        )
    })?;
    let sender = query.sender()?;
    let found = state
        .db
        .permission(caller, sender, message_box.to_owned())
        .await
        .map_err(internal_store_error)?;
    let description = match (&found, sender) {
        (Some(_), Some(sender)) => {
            format!("Permission setting found for sender {sender} to {message_box}.")
        }
        (Some(_), None) => format!("Box-wide permission setting found for {message_box}."),
        (None, Some(sender)) => {
            format!("No permission setting found for sender {sender} to {message_box}.")
        }
        (None, None) => format!("No box-wide permission setting found for {message_box}."),
    };
    Ok(RouteReply::success(&PermissionFound {
        description,
        permission: found.map(PermissionItem::from),
    }))
}

pub(super) async fn list(
    caller: IdentityKey,
    query: &str,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let query = RequestQuery::parse(query);
    let page = page(&query)?;
    let found = state.db.permissions(caller, page).await;
    let (permissions, total_count) = found.map_err(store_error(
        "ERR_LIST_PERMISSIONS_FAILED",
        "Failed to list permissions.",
    ))?;
    let permissions = permissions.into_iter();
    let permissions = if query.first(&["messageBox"]).is_some() {
        PermissionRows::Camel(permissions.map(PermissionItem::from).collect())
    } else {
        PermissionRows::Snake(permissions.map(OlderPermissionItem::from).collect())
    };
    Ok(RouteReply::success(&PermissionList {
        permissions,
        total_count,
    }))
}

fn page(query: &RequestQuery) -> Result<PermissionPage, ApiError> {
    let number = |name: &str| query.first(&[name]).map(leading_number);
    // Current clients name the box in camel case, and their servers list at most 100. Older clients do not.
    let max = match query.first(&["messageBox"]) {
        Some(_) => 100,
        None => 1_000,
    };
    let limit = match number("limit") {
        None => 100,
        Some(Some(limit)) if (1..=max).contains(&limit) => limit,
        Some(_) => {
            return Err(ApiError::bad_request(
                "ERR_INVALID_LIMIT",
                format!("Limit must be a number between 1 and {max}"),
            ));
        }
    };
    let offset = match number("offset") {
        None => 0,
        Some(Some(offset @ 0..)) => offset,
        Some(_) => {
            return Err(ApiError::bad_request(
                "ERR_INVALID_OFFSET",
                "Offset must be a non-negative number",
            ));
        }
    };
    Ok(PermissionPage {
        message_box: query.message_box().map(str::to_owned),
        limit,
        offset,
        newest_first: query.first(&["createdAtOrder"]) != Some("asc"),
    })
}

/// Reads a number as the servers in use do: they ignore what follows the digits.
fn leading_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let end = text.len() - digits.len() + count;
    text.get(..end)?.parse().ok()
}

/// For `fuzz/`: an equivalent body.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(body: &[u8]) -> Result<Value, ApiError> {
    let read = validate(body)?;
    Ok(serde_json::json!({
        "messageBox": read.message_box,
        "recipientFee": read.fee,
        "sender": read.sender.map(|key| key.to_hex()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";

    #[test]
    fn a_setting_is_checked_in_the_documented_order() {
        let cases = [
            (json!([]), "ERR_INVALID_REQUEST"),
            (json!({}), "ERR_INVALID_REQUEST"),
            (json!({"messageBox": "b"}), "ERR_INVALID_REQUEST"),
            (json!({"recipientFee": 1}), "ERR_INVALID_REQUEST"),
            (
                json!({"messageBox": "b", "recipientFee": "1", "sender": 7}),
                "ERR_INVALID_REQUEST",
            ),
            (
                json!({"messageBox": 7, "recipientFee": 1.5, "sender": "x"}),
                "ERR_INVALID_PUBLIC_KEY",
            ),
            (
                json!({"messageBox": 7, "recipientFee": 1.5, "sender": 7}),
                "ERR_INVALID_PUBLIC_KEY",
            ),
            (
                json!({"messageBox": 7, "recipientFee": 1.5}),
                "ERR_INVALID_FEE_VALUE",
            ),
            (
                json!({"messageBox": "b", "recipientFee": -2}),
                "ERR_INVALID_FEE_VALUE",
            ),
            (
                json!({"messageBox": "b", "recipientFee": 1e300}),
                "ERR_INVALID_FEE_VALUE",
            ),
            (
                json!({"messageBox": "b", "recipientFee": 3_000_000_000_u64}),
                "ERR_INVALID_FEE_VALUE",
            ),
            (
                json!({"messageBox": 7, "recipientFee": 1}),
                "ERR_INVALID_MESSAGE_BOX",
            ),
            (
                json!({"messageBox": " ", "recipientFee": 1}),
                "ERR_INVALID_MESSAGE_BOX",
            ),
            (
                json!({"messageBox": "x".repeat(256), "recipientFee": 1}),
                "ERR_INVALID_MESSAGE_BOX",
            ),
        ];
        for (body, code) in cases {
            let error = validate(body.to_string().as_bytes()).unwrap_err();
            assert_eq!((error.code, error.status.as_u16()), (code, 400), "{body}");
        }
        for (field, value, expected) in [
            ("messageBox", json!("x".repeat(129)), "at most 128 bytes"),
            ("messageBox", json!("a\nb"), "control characters"),
            ("messageBox", json!("\u{feff}"), "non-empty"),
            (
                "recipientFee",
                json!(3_000_000_000_u64),
                "at most 2147483647",
            ),
            ("recipientFee", json!(-2), "-1, 0, or positive"),
        ] {
            let mut body = json!({"messageBox": "b", "recipientFee": 1});
            body[field] = value;
            let description = validate(body.to_string().as_bytes())
                .unwrap_err()
                .description;
            assert!(description.contains(expected), "{body}: {description}");
        }
        let body =
            json!({"messageBox": "\u{feff} b ", "recipientFee": 7.0, "sender": KEY.to_uppercase()});
        let setting = validate(body.to_string().as_bytes()).unwrap();
        assert_eq!(
            describe(&setting),
            format!("Messages from {KEY} to b now require 7 satoshis.")
        );
    }

    #[test]
    fn pages_are_read_as_the_servers_in_use_read_them() {
        let read = |text: &str| {
            page(&RequestQuery::parse(text))
                .map(|page| (page.limit, page.offset, page.newest_first))
        };
        let cases = [
            ("", (100, 0, true)),
            ("limit=&offset=", (100, 0, true)),
            ("limit=10abc&offset=3&createdAtOrder=asc", (10, 3, false)),
            ("limit=1000&createdAtOrder=up", (1000, 0, true)),
            ("message_box=b&limit=1000", (1000, 0, true)),
            ("messageBox=b&limit=100", (100, 0, true)),
        ];
        for (query, expected) in cases {
            assert_eq!(read(query), Ok(expected), "{query}");
        }
        for query in [
            "limit=0",
            "limit=1001",
            "limit=abc",
            "limit=-1",
            "messageBox=b&limit=101",
        ] {
            assert_eq!(
                read(query).unwrap_err().code,
                "ERR_INVALID_LIMIT",
                "{query}"
            );
        }
        for query in ["offset=-1", "offset=x", "offset=99999999999999999999"] {
            assert_eq!(
                read(query).unwrap_err().code,
                "ERR_INVALID_OFFSET",
                "{query}"
            );
        }
    }
}
