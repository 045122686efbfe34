//! The request body for one device.

use serde_json::{Value, json};

const TITLE: &str = "New Message";

/// The body of `messages:send`. It names the message and its sender, and shows nothing of its content.
pub(super) fn body(token: &str, message_id: &str, originator: &str) -> Value {
    json!({
        "message": {
            "token": token,
            "notification": { "title": TITLE, "body": message_id },
            "android": {
                "priority": "high",
                "data": { "messageId": message_id, "originator": originator },
            },
            "apns": {
                "headers": { "apns-push-type": "alert", "apns-priority": "10" },
                "payload": {
                    "aps": {
                        "mutable-content": 1,
                        "alert": { "title": TITLE, "body": message_id },
                    },
                    "messageId": message_id,
                    "originator": originator,
                },
            },
        },
    })
}
