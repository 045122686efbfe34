//! For `fuzz/` only: what the routes read of a request.

use serde_json::Value;

use crate::http::error::ApiError;

use super::{acknowledge_message, devices, list_messages, permissions, quote, send_message};

/// An equivalent request to a route. The text is the query of `/permissions/quote`, and the body of all other routes.
///
/// # Errors
/// The refusal of the route.
pub fn normal_form(route: &str, text: &[u8]) -> Result<Value, ApiError> {
    match route {
        "/sendMessage" => send_message::normal_form(text),
        "/listMessages" => list_messages::normal_form(text),
        "/acknowledgeMessage" => acknowledge_message::normal_form(text),
        "/registerDevice" => devices::normal_form(text),
        "/permissions/set" => permissions::normal_form(text),
        _ => quote::normal_form(&String::from_utf8_lossy(text)),
    }
}
