//! For `fuzz/` only: what the routes read of a body, which is nobody else's business.

use serde_json::Value;

use crate::http::error::ApiError;

use super::normal_forms;

/// A request to a route, in a form that asks the same of it; the text is the query of the quote and the body of all others.
///
/// # Errors
/// What the route refuses it with.
pub fn normal_form(route: &str, text: &[u8]) -> Result<Value, ApiError> {
    match route {
        "/sendMessage" => normal_forms::send_message(text),
        "/listMessages" => normal_forms::list_messages(text),
        "/acknowledgeMessage" => normal_forms::acknowledge_message(text),
        "/registerDevice" => normal_forms::register_device(text),
        "/permissions/set" => normal_forms::set_permission(text),
        _ => normal_forms::quote(&String::from_utf8_lossy(text)),
    }
}
