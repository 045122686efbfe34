//! `POST /registerDevice` and `GET /devices`: where the caller gets push notifications.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::Device;
use crate::ids::IdentityKey;

use super::super::error::{ApiError, store_error};
use super::super::reply::Reply;
use super::super::state::HttpState;
use super::parse_small;

const MAX_TOKEN_CHARS: usize = 500;
const MAX_DEVICE_ID_CHARS: usize = 255;
/// Characters at the end of a token that are shown.
const SHOWN_TOKEN_CHARS: usize = 10;

/// A device was registered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Registered {
    /// Always `success`.
    status: &'static str,
    /// That it was.
    message: &'static str,
    /// The server's number for it.
    device_id: i64,
}

/// The caller's devices.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct DeviceList {
    /// Always `success`.
    status: &'static str,
    /// The one that changed last first.
    devices: Vec<DeviceItem>,
}

/// A device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DeviceItem {
    /// The server's number for it.
    id: i64,
    /// The caller's name for it.
    device_id: Option<String>,
    /// `ios`, `android` or `web`.
    platform: Option<String>,
    /// `...` and the last ten characters of the token.
    fcm_token: String,
    /// Whether the token is believed to work.
    active: bool,
    /// ISO 8601.
    created_at: String,
    /// ISO 8601.
    updated_at: String,
    /// ISO 8601.
    last_used: Option<String>,
}

impl From<Device> for DeviceItem {
    fn from(device: Device) -> Self {
        let skipped = device
            .fcm_token
            .chars()
            .count()
            .saturating_sub(SHOWN_TOKEN_CHARS);
        let end: String = device.fcm_token.chars().skip(skipped).collect();
        Self {
            id: device.id,
            device_id: device.device_id,
            platform: device.platform,
            fcm_token: format!("...{end}"),
            active: device.active,
            created_at: device.created_at,
            updated_at: device.updated_at,
            last_used: device.last_used.map(String::from),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Registration {
    fcm_token: String,
    device_id: Option<String>,
    platform: Option<String>,
}

/// `POST /registerDevice`: a token that is known goes over to the caller.
pub(super) async fn register(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<Reply, ApiError> {
    let Registration {
        fcm_token,
        device_id,
        platform,
    } = validate(body)?;
    let device_id = state
        .db
        .register_device(caller, fcm_token, device_id, platform)
        .await
        .map_err(|error| store_error(&error, "ERR_DATABASE_ERROR", "Failed to register device."))?;
    Ok(Reply::ok(&Registered {
        status: "success",
        message: "Device registered successfully for push notifications",
        device_id,
    }))
}

fn validate(body: &[u8]) -> Result<Registration, ApiError> {
    let whole = parse_small(body)?;
    let field = |name: &str| whole.get(name).filter(|value| !value.is_null());
    let refuse = |code, description: &str| Err(ApiError::bad_request(code, description));
    let fcm_token = match field("fcmToken").and_then(Value::as_str).map(str::trim) {
        Some(token) if !token.is_empty() && fits(token, MAX_TOKEN_CHARS) => token,
        _ => {
            return refuse(
                "ERR_INVALID_FCM_TOKEN",
                "fcmToken is required and must be a non-empty string.",
            );
        }
    };
    let platform = match field("platform") {
        None => None,
        Some(Value::String(name)) if matches!(&**name, "ios" | "android" | "web") => Some(name),
        Some(_) => {
            return refuse(
                "ERR_INVALID_PLATFORM",
                "platform must be one of: ios, android, web",
            );
        }
    };
    let device_id = match field("deviceId") {
        None => None,
        Some(Value::String(name)) if fits(name, MAX_DEVICE_ID_CHARS) => Some(name),
        Some(_) => {
            return refuse(
                "ERR_INVALID_DEVICE_ID",
                "deviceId must be a string of at most 255 characters.",
            );
        }
    };
    Ok(Registration {
        fcm_token: fcm_token.to_owned(),
        device_id: device_id.cloned(),
        platform: platform.cloned(),
    })
}

/// Not every database holds U+0000.
fn fits(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.contains('\0')
}

/// `GET /devices`.
pub(super) async fn list(caller: IdentityKey, state: &HttpState) -> Result<Reply, ApiError> {
    let devices = state.db.devices(caller).await.map_err(|error| {
        store_error(&error, "ERR_DATABASE_ERROR", "Failed to retrieve devices.")
    })?;
    Ok(Reply::ok(&DeviceList {
        status: "success",
        devices: devices.into_iter().map(DeviceItem::from).collect(),
    }))
}

/// For `fuzz/`: a body that asks for the same.
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
        let body = json!({"fcmToken": " t ", "platform": null, "deviceId": "mine"});
        let expected = Registration {
            fcm_token: "t".to_owned(),
            device_id: Some("mine".to_owned()),
            platform: None,
        };
        assert_eq!(validate(body.to_string().as_bytes()), Ok(expected));
    }
}
