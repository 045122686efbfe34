//! `POST /listMessages`: what waits in a box of the caller.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ids::IdentityKey;
use crate::json_text::{encoded_len, push_string};
use crate::model::{ListBound, MessagePage, Order, OversizedMessage, Page, StoredMessage};

use super::super::body::held;
use super::super::error::{ApiError, store_error};
use super::super::reply::Reply;
use super::super::state::HttpState;
use super::parse_small;

/// Maximum and default number of messages in a page.
pub(in crate::http) const MAX_LIMIT: i64 = 1_000;

/// Maximum offset.
const MAX_OFFSET: i64 = 100_000;

/// Maximum bytes of a page as it is signed. Current clients refuse a reply whose payload exceeds 4,194,155 bytes.
pub(in crate::http) const MAX_PAGE_BYTES: usize = 4_100_000;

/// Bytes reserved for the rest of a page: signed request id, status, headers and lengths, and the fields of the list.
const ENVELOPE_BYTES: usize = 1_024;

/// What waits in a box.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Listed<'a> {
    /// Always `success`.
    status: &'static str,
    /// The oldest first, unless asked for otherwise.
    messages: Vec<Item<'a>>,
    /// Maximum number of messages in this list.
    limit: i64,
    /// Number of messages before this list.
    offset: i64,
    /// The `offset` for the messages behind these.
    next_offset: i64,
    /// Whether there are messages behind these.
    has_more: bool,
    /// The `cursor` for them; null at the end.
    next_cursor: Option<String>,
    /// Messages too large for any page; they count as listed. They can be acknowledged. A list without `limit`, `offset`,
    /// `skip`, `cursor` and `messageId` includes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    oversized: Vec<Oversized<'a>>,
}

/// A message that is too large for a page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Oversized<'a> {
    /// The sender's id for it.
    message_id: &'a str,
    /// Who sent it.
    sender: &'a str,
    /// Bytes of its body as it is stored.
    body_bytes: usize,
    /// ISO 8601.
    created_at: &'a str,
}

impl<'a> From<&'a OversizedMessage> for Oversized<'a> {
    fn from(message: &'a OversizedMessage) -> Self {
        Self {
            message_id: &message.message_id,
            sender: &message.sender,
            body_bytes: message.body_bytes,
            created_at: &message.created_at,
        }
    }
}

/// A message. Each timestamp has one name: the Rust client refuses a row that has both spellings.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Item<'a> {
    /// The sender's id for it.
    message_id: &'a str,
    /// JSON text: `{"message":...}`, and `"payment"` where one came along.
    body: &'a str,
    /// Who sent it.
    sender: Cow<'a, str>,
    /// ISO 8601.
    created_at: &'a str,
    /// ISO 8601.
    updated_at: &'a str,
}

/// A key in lower case. Other servers on the same database may store upper case, which clients refuse.
fn lower_case(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(key.to_ascii_lowercase())
    } else {
        Cow::Borrowed(key)
    }
}

impl<'a> From<&'a StoredMessage> for Item<'a> {
    fn from(message: &'a StoredMessage) -> Self {
        Self {
            message_id: &message.message_id,
            body: &message.body,
            sender: lower_case(&message.sender),
            created_at: &message.created_at,
            updated_at: &message.updated_at,
        }
    }
}

/// Bytes of the field names and punctuation of an item.
const ITEM_FRAME: usize = r#"{"messageId":,"body":,"sender":,"createdAt":,"updatedAt":},"#.len();

/// Bytes of a message in a list.
fn item_len(message: &StoredMessage) -> usize {
    let times = encoded_len(&message.created_at) + encoded_len(&message.updated_at);
    ITEM_FRAME
        + encoded_len(&message.message_id)
        + encoded_len(&message.body)
        + encoded_len(&message.sender)
        + times
}

/// Bytes of the name of an oversized message in a list, with room for any number.
fn oversized_len(message: &OversizedMessage) -> usize {
    const FRAME: usize =
        r#"{"messageId":,"sender":,"bodyBytes":18446744073709551615,"createdAt":},"#.len();
    FRAME
        + encoded_len(&message.message_id)
        + encoded_len(&message.sender)
        + encoded_len(&message.created_at)
}

impl Listed<'_> {
    /// The JSON that deriving gives, in less time: bodies are most of it.
    fn to_json(&self) -> Vec<u8> {
        let bytes: usize = self.messages.iter().map(|item| item.body.len() + 512).sum();
        let mut out = Vec::with_capacity(bytes + ENVELOPE_BYTES);
        push_field(&mut out, b'{', "status", self.status);
        out.extend_from_slice(br#","messages":["#);
        for (index, item) in self.messages.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_field(&mut out, b'{', "messageId", item.message_id);
            push_field(&mut out, b',', "body", item.body);
            push_field(&mut out, b',', "sender", &item.sender);
            push_field(&mut out, b',', "createdAt", item.created_at);
            push_field(&mut out, b',', "updatedAt", item.updated_at);
            out.push(b'}');
        }
        out.push(b']');
        let Self {
            limit,
            offset,
            next_offset,
            has_more,
            ..
        } = self;
        out.extend_from_slice(
            format!(r#","limit":{limit},"offset":{offset},"nextOffset":{next_offset},"hasMore":{has_more}"#)
                .as_bytes(),
        );
        match &self.next_cursor {
            Some(cursor) => push_field(&mut out, b',', "nextCursor", cursor),
            None => out.extend_from_slice(br#","nextCursor":null"#),
        }
        if !self.oversized.is_empty() {
            out.extend_from_slice(br#","oversized":"#);
            // Texts and numbers always serialize.
            out.extend(serde_json::to_vec(&self.oversized).unwrap_or_else(|_| b"[]".to_vec()));
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
    /// Whether the client reads pages.
    is_paged: bool,
}

impl Request {
    /// Limits a page for clients that read pages. Older clients never ask for a second list, so their limit is the operator's.
    fn bound(&self, max_listed_bytes: usize) -> ListBound {
        // Field names, and the quotation marks of seven strings.
        let overhead = ITEM_FRAME + 14;
        if self.is_paged {
            ListBound {
                max_bytes: MAX_PAGE_BYTES - ENVELOPE_BYTES,
                measure: item_len,
                overhead,
                name: Some(oversized_len),
            }
        } else {
            ListBound {
                max_bytes: max_listed_bytes,
                measure: item_len,
                overhead,
                name: None,
            }
        }
    }
}

/// Lists in the order of storing.
pub(super) async fn respond(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<Reply, ApiError> {
    let request = validate(body)?;
    let bound = request.bound(state.limits.max_listed_bytes);
    let Request {
        message_box, page, ..
    } = request;
    let (limit, offset) = (page.limit.unwrap_or(MAX_LIMIT), page.offset);
    let listed = state.db.list(caller, message_box, page, bound).await;
    let page = listed.map_err(|error| {
        let description = "An internal error has occurred while listing messages.";
        store_error(&error, "ERR_INTERNAL_ERROR", description)
    })?;
    let oversized = u64::try_from(page.oversized.len()).unwrap_or(u64::MAX);
    state.requests.oversized.add(oversized);
    let json = written(&page, limit, offset).to_json();
    // Whoever reads slowly has it for long.
    let mut holding = state.answers.hold(Some(caller));
    holding
        .grow(json.len())
        .map_err(|_| ApiError::overloaded())?;
    Ok(Reply::ok_json(held(json.into(), holding)))
}

fn written(page: &MessagePage, limit: i64, offset: i64) -> Listed<'_> {
    let count = i64::try_from(page.count()).unwrap_or(i64::MAX);
    Listed {
        status: "success",
        messages: page.messages.iter().map(Item::from).collect(),
        // A list for an older client may exceed the limit of a page.
        limit: limit.max(count),
        offset,
        next_offset: offset.saturating_add(count),
        has_more: page.more,
        next_cursor: page.last.filter(|_| page.more).map(|last| last.to_string()),
        oversized: page.oversized.iter().map(Oversized::from).collect(),
    }
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
    let is_paged = ["limit", "offset", "skip", "cursor", "messageId"]
        .iter()
        .any(|name| field(name).is_some());
    let limit = match field("limit").map(Value::as_i64) {
        None => is_paged.then_some(MAX_LIMIT),
        Some(Some(limit @ 1..=MAX_LIMIT)) => Some(limit),
        Some(_) => {
            return refuse(
                "ERR_INVALID_LIMIT",
                "limit must be a number between 1 and 1000",
            );
        }
    };
    let offset = |name: &str| match field(name).map(Value::as_i64) {
        None => Ok(None),
        Some(Some(offset @ 0..=MAX_OFFSET)) => Ok(Some(offset)),
        Some(_) => Err(invalid_offset()),
    };
    let offset = match (offset("offset")?, offset("skip")?) {
        (Some(offset), Some(skip)) if offset != skip => return Err(invalid_offset()),
        (offset, skip) => offset.or(skip).unwrap_or(0),
    };
    let message_id = match field("messageId") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => return refuse("ERR_INVALID_MESSAGE_ID", "messageId must be a string"),
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
        message_id,
        order,
    };
    Ok(Request {
        message_box,
        page,
        is_paged,
    })
}

fn invalid_offset() -> ApiError {
    ApiError::bad_request(
        "ERR_INVALID_OFFSET",
        "offset must be a number between 0 and 100000, and skip the same",
    )
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
    let Request {
        message_box,
        page,
        is_paged,
    } = validate(body)?;
    Ok(serde_json::json!({
        "messageBox": message_box,
        "limit": page.limit,
        "offset": is_paged.then_some(page.offset),
        "cursor": page.after.map(|id| id.to_string()),
        "messageId": page.message_id,
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
        let oversized = |id: usize| OversizedMessage {
            message_id: format!("o\"{id}"),
            sender: "02ab".to_owned(),
            body_bytes: id,
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
        };
        for (listed, named, more) in [(0, 0, false), (1, 0, true), (2, 2, true), (0, 1, false)] {
            let page = MessagePage {
                messages: (0..).take(listed).map(message).collect(),
                oversized: (0..named).map(oversized).collect(),
                last: Some(7),
                more,
            };
            let listed = written(&page, 3, 10);
            let json = String::from_utf8(listed.to_json()).unwrap();
            assert_eq!(json, serde_json::to_string(&listed).unwrap());
            // Counted to the byte, but for the commas behind the last ones and for numbers.
            let messages: usize = page.messages.iter().map(item_len).sum();
            let names: usize = page.oversized.iter().map(oversized_len).sum();
            let bytes = messages + names + ENVELOPE_BYTES - 64;
            assert!(json.len() <= bytes && json.len() + ENVELOPE_BYTES + 24 * named > bytes);
        }
    }

    #[test]
    fn an_item_takes_the_bytes_that_are_counted() {
        let message = StoredMessage {
            id: 1,
            message_id: "a\"\u{1}é".to_owned(),
            sender: "02AB".to_owned(),
            body: "{\"message\":\"\\n\"}".repeat(9),
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
            updated_at: String::new(),
        };
        let json = serde_json::to_string(&Item::from(&message)).unwrap();
        assert_eq!(item_len(&message), json.len() + 1);
        assert!(json.contains(r#""sender":"02ab""#));
        assert!(item_len(&message) >= message.body.len() + ITEM_FRAME + 14);
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
            (
                r#"{"messageBox":"b","offset":100001}"#,
                "ERR_INVALID_OFFSET",
            ),
            (r#"{"messageBox":"b","skip":-1}"#, "ERR_INVALID_OFFSET"),
            (
                r#"{"messageBox":"b","skip":1,"offset":2}"#,
                "ERR_INVALID_OFFSET",
            ),
            (
                r#"{"messageBox":"b","messageId":7}"#,
                "ERR_INVALID_MESSAGE_ID",
            ),
            (r#"{"messageBox":"b","cursor":7}"#, "ERR_INVALID_CURSOR"),
            (r#"{"messageBox":"b","cursor":"x"}"#, "ERR_INVALID_CURSOR"),
            (r#"{"messageBox":"b","order":"up"}"#, "ERR_INVALID_ORDER"),
            (r#"{"messageBox":"b","order":1}"#, "ERR_INVALID_ORDER"),
        ];
        for (body, code) in cases {
            assert_eq!(validate(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
        assert_eq!(
            validate(br#"{"messageBox":" in-box ","order":"asc"}"#),
            Ok(Request {
                message_box: " in-box ".to_owned(),
                page: Page::default(),
                is_paged: false,
            })
        );
        let body = br#"{"messageBox":"b","limit":2,"offset":null,"cursor":"17","order":"desc"}"#;
        let page = Page {
            limit: Some(2),
            after: Some(17),
            order: Order::Descending,
            ..Page::default()
        };
        assert_eq!(validate(body).unwrap().page, page);
        let pages = [
            (r#""offset":0"#, 1_000, 0, None),
            (r#""limit":5"#, 5, 0, None),
            (r#""skip":3"#, 1_000, 3, None),
            (r#""skip":3,"offset":3"#, 1_000, 3, None),
            (r#""messageId":"m""#, 1_000, 0, Some("m".to_owned())),
        ];
        for (fields, limit, offset, message_id) in pages {
            let request = validate(format!(r#"{{"messageBox":"b",{fields}}}"#).as_bytes()).unwrap();
            let page = Page {
                limit: Some(limit),
                offset,
                message_id,
                ..Page::default()
            };
            assert_eq!((request.page, request.is_paged), (page, true), "{fields}");
        }
    }
}
