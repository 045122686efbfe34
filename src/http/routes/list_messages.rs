//! `POST /listMessages`: what waits in a box of the caller.

use serde::Serialize;
use serde_json::Value;

use crate::ids::IdentityKey;

use super::super::error::{ApiError, store_error};
use super::super::reply::Reply;
use super::super::state::HttpState;
use super::field;

#[derive(Serialize)]
struct Listed {
    status: &'static str,
    messages: Vec<Item>,
}

/// Both spellings of the timestamps: servers and clients in use differ.
#[derive(Serialize)]
struct Item {
    #[serde(rename = "messageId")]
    message_id: String,
    body: String,
    sender: String,
    #[serde(rename = "createdAt")]
    created_at_camel: String,
    #[serde(rename = "updatedAt")]
    updated_at_camel: String,
    created_at: String,
    updated_at: String,
}

/// Lists in the order of storing.
pub(super) async fn respond(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<Reply, ApiError> {
    let message_box = validate(body)?;
    let stored = state.db.list(caller, message_box).await.map_err(|error| {
        let description = "An internal error has occurred while listing messages.";
        store_error(&error, "ERR_INTERNAL_ERROR", description)
    })?;
    let messages = stored.into_iter().map(|message| Item {
        message_id: message.message_id,
        body: message.body,
        sender: message.sender,
        created_at_camel: message.created_at.clone(),
        updated_at_camel: message.updated_at.clone(),
        created_at: message.created_at,
        updated_at: message.updated_at,
    });
    Ok(Reply::ok(&Listed {
        status: "success",
        messages: messages.collect(),
    }))
}

fn validate(body: &[u8]) -> Result<String, ApiError> {
    match field(body, "messageBox")? {
        None => Err(missing()),
        Some(Value::String(name)) if name.is_empty() => Err(missing()),
        Some(Value::String(name)) => Ok(name),
        Some(_) => Err(ApiError::bad_request(
            "ERR_INVALID_MESSAGEBOX",
            "MessageBox name must be a string!",
        )),
    }
}

fn missing() -> ApiError {
    ApiError::bad_request(
        "ERR_MESSAGEBOX_REQUIRED",
        "Please provide the name of a valid MessageBox!",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_must_be_named() {
        let cases = [
            ("", "ERR_INVALID_JSON"),
            ("{}", "ERR_MESSAGEBOX_REQUIRED"),
            ("[]", "ERR_MESSAGEBOX_REQUIRED"),
            (r#"["inbox"]"#, "ERR_MESSAGEBOX_REQUIRED"),
            (r#"{"messageBox":null}"#, "ERR_MESSAGEBOX_REQUIRED"),
            (r#"{"messageBox":""}"#, "ERR_MESSAGEBOX_REQUIRED"),
            (r#"{"messageBox":7}"#, "ERR_INVALID_MESSAGEBOX"),
            (r#"{"messageBox":["inbox"]}"#, "ERR_INVALID_MESSAGEBOX"),
        ];
        for (body, code) in cases {
            assert_eq!(validate(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
        assert_eq!(
            validate(br#"{"messageBox":" in-box "}"#),
            Ok(" in-box ".to_owned())
        );
    }
}
