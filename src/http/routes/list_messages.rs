//! `POST /listMessages`: lists the messages in a box of the caller.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::DbError;
use crate::http::error::{ApiError, store_error};
use crate::http::reply::RouteReply;
use crate::http::state::HttpState;
use crate::ids::IdentityKey;
use crate::json_text::encoded_len;
use crate::model::{ListBound, ListOrder, OversizedMessage, Page, PageEnd, StoredMessage};

use super::json_body::parse_small;
use super::list_json::{ListJson, Tail};

/// Maximum and default number of messages in a page.
pub(in crate::http) const MAX_LIMIT: i64 = 1_000;

/// Messages that may be skipped.
const MAX_OFFSET: i64 = 100_000;

/// Maximum bytes of a page as it is signed. Current clients refuse a reply whose payload exceeds 4,194,155 bytes.
pub(in crate::http) const MAX_PAGE_BYTES: usize = 4_100_000;

/// Bytes reserved for the rest of a page: signed request id, status, headers and lengths, and the fields of the list.
pub(super) const ENVELOPE_BYTES: usize = 1_024;

/// The messages in a box.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Listed)]
pub(in crate::http) struct ListReply<'a> {
    pub(super) status: &'static str,
    /// The oldest first, unless `order` is `desc`.
    pub(super) messages: Vec<Item<'a>>,
    /// Most messages that this list may have.
    pub(super) limit: i64,
    /// Number of messages before this list.
    pub(super) offset: i64,
    /// The `offset` of the next page.
    pub(super) next_offset: i64,
    /// Whether there is a next page.
    pub(super) has_more: bool,
    /// The `cursor` of the next page; null on the last page.
    pub(super) next_cursor: Option<String>,
    /// Messages that are too large for any page. They count as listed and can be acknowledged. A list without `limit`,
    /// `offset`, `skip`, `cursor` and `messageId` includes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) oversized: Vec<Oversized<'a>>,
}

/// A message that is too large for a page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Oversized<'a> {
    /// The sender's id of the message.
    message_id: &'a str,
    sender: &'a str,
    /// Bytes of the stored body.
    body_bytes: usize,
    /// When the message was stored (ISO 8601).
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

/// A message. Each timestamp has one name: the Rust client refuses a row with both spellings.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Item<'a> {
    /// The sender's id of the message.
    pub(super) message_id: &'a str,
    /// JSON text: `{"message":...}`, with `"payment"` if the message has one.
    pub(super) body: &'a str,
    pub(super) sender: Cow<'a, str>,
    /// When the message was stored (ISO 8601).
    pub(super) created_at: &'a str,
    /// When the message last changed (ISO 8601).
    pub(super) updated_at: &'a str,
}

/// Lowers a key's case. Other servers on the same database may store upper case, which clients refuse.
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
pub(super) fn item_len(message: &StoredMessage) -> usize {
    let times = encoded_len(&message.created_at) + encoded_len(&message.updated_at);
    ITEM_FRAME
        + encoded_len(&message.message_id)
        + encoded_len(&message.body)
        + encoded_len(&message.sender)
        + times
}

/// Bytes of an oversized message in a list, with room for the largest number.
pub(super) fn oversized_len(message: &OversizedMessage) -> usize {
    const FRAME: usize =
        r#"{"messageId":,"sender":,"bodyBytes":18446744073709551615,"createdAt":},"#.len();
    FRAME
        + encoded_len(&message.message_id)
        + encoded_len(&message.sender)
        + encoded_len(&message.created_at)
}

/// How many slow readers one list may disconnect when it finds no memory.
const MAX_DISCONNECTS: usize = 3;

#[derive(Debug, PartialEq, Eq)]
struct Request {
    message_box: String,
    page: Page,
    /// Whether the client asks for pages.
    is_paged: bool,
}

impl Request {
    /// The bound of a page, or the operator's bound for older clients, which never ask for a second list.
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

pub(super) async fn respond(
    caller: IdentityKey,
    body: &[u8],
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let request = validate(body)?;
    let (limit, offset) = (request.page.limit.unwrap_or(MAX_LIMIT), request.page.offset);
    let (json, listed) = read(caller, &request, state).await?;
    let oversized = u64::try_from(json.oversized_count()).unwrap_or(u64::MAX);
    state.requests.oversized.add(oversized);
    let (json, memory) = json.finish(&Tail::new(&listed, limit, offset));
    // A slow reader holds the memory for long.
    Ok(RouteReply::written(memory.tie_to(json)))
}

/// Reads the messages. If the memory for lists is used up, the slowest reader of an answer is disconnected.
async fn read(
    caller: IdentityKey,
    request: &Request,
    state: &HttpState,
) -> Result<(ListJson, PageEnd), ApiError> {
    let bound = request.bound(state.limits.max_listed_bytes);
    let mut disconnected = 0;
    loop {
        let memory = state.lists.of_request(caller, state.address());
        let for_list = memory.clone();
        let listed = state.db.list_into(
            caller,
            request.message_box.clone(),
            request.page.clone(),
            bound,
            move || ListJson::new(for_list.permit()),
        );
        let failure = match listed.await {
            Ok(listed) => {
                if memory.was_full() {
                    // The next page needs memory too.
                    state.readers.end_slowest();
                }
                return Ok(listed);
            }
            Err(failure) => failure,
        };
        let may_retry =
            failure == DbError::Overloaded && memory.was_full() && disconnected < MAX_DISCONNECTS;
        if !may_retry || !state.readers.disconnect_slowest().await {
            let description = "An internal error has occurred while listing messages.";
            return Err(store_error("ERR_INTERNAL_ERROR", description)(failure));
        }
        disconnected += 1;
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
        None | Some(Some("asc")) => ListOrder::Ascending,
        Some(Some("desc")) => ListOrder::Descending,
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

/// For `fuzz/`: an equivalent body.
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
        "order": if page.order == ListOrder::Ascending { "asc" } else { "desc" },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            order: ListOrder::Descending,
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
