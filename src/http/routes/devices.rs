//! `POST /registerDevice` and `GET /devices`: the caller's devices for push notifications.

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::error::{ApiError, store_error};
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;
use crate::ids::IdentityKey;
use crate::js_trim::js_trim;
use crate::model::Device;

use super::json_body::parse_small;
use super::query::RequestQuery;

const MAX_TOKEN_BYTES: usize = 500;
const MAX_DEVICE_ID_BYTES: usize = 255;
const PLATFORMS: [&str; 3] = ["ios", "android", "web"];
/// Devices on a page, at most and by default.
const MAX_LIMIT: i64 = 100;
/// Devices that may be skipped.
const MAX_OFFSET: i64 = 100_000;
/// Characters that are shown of the end of a token.
const SHOWN_TOKEN_CHARS: usize = 10;

/// A device was registered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Registered {
    /// The result in words.
    message: &'static str,
    /// The server's id of the device.
    device_id: i64,
}

/// A page of the caller's devices.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct DeviceList {
    /// Most devices that this list may have.
    limit: i64,
    /// Number of devices that were skipped.
    offset: i64,
    /// The most recently changed first.
    devices: Vec<DeviceItem>,
}

/// A device of the caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DeviceItem {
    /// The server's id of the device.
    id: i64,
    /// The caller's name of the device.
    device_id: Option<String>,
    /// `ios`, `android` or `web`.
    platform: Option<String>,
    /// `...` and the last ten characters of the token.
    fcm_token: String,
    /// False once Firebase has refused the token.
    active: bool,
    /// When the device was registered (ISO 8601).
    created_at: String,
    /// When the device last changed (ISO 8601).
    updated_at: String,
    /// When a notification was last delivered, otherwise when the device last changed (ISO 8601).
    last_used: String,
}

/// Names from earlier releases may be longer than clients accept.
fn shortened(mut name: String) -> String {
    while name.len() > MAX_DEVICE_ID_BYTES {
        name.pop();
    }
    name
}

impl From<Device> for DeviceItem {
    fn from(device: Device) -> Self {
        let skipped = device
            .fcm_token
            .chars()
            .count()
            .saturating_sub(SHOWN_TOKEN_CHARS);
        let end: String = device.fcm_token.chars().skip(skipped).collect();
        let last_used = device
            .last_used
            .unwrap_or_else(|| device.updated_at.clone());
        // Clients refuse the whole list if one device has a platform that they do not know.
        let known = |name: &String| PLATFORMS.contains(&name.as_str());
        Self {
            id: device.id,
            device_id: device.device_id.map(shortened),
            platform: device.platform.filter(known),
            fcm_token: format!("...{end}"),
            active: device.active,
            created_at: device.created_at,
            updated_at: device.updated_at,
            last_used,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Registration {
    fcm_token: String,
    device_id: Option<String>,
    platform: Option<String>,
}

pub(super) async fn register(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let Registration {
        fcm_token,
        device_id,
        platform,
    } = validate(body)?;
    let registered = state
        .db
        .register_device(caller, fcm_token, device_id, platform)
        .await;
    let failure = store_error("ERR_DATABASE_ERROR", "Failed to register device.");
    let device_id = registered.map_err(failure)?.ok_or_else(|| {
        ApiError::new(
            StatusCode::CONFLICT,
            "ERR_DEVICE_TOKEN_ALREADY_REGISTERED",
            "This device token is already registered to another identity.",
        )
    })?;
    Ok(RouteReply::success(&Registered {
        message: "Device registered successfully for push notifications",
        device_id,
    }))
}

fn validate(body: &[u8]) -> Result<Registration, ApiError> {
    let whole = parse_small(body)?;
    let field = |name: &str| whole.get(name).filter(|value| !value.is_null());
    let refuse = |code, description: &str| Err(ApiError::bad_request(code, description));
    let invalid_token = |description| refuse("ERR_INVALID_FCM_TOKEN", description);
    // Not every database stores U+0000.
    let fcm_token = match field("fcmToken").and_then(Value::as_str).map(js_trim) {
        None | Some("") => {
            return invalid_token("fcmToken is required and must be a non-empty string.");
        }
        Some(token) if token.len() > MAX_TOKEN_BYTES => {
            return invalid_token("fcmToken is too long: it may have at most 500 bytes.");
        }
        Some(token) if token.contains('\0') => {
            return invalid_token("fcmToken must not contain U+0000.");
        }
        Some(token) => token,
    };
    let platform = match field("platform") {
        None => None,
        Some(Value::String(name)) if PLATFORMS.contains(&name.as_str()) => Some(name),
        Some(_) => {
            return refuse(
                "ERR_INVALID_PLATFORM",
                "platform must be one of: ios, android, web",
            );
        }
    };
    let device_id = match field("deviceId") {
        None => None,
        Some(Value::String(name)) if name.contains('\0') => {
            return refuse("ERR_INVALID_DEVICE_ID", "deviceId must not contain U+0000.");
        }
        Some(Value::String(name)) if name.len() <= MAX_DEVICE_ID_BYTES => Some(name),
        Some(_) => {
            return refuse(
                "ERR_INVALID_DEVICE_ID",
                "deviceId must be a string of at most 255 bytes.",
            );
        }
    };
    Ok(Registration {
        fcm_token: fcm_token.to_owned(),
        device_id: device_id.cloned(),
        platform: platform.cloned(),
    })
}

pub(super) async fn list(
    caller: IdentityKey,
    query: &str,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let (limit, offset) = page(&RequestQuery::parse(query))?;
    let devices = state.db.devices(caller).await;
    let failure = store_error("ERR_DATABASE_ERROR", "Failed to retrieve devices.");
    // An identity has few devices, so the page is cut here.
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let devices = devices
        .map_err(failure)?
        .into_iter()
        .skip(count(offset))
        .take(count(limit));
    Ok(RouteReply::success(&DeviceList {
        limit,
        offset,
        devices: devices.map(DeviceItem::from).collect(),
    }))
}

fn page(query: &RequestQuery) -> Result<(i64, i64), ApiError> {
    Ok((
        query.number("limit", 1..=MAX_LIMIT, MAX_LIMIT, "ERR_INVALID_LIMIT")?,
        query.number("offset", 0..=MAX_OFFSET, 0, "ERR_INVALID_OFFSET")?,
    ))
}

/// For `fuzz/`: an equivalent body.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(body: &[u8]) -> Result<Value, ApiError> {
    let read = validate(body)?;
    Ok(serde_json::json!({
        "fcmToken": read.fcm_token,
        "deviceId": read.device_id,
        "platform": read.platform,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_registration_is_checked_in_the_documented_order() {
        let cases = [
            (json!({}), "ERR_INVALID_FCM_TOKEN"),
            (json!([]), "ERR_INVALID_FCM_TOKEN"),
            (
                json!({"fcmToken": " ", "platform": "x"}),
                "ERR_INVALID_FCM_TOKEN",
            ),
            (json!({"fcmToken": 7}), "ERR_INVALID_FCM_TOKEN"),
            (
                json!({"fcmToken": "x".repeat(501)}),
                "ERR_INVALID_FCM_TOKEN",
            ),
            (
                json!({"fcmToken": "t", "platform": "x", "deviceId": 7}),
                "ERR_INVALID_PLATFORM",
            ),
            (
                json!({"fcmToken": "t", "platform": 7}),
                "ERR_INVALID_PLATFORM",
            ),
            (
                json!({"fcmToken": "t", "deviceId": 7}),
                "ERR_INVALID_DEVICE_ID",
            ),
            (
                json!({"fcmToken": "t", "deviceId": "x".repeat(256)}),
                "ERR_INVALID_DEVICE_ID",
            ),
        ];
        for (body, code) in cases {
            let error = validate(body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.code, code, "{body}");
        }
        for (field, value, expected) in [
            ("fcmToken", "x".repeat(501), "too long"),
            ("fcmToken", "\u{feff}".to_owned(), "required"),
            ("fcmToken", "t\0".to_owned(), "U+0000"),
            ("deviceId", "x".repeat(256), "at most 255 bytes"),
            ("deviceId", "x\0".to_owned(), "U+0000"),
        ] {
            let mut body = json!({"fcmToken": "t"});
            body[field] = value.into();
            let description = validate(body.to_string().as_bytes())
                .unwrap_err()
                .description;
            assert!(description.contains(expected), "{body}: {description}");
        }
        let long = json!({"fcmToken": "t", "deviceId": "é".repeat(128)});
        let error = validate(long.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code, "ERR_INVALID_DEVICE_ID");
        let body = json!({"fcmToken": " t ", "platform": null, "deviceId": "mine"});
        let expected = Registration {
            fcm_token: "t".to_owned(),
            device_id: Some("mine".to_owned()),
            platform: None,
        };
        assert_eq!(validate(body.to_string().as_bytes()), Ok(expected));
    }
    /// Clients refuse a list of devices for one field that they do not know, or that is null.
    #[test]
    fn a_device_is_listed_as_every_client_reads_it() {
        let device = |last_used: Option<&str>, platform: &str| {
            DeviceItem::from(Device {
                id: 1,
                fcm_token: "é".repeat(500),
                device_id: Some("é".repeat(255)),
                platform: Some(platform.to_owned()),
                active: true,
                created_at: "2026-01-01T00:00:00.000Z".to_owned(),
                updated_at: "2026-01-02T00:00:00.000Z".to_owned(),
                last_used: last_used.map(ToOwned::to_owned),
            })
        };
        let unused = device(None, "windows");
        assert_eq!(
            (&*unused.last_used, unused.platform),
            ("2026-01-02T00:00:00.000Z", None)
        );
        assert!(unused.fcm_token.chars().count() <= 64);
        assert_eq!(unused.device_id, Some("é".repeat(127)));
        let used = device(Some("2026-01-03T00:00:00.000Z"), "ios");
        assert_eq!(used.last_used, "2026-01-03T00:00:00.000Z");
        assert_eq!(used.platform.as_deref(), Some("ios"));
    }

    #[test]
    fn a_page_of_devices_is_within_its_bounds() {
        let page = |query: &str| page(&RequestQuery::parse(query)).map_err(|error| error.code);
        assert_eq!(page(""), Ok((100, 0)));
        assert_eq!(page("limit=&offset="), Ok((100, 0)));
        assert_eq!(page("limit=1&offset=100000"), Ok((1, 100_000)));
        for query in ["limit=0", "limit=101", "limit=x", "limit=1.5", "limit=-1"] {
            assert_eq!(page(query), Err("ERR_INVALID_LIMIT"), "{query}");
        }
        for query in ["offset=-1", "offset=100001", "offset=x"] {
            assert_eq!(page(query), Err("ERR_INVALID_OFFSET"), "{query}");
        }
    }
}
