//! `POST /listMessages`: what waits in a box of the caller.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::{MessagePage, Order, Page, StoredMessage};
use crate::ids::IdentityKey;
use crate::json_text::push_string;

use super::super::body::held;
use super::super::error::{ApiError, store_error};
use super::super::reply::Reply;
use super::super::state::HttpState;
use super::parse_small;

/// Messages that may be asked for at a time.
const MAX_LIMIT: i64 = 1_000;

/// What waits in a box.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Listed<'a> {
    /// Always `success`.
    status: &'static str,
    /// The oldest first, unless asked for otherwise.
    messages: Vec<Item<'a>>,
    /// Where `limit` was given, or not everything fits into one list: the `cursor` for the messages behind these; null at
    /// the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent and null say different things")]
    next_cursor: Option<Option<String>>,
}

/// A message. Both spellings of the timestamps: servers and clients in use differ.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Item<'a> {
    /// The sender's id for it.
    message_id: &'a str,
    /// JSON text: `{"message":...}`, and `"payment"` where one came along.
    body: &'a str,
    /// Who sent it.
    sender: &'a str,
    /// ISO 8601.
    #[serde(rename = "createdAt")]
    created_at_camel: &'a str,
    /// ISO 8601.
    #[serde(rename = "updatedAt")]
    updated_at_camel: &'a str,
    /// ISO 8601.
    #[serde(rename = "created_at")]
    created_at: &'a str,
    /// ISO 8601.
    #[serde(rename = "updated_at")]
    updated_at: &'a str,
}

impl<'a> From<&'a StoredMessage> for Item<'a> {
    fn from(message: &'a StoredMessage) -> Self {
        Self {
            message_id: &message.message_id,
            body: &message.body,
            sender: &message.sender,
            created_at_camel: &message.created_at,
            updated_at_camel: &message.updated_at,
            created_at: &message.created_at,
            updated_at: &message.updated_at,
        }
    }
}

impl Listed<'_> {
    /// The JSON that deriving gives, in less time: bodies are most of it.
    fn to_json(&self) -> Vec<u8> {
        let bytes: usize = self.messages.iter().map(|item| item.body.len() + 512).sum();
        let mut out = Vec::with_capacity(bytes + 128);
        push_field(&mut out, b'{', "status", self.status);
        out.extend_from_slice(br#","messages":["#);
        for (index, item) in self.messages.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_field(&mut out, b'{', "messageId", item.message_id);
            push_field(&mut out, b',', "body", item.body);
            push_field(&mut out, b',', "sender", item.sender);
            push_field(&mut out, b',', "createdAt", item.created_at_camel);
            push_field(&mut out, b',', "updatedAt", item.updated_at_camel);
            push_field(&mut out, b',', "created_at", item.created_at);
            push_field(&mut out, b',', "updated_at", item.updated_at);
            out.push(b'}');
        }
        out.push(b']');
        match &self.next_cursor {
            Some(Some(cursor)) => push_field(&mut out, b',', "nextCursor", cursor),
            Some(None) => out.extend_from_slice(br#","nextCursor":null"#),
            None => {}
        }
        out.push(b'}');
        out
    }
}

fn push_field(out: &mut Vec<u8>, before: u8, name: &str, value: &str) {
    out.extend_from_slice(&[before, b'"']);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    push_string(out, value);
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    message_box: String,
    page: Page,
}

/// Lists in the order of storing, everything unless asked for less.
pub(super) async fn respond(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<Reply, ApiError> {
    let Request { message_box, page } = validate(body)?;
    let listed = state.db.list(caller, message_box, page).await;
    let MessagePage { messages, more } = listed.map_err(|error| {
        let description = "An internal error has occurred while listing messages.";
        store_error(&error, "ERR_INTERNAL_ERROR", description)
    })?;
    let cursor = messages.last().filter(|_| more);
    let cursor = cursor.map(|message| message.id.to_string());
    // Who asked for everything is told of a cursor when it did not fit.
    let next_cursor = (page.limit.is_some() || more).then_some(cursor);
    let listed = Listed {
        status: "success",
        messages: messages.iter().map(Item::from).collect(),
        next_cursor,
    };
    let json = listed.to_json();
    // Whoever reads slowly has it for long.
    let mut holding = state.answers.hold(Some(caller));
    holding
        .grow(json.len())
        .map_err(|_| ApiError::overloaded())?;
    Ok(Reply::ok_json(held(json.into(), holding)))
}

fn validate(body: &[u8]) -> Result<Request, ApiError> {
    let whole = parse_small(body)?;
    let field = |name: &str| whole.get(name).filter(|value| !value.is_null());
    let message_box = match field("messageBox") {
        None => return Err(missing()),
        Some(Value::String(name)) if name.is_empty() => return Err(missing()),
        Some(Value::String(name)) => name.clone(),
        Some(_) => {
            return Err(ApiError::bad_request(
                "ERR_INVALID_MESSAGEBOX",
                "MessageBox name must be a string!",
            ));
        }
    };
    let refuse = |code, description: &str| Err(ApiError::bad_request(code, description));
    let limit = match field("limit").map(Value::as_i64) {
        None => None,
        Some(Some(limit @ 1..=MAX_LIMIT)) => Some(limit),
        Some(_) => {
            return refuse(
                "ERR_INVALID_LIMIT",
                "limit must be a number between 1 and 1000",
            );
        }
    };
    let offset = match field("offset").map(Value::as_i64) {
        None => 0,
        Some(Some(offset @ 0..)) => offset,
        Some(_) => return refuse("ERR_INVALID_OFFSET", "offset must be a non-negative number"),
    };
    let after = match field("cursor") {
        None => None,
        Some(cursor) => match cursor.as_str().and_then(|text| text.parse().ok()) {
            Some(id) => Some(id),
            None => return refuse("ERR_INVALID_CURSOR", "cursor must be a nextCursor"),
        },
    };
    let order = match field("order").map(Value::as_str) {
        None | Some(Some("asc")) => Order::Ascending,
        Some(Some("desc")) => Order::Descending,
        Some(_) => return refuse("ERR_INVALID_ORDER", "order must be asc or desc"),
    };
    let page = Page {
        limit,
        offset,
        after,
        order,
    };
    Ok(Request { message_box, page })
}

fn missing() -> ApiError {
    ApiError::bad_request(
        "ERR_MESSAGEBOX_REQUIRED",
        "Please provide the name of a valid MessageBox!",
    )
}

/// For `fuzz/`: a body that asks for the same.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(body: &[u8]) -> Result<Value, ApiError> {
    let Request { message_box, page } = validate(body)?;
    Ok(serde_json::json!({
        "messageBox": message_box,
        "limit": page.limit,
        "offset": page.offset,
        "cursor": page.after.map(|id| id.to_string()),
        "order": if page.order == Order::Ascending { "asc" } else { "desc" },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_as_it_is_described() {
        let message = |id: i64| StoredMessage {
            id,
            message_id: format!("m\"{id}"),
            sender: "02ab".to_owned(),
            body: r#"{"message":"a\nb"}"#.to_owned(),
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
            updated_at: "2026-01-02T00:00:00.000Z".to_owned(),
        };
        let stored = [message(1), message(2)];
        for (count, next_cursor) in [(0, None), (1, Some(None)), (2, Some(Some("7".to_owned())))] {
            let listed = Listed {
                status: "success",
                messages: stored.iter().take(count).map(Item::from).collect(),
                next_cursor,
            };
            let written = String::from_utf8(listed.to_json()).unwrap();
            assert_eq!(written, serde_json::to_string(&listed).unwrap());
        }
    }

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
            (r#"{"messageBox":"b","limit":0}"#, "ERR_INVALID_LIMIT"),
            (r#"{"messageBox":"b","limit":1001}"#, "ERR_INVALID_LIMIT"),
            (r#"{"messageBox":"b","limit":1.5}"#, "ERR_INVALID_LIMIT"),
            (r#"{"messageBox":"b","limit":"9"}"#, "ERR_INVALID_LIMIT"),
            (r#"{"messageBox":"b","offset":-1}"#, "ERR_INVALID_OFFSET"),
            (r#"{"messageBox":"b","offset":"1"}"#, "ERR_INVALID_OFFSET"),
            (r#"{"messageBox":"b","cursor":7}"#, "ERR_INVALID_CURSOR"),
            (r#"{"messageBox":"b","cursor":"x"}"#, "ERR_INVALID_CURSOR"),
            (r#"{"messageBox":"b","order":"up"}"#, "ERR_INVALID_ORDER"),
            (r#"{"messageBox":"b","order":1}"#, "ERR_INVALID_ORDER"),
        ];
        for (body, code) in cases {
            assert_eq!(validate(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
        assert_eq!(
            validate(br#"{"messageBox":" in-box "}"#),
            Ok(Request {
                message_box: " in-box ".to_owned(),
                page: Page::default(),
            })
        );
        let body = br#"{"messageBox":"b","limit":2,"offset":null,"cursor":"17","order":"desc"}"#;
        let page = Page {
            limit: Some(2),
            offset: 0,
            after: Some(17),
            order: Order::Descending,
        };
        assert_eq!(validate(body).unwrap().page, page);
    }
}
