//! `POST /acknowledgeMessage`: deletes messages that the caller has processed.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bounded_list::BoundedList;
use crate::http::error::{ApiError, store_error};
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;
use crate::ids::IdentityKey;

use super::json_body::object;

/// Messages that one request may acknowledge.
const MAX_IDS: usize = 10_000;

/// Bytes of a body with [`MAX_IDS`] ids of the largest size.
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;

/// Deletes those of the messages that are the caller's. If none is, that is an error, as in the servers in use.
pub(super) async fn respond(
    caller: IdentityKey,
    body: &Bytes,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    if body.len() > MAX_BODY {
        return Err(ApiError::too_large(MAX_BODY));
    }
    let ids = body.clone();
    let message_ids = state.off_worker(body.len(), move || validate(&ids)).await?;
    let deleted = state.db.acknowledge(caller, message_ids).await;
    let deleted = deleted.map_err(store_error(
        "ERR_INTERNAL_ERROR",
        "An internal error has occurred while acknowledging the message",
    ))?;
    if deleted == 0 {
        return Err(ApiError::bad_request(
            "ERR_INVALID_ACKNOWLEDGMENT",
            "Message not found!",
        ));
    }
    Ok(RouteReply::done())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    message_ids: Option<&'a RawValue>,
}

fn validate(body: &[u8]) -> Result<Vec<String>, ApiError> {
    let missing = || {
        let description = "Please provide the ID of the message(s) to acknowledge!";
        ApiError::bad_request("ERR_MESSAGE_ID_REQUIRED", description)
    };
    let raw = object::<Body<'_>>(body)?.and_then(|body| body.message_ids);
    let invalid =
        |description: String| ApiError::bad_request("ERR_INVALID_MESSAGE_ID", description);
    let ids: BoundedList<String, MAX_IDS> = serde_json::from_str(raw.ok_or_else(missing)?.get())
        .map_err(|_| invalid("Message IDs must be formatted as an array of strings!".to_owned()))?;
    if ids.count() == 0 {
        return Err(missing());
    }
    // One transaction deletes them, and all other writes wait for it.
    ids.into_all().ok_or_else(|| {
        invalid(format!(
            "At most {MAX_IDS} messages can be acknowledged at a time."
        ))
    })
}

/// For `fuzz/`: an equivalent body.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(body: &[u8]) -> Result<serde_json::Value, ApiError> {
    Ok(serde_json::json!({ "messageIds": validate(body)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_must_be_an_array_of_strings() {
        let cases = [
            ("", "ERR_INVALID_JSON"),
            ("{}", "ERR_MESSAGE_ID_REQUIRED"),
            ("[]", "ERR_MESSAGE_ID_REQUIRED"),
            (r#"[["1"]]"#, "ERR_MESSAGE_ID_REQUIRED"),
            (r#"{"messageIds":null}"#, "ERR_MESSAGE_ID_REQUIRED"),
            (r#"{"messageIds":[]}"#, "ERR_MESSAGE_ID_REQUIRED"),
            (r#"{"messageIds":"1"}"#, "ERR_INVALID_MESSAGE_ID"),
            (r#"{"messageIds":[1]}"#, "ERR_INVALID_MESSAGE_ID"),
            (r#"{"messageIds":["1",null]}"#, "ERR_INVALID_MESSAGE_ID"),
        ];
        for (body, code) in cases {
            assert_eq!(validate(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
        let body = |count: usize| serde_json::json!({ "messageIds": vec!["1"; count] }).to_string();
        let many = validate(body(MAX_IDS + 1).as_bytes()).unwrap_err();
        assert_eq!(many.code, "ERR_INVALID_MESSAGE_ID");
        assert!(validate(body(MAX_IDS).as_bytes()).is_ok());
        assert_eq!(
            validate(br#"{"messageIds":["1","2"]}"#),
            Ok(vec!["1".to_owned(), "2".to_owned()])
        );
    }
}
