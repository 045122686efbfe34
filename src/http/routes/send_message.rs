//! `POST /sendMessage`: a message to one or several recipients.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::bounded_list::BoundedList;
use crate::delivery;
use crate::events::{MAX_MESSAGE_ID_BYTES, expiry, is_message_box};
use crate::heavy::LIGHT;
use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::http::state::{HttpLimits, HttpState};
use crate::ids::{IDENTITY_KEY_HEX_LEN, IdentityKey};
use crate::js_trim::{is_js_blank, js_trim};
use crate::json_unicode::{HALF_A_PAIR, is_unicode};
use crate::model::{MessageBody, NewMessage};
use crate::payments::PaymentDraft;

use super::json_body::{KEY_COST, object, parse};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    payment: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft<'a> {
    #[serde(borrow)]
    recipient: Option<&'a RawValue>,
    #[serde(borrow)]
    recipients: Option<&'a RawValue>,
    #[serde(borrow)]
    message_box: Option<&'a RawValue>,
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
    /// Stays text, because an object is stored as it was written.
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_at: Option<&'a RawValue>,
}

/// Recipients and ids that the parser reads, whatever the operator's limit.
const MAX_LISTED: usize = 100_000;
/// Bytes of body and payment, summed over all recipients of a message to several.
const MAX_COPIED: usize = 8 * 1024 * 1024;
/// Characters of an invalid key that the error repeats.
const MAX_SHOWN_KEY: usize = 132;

type OneOrMany<'a> = BoundedList<&'a RawValue, MAX_LISTED>;

#[derive(Debug)]
struct Request {
    message_box: String,
    body: MessageBody,
    /// In the order of the request.
    to: Vec<(IdentityKey, String)>,
    expires_at: Option<OffsetDateTime>,
    payment: Option<PaymentDraft>,
}

/// The message is stored for every recipient.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sent)]
pub(in crate::http) struct SentReply {
    /// A sentence that names the number of recipients.
    message: String,
    /// The id if there is one recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// In the order of the request.
    results: Vec<SentTo>,
}

/// A recipient and the id of the message to it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SentTo {
    /// Identity key, 66 hexadecimal characters in lower case.
    recipient: String,
    message_id: String,
    /// True: the sender had sent this message before. The request stored nothing and took no payment for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    already_sent: Option<bool>,
}

/// Stores the message for all recipients or for none, and replies when it is durable.
pub(super) async fn respond(
    sender: IdentityKey,
    body: &Bytes,
    state: &HttpState,
) -> Result<RouteReply, ApiError> {
    let (whole, limits) = (body.clone(), state.limits);
    let validated = state.off_worker(cost(body), move || validate(&whole, &limits));
    let request = validated.await?;
    let messages = request
        .to
        .iter()
        .map(|(recipient, message_id)| NewMessage {
            recipient: *recipient,
            sender,
            message_box: request.message_box.clone(),
            message_id: message_id.clone(),
            body: request.body.clone(),
            payment: None,
            expires_at: request.expires_at,
            room: None,
        })
        .collect();
    let sent = state.delivery.send(messages, request.payment).await?;
    let results: Vec<SentTo> = request
        .to
        .into_iter()
        .zip(sent)
        .map(|((recipient, message_id), sent)| SentTo {
            recipient: recipient.to_hex(),
            message_id,
            already_sent: (sent == delivery::SendStatus::Duplicate).then_some(true),
        })
        .collect();
    let message_id = match results.as_slice() {
        [single] => Some(single.message_id.clone()),
        _ => None,
    };
    Ok(RouteReply::success(&SentReply {
        message: format!(
            "Your message has been sent to {} recipient(s).",
            results.len()
        ),
        message_id,
        results,
    }))
}

/// Bytes of JSON that take as long to parse as this body with its identity keys.
fn cost(body: &[u8]) -> usize {
    // Small bodies have too few keys to matter, and large ones are parsed beside the worker anyway.
    let most = body.len() + body.len() / IDENTITY_KEY_HEX_LEN * KEY_COST;
    if body.len() > LIGHT || most <= LIGHT {
        return body.len();
    }
    let whole: Option<Body<'_>> = object(body).ok().flatten();
    let message = whole.and_then(|whole| whole.message);
    let draft: Option<Draft<'_>> = message.and_then(|text| parse(text.get().as_bytes()).ok());
    let keys = draft.and_then(|draft| draft.recipients.or(draft.recipient));
    let keys = keys.map_or(0, |keys| one_or_many(keys).count());
    body.len() + keys * KEY_COST
}

/// Checks in the documented order and reports the first mistake.
fn validate(body: &[u8], limits: &HttpLimits) -> Result<Request, ApiError> {
    let required = || {
        ApiError::bad_request(
            "ERR_MESSAGE_REQUIRED",
            "Please provide a valid message to send!",
        )
    };
    let whole: Option<Body<'_>> = object(body)?;
    let message = whole
        .as_ref()
        .and_then(|body| body.message)
        .map(RawValue::get)
        .filter(|text| !is_falsy(text))
        .ok_or_else(required)?;
    let invalid_box = || ApiError::bad_request("ERR_INVALID_MESSAGEBOX", "Invalid message box.");
    if !message.starts_with('{') {
        // A value that is not an object has no message box.
        return Err(invalid_box());
    }
    let message: Draft<'_> = parse(message.as_bytes())?;
    let message_box = message
        .message_box
        .and_then(text)
        .map(|name| js_trim(&name).to_owned())
        .filter(|name| is_message_box(name))
        .ok_or_else(invalid_box)?;
    let expires_at = message.expires_at;
    let body = message_body(message.body)?;
    let recipients = message.recipients.or(message.recipient).ok_or_else(|| {
        let description = r#"Missing recipient(s). Provide "recipient" or "recipients"."#;
        ApiError::bad_request("ERR_RECIPIENT_REQUIRED", description)
    })?;
    let message_ids = message
        .message_id
        .ok_or_else(|| ApiError::bad_request("ERR_MESSAGEID_REQUIRED", "Missing messageId."))?;
    let (recipients, message_ids) = (one_or_many(recipients), one_or_many(message_ids));
    check_counts(recipients.count(), message_ids.count())?;
    let few = Some((recipients, message_ids))
        .filter(|(recipients, _)| recipients.count() <= limits.max_recipients)
        .and_then(|(recipients, ids)| recipients.into_all().zip(ids.into_all()));
    let (recipients, message_ids) = few.ok_or_else(|| {
        let max = limits.max_recipients.min(MAX_LISTED);
        let description = format!("A message may have at most {max} recipients.");
        ApiError::bad_request("ERR_TOO_MANY_RECIPIENTS", description)
    })?;
    let message_ids = message_ids
        .into_iter()
        .map(message_id)
        .collect::<Result<Vec<_>, _>>()?;
    let recipients = recipients
        .into_iter()
        .map(recipient)
        .collect::<Result<Vec<_>, _>>()?;
    let expires_at = match expires_at {
        Some(raw) => expiry(raw.get()).map_err(|_| ApiError::invalid_expiry())?,
        None => None,
    };
    let payment = whole.as_ref().and_then(|body| body.payment);
    let copied = body.live().len() + payment.map_or(0, |payment| payment.get().len());
    let max_copied = limits.max_body_bytes.min(MAX_COPIED);
    if recipients.len() > 1 && copied.saturating_mul(recipients.len()) > max_copied {
        // Each recipient gets a copy, so a small request could fill memory and disk.
        return Err(ApiError::too_large(max_copied));
    }
    Ok(Request {
        message_box,
        body,
        to: recipients.into_iter().zip(message_ids).collect(),
        expires_at,
        payment: payment.map(|json| PaymentDraft::parse(json.get())),
    })
}

/// Whether JavaScript, the language of the servers in use, takes the value for false.
fn is_falsy(json: &str) -> bool {
    matches!(json, "null" | "false" | "0" | "\"\"")
}

fn message_body(raw: Option<&RawValue>) -> Result<MessageBody, ApiError> {
    let refuse = |description: &str| ApiError::bad_request("ERR_INVALID_MESSAGE_BODY", description);
    let invalid = || refuse("Invalid message body.");
    let raw = raw.ok_or_else(invalid)?;
    let json = raw.get();
    if !is_unicode(json) {
        return Err(refuse(&format!("Invalid message body: {HALF_A_PAIR}.")));
    }
    if json.starts_with(['{', '[']) {
        return Ok(MessageBody::Json(json.to_owned().into()));
    }
    let text = text(raw).filter(|text| !is_js_blank(text));
    Ok(MessageBody::Text(text.ok_or_else(invalid)?.into()))
}

/// Reads a JSON string.
fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The elements of an array, or a single value. They stay texts: an array may be long and its elements large.
fn one_or_many(raw: &RawValue) -> OneOrMany<'_> {
    let list = raw
        .get()
        .starts_with('[')
        .then(|| serde_json::from_str(raw.get()).ok());
    list.flatten().unwrap_or_else(|| OneOrMany::one(raw))
}

fn check_counts(recipients: usize, message_ids: usize) -> Result<(), ApiError> {
    let mismatch = |description| {
        Err(ApiError::bad_request(
            "ERR_MESSAGEID_COUNT_MISMATCH",
            description,
        ))
    };
    if recipients > 1 && message_ids == 1 {
        return mismatch(format!(
            "Provided 1 messageId for {recipients} recipients. Provide one messageId per recipient (same order)."
        ));
    }
    if recipients != message_ids {
        return mismatch(format!(
            "Recipients ({recipients}) and messageId count ({message_ids}) must match."
        ));
    }
    Ok(())
}

fn message_id(raw: &RawValue) -> Result<String, ApiError> {
    let refuse =
        |description: &str| Err(ApiError::bad_request("ERR_INVALID_MESSAGEID", description));
    match text(raw) {
        Some(id) if id.len() > MAX_MESSAGE_ID_BYTES => {
            refuse("Each messageId must be at most 256 bytes.")
        }
        Some(id) if !is_js_blank(&id) => Ok(id),
        None if !is_unicode(raw.get()) => refuse(&format!("Invalid messageId: {HALF_A_PAIR}.")),
        _ => refuse("Each messageId must be a non-empty string."),
    }
}

fn recipient(raw: &RawValue) -> Result<IdentityKey, ApiError> {
    let text = text(raw).unwrap_or_else(|| raw.get().chars().take(MAX_SHOWN_KEY).collect());
    js_trim(&text).parse().map_err(|_| {
        let shown: String = js_trim(&text).chars().take(MAX_SHOWN_KEY).collect();
        ApiError::bad_request(
            "ERR_INVALID_RECIPIENT_KEY",
            format!("Invalid recipient key: {shown}"),
        )
    })
}

/// For `fuzz/`: an equivalent body without its payment.
#[cfg(fuzzing)]
pub(in crate::http) fn normal_form(body: &[u8]) -> Result<serde_json::Value, ApiError> {
    let limits = HttpLimits {
        requests_per_identity: crate::limits::Rate::new(0, std::time::Duration::ZERO),
        max_body_bytes: 100 * 1024 * 1024,
        max_buffered_bytes: usize::MAX,
        max_json_depth: usize::MAX,
        request_timeout: std::time::Duration::MAX,
        max_requests_per_session: usize::MAX,
        max_recipients: 1_000,
        max_listed_bytes: usize::MAX,
    };
    let read = validate(body, &limits)?;
    let (recipients, ids): (Vec<String>, Vec<String>) = read
        .to
        .into_iter()
        .map(|(recipient, id)| (recipient.to_hex(), id))
        .unzip();
    let mut message = serde_json::json!({
        "messageBox": read.message_box,
        "recipients": recipients,
        "messageId": ids,
        "expiresAt": read.expires_at.map(|time| time.unix_timestamp() * 1_000),
    });
    // Some valid JSON does not parse into a tree, such as a number out of range. It is left out.
    if let Ok(body) = serde_json::from_str::<serde_json::Value>(&read.body.wrapped(None)) {
        message["body"] = body["message"].clone();
    }
    Ok(serde_json::json!({ "message": message }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";

    fn limits() -> HttpLimits {
        HttpLimits {
            requests_per_identity: crate::limits::Rate::new(0, std::time::Duration::ZERO),
            max_body_bytes: 1_000,
            max_buffered_bytes: 1_000,
            max_json_depth: usize::MAX,
            request_timeout: std::time::Duration::from_secs(1),
            max_requests_per_session: 1,
            max_recipients: 3,
            max_listed_bytes: usize::MAX,
        }
    }

    fn validate(body: &[u8]) -> Result<Request, ApiError> {
        super::validate(body, &limits())
    }

    fn refused(body: &str) -> (&'static str, String) {
        let error = validate(body.as_bytes()).unwrap_err();
        assert_eq!(error.status, 400);
        (error.code, error.description)
    }

    #[test]
    fn a_request_is_checked_in_the_documented_order() {
        let whole = json!({"messageBox": "b", "body": "x", "recipient": KEY, "messageId": "1"});
        let with = |field: &str, value: Value| {
            let mut message = whole.clone();
            message[field] = value;
            json!({"message": message}).to_string()
        };
        let without = |fields: &[&str]| {
            let mut message = whole.clone();
            for field in fields {
                message.as_object_mut().unwrap().remove(*field);
            }
            json!({"message": message}).to_string()
        };
        let long = "x".repeat(257);
        let cases = [
            (String::new(), "ERR_INVALID_JSON"),
            ("{".into(), "ERR_INVALID_JSON"),
            ("\u{fffd}".into(), "ERR_INVALID_JSON"),
            ("[]".into(), "ERR_MESSAGE_REQUIRED"),
            ("7".into(), "ERR_MESSAGE_REQUIRED"),
            (r#"[{"messageBox":"b"}]"#.into(), "ERR_MESSAGE_REQUIRED"),
            ("{}".into(), "ERR_MESSAGE_REQUIRED"),
            (r#"{"message":null}"#.into(), "ERR_MESSAGE_REQUIRED"),
            (r#"{"message":""}"#.into(), "ERR_MESSAGE_REQUIRED"),
            (r#"{"message":"text"}"#.into(), "ERR_INVALID_MESSAGEBOX"),
            (r#"{"message":[]}"#.into(), "ERR_INVALID_MESSAGEBOX"),
            (
                without(&["messageBox", "body", "recipient", "messageId"]),
                "ERR_INVALID_MESSAGEBOX",
            ),
            (with("messageBox", json!(" ")), "ERR_INVALID_MESSAGEBOX"),
            (with("messageBox", json!(7)), "ERR_INVALID_MESSAGEBOX"),
            (with("messageBox", json!(long)), "ERR_INVALID_MESSAGEBOX"),
            (
                without(&["body", "recipient", "messageId"]),
                "ERR_INVALID_MESSAGE_BODY",
            ),
            (with("body", json!("  ")), "ERR_INVALID_MESSAGE_BODY"),
            (with("body", json!(7)), "ERR_INVALID_MESSAGE_BODY"),
            (with("body", json!(null)), "ERR_INVALID_MESSAGE_BODY"),
            (with("body", json!("\u{feff}")), "ERR_INVALID_MESSAGE_BODY"),
            (
                without(&["recipient", "messageId"]),
                "ERR_RECIPIENT_REQUIRED",
            ),
            (with("recipient", json!(null)), "ERR_RECIPIENT_REQUIRED"),
            (without(&["messageId"]), "ERR_MESSAGEID_REQUIRED"),
            (
                with("recipient", json!([KEY, KEY])),
                "ERR_MESSAGEID_COUNT_MISMATCH",
            ),
            (
                with("messageId", json!(["1", "2"])),
                "ERR_MESSAGEID_COUNT_MISMATCH",
            ),
            (with("messageId", json!(7)), "ERR_INVALID_MESSAGEID"),
            (with("messageId", json!(" ")), "ERR_INVALID_MESSAGEID"),
            (with("messageId", json!(long)), "ERR_INVALID_MESSAGEID"),
            (
                with("recipient", json!("not a key")),
                "ERR_INVALID_RECIPIENT_KEY",
            ),
            (with("recipient", json!({})), "ERR_INVALID_RECIPIENT_KEY"),
            (
                with("recipient", json!("05".repeat(33))),
                "ERR_INVALID_RECIPIENT_KEY",
            ),
            (with("expiresAt", json!("soon")), "ERR_INVALID_EXPIRY"),
            (with("expiresAt", json!([])), "ERR_INVALID_EXPIRY"),
        ];
        for (body, code) in cases {
            assert_eq!(refused(&body).0, code, "{body}");
        }
        let many = with("recipient", json!([KEY, KEY]));
        assert_eq!(
            refused(&many).1,
            "Provided 1 messageId for 2 recipients. Provide one messageId per recipient (same order)."
        );
    }

    /// JavaScript strings may hold half of a surrogate pair.
    #[test]
    fn what_is_not_unicode_is_refused_with_its_reason_in_every_kind_of_body() {
        let with = |body: &str, id: &str| {
            format!(
                r#"{{"message":{{"messageBox":"b","body":{body},"recipient":"{KEY}","messageId":"{id}"}}}}"#
            )
        };
        for body in [
            r#""\ud800""#,
            r#"{"a":"\ud800"}"#,
            r#"["\udc00"]"#,
            r#"{"\ud800":1}"#,
        ] {
            let (code, description) = refused(&with(body, "1"));
            assert_eq!(code, "ERR_INVALID_MESSAGE_BODY");
            assert!(
                description.contains("half of a surrogate pair"),
                "{body}: {description}"
            );
        }
        let (code, description) = refused(&with(r#""x""#, r"\ud800"));
        assert_eq!(code, "ERR_INVALID_MESSAGEID");
        assert!(
            description.contains("half of a surrogate pair"),
            "{description}"
        );
        for body in [
            r#""\ud83d\ude00""#,
            r#"{"a":"\ud83d\ude00"}"#,
            r#""\\ud800""#,
        ] {
            assert!(validate(with(body, "1").as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn one_many_and_no_recipients_are_taken() {
        let upper = KEY.to_uppercase();
        let body = json!({"message": {
            "messageBox": "\u{feff} b ", "body": {"z": 1, "a": [1.0]}, "recipients": [upper, format!(" {KEY} ")],
            "messageId": ["1", "2"], "skipEncryption": true,
        }});
        let request = validate(body.to_string().as_bytes()).unwrap();
        let key: IdentityKey = KEY.parse().unwrap();
        assert_eq!(request.to, [(key, "1".to_owned()), (key, "2".to_owned())]);
        assert_eq!(request.message_box, "b");
        let none = r#"{"message":{"messageBox":"b","body":"x","recipients":[],"messageId":[]}}"#;
        assert!(validate(none.as_bytes()).unwrap().to.is_empty());
    }

    #[test]
    fn what_every_recipient_gets_a_copy_of_is_bounded() {
        let sized = |recipients: usize, size: usize| {
            let ids: Vec<String> = (0..recipients).map(|id| id.to_string()).collect();
            json!({"message": {
                "messageBox": "b", "body": "x".repeat(size),
                "recipients": vec![KEY; recipients], "messageId": ids,
            }})
            .to_string()
        };
        assert!(validate(sized(3, 333).as_bytes()).is_ok());
        let large = validate(sized(3, 334).as_bytes()).unwrap_err();
        assert_eq!(
            (large.status.as_u16(), large.code),
            (413, "ERR_BODY_TOO_LARGE")
        );
        assert_eq!(refused(&sized(4, 1)).0, "ERR_TOO_MANY_RECIPIENTS");
        let limits = HttpLimits {
            max_body_bytes: 100 << 20,
            ..limits()
        };
        let refused = |recipients, size| {
            let whole = sized(recipients, size);
            super::validate(whole.as_bytes(), &limits)
                .err()
                .map(|error| error.code)
        };
        assert_eq!(refused(2, 5 << 20), Some("ERR_BODY_TOO_LARGE"));
        assert_eq!((refused(2, 3 << 20), refused(1, 20 << 20)), (None, None));
    }

    #[test]
    fn an_objects_text_is_kept_as_it_was_written() {
        let body = format!(
            r#"{{"message":{{"messageBox":"b","body":{{"b": 1.0,"a":"\u0041"}},"recipient":"{KEY}","messageId":"1"}}}}"#
        );
        let request = validate(body.as_bytes()).unwrap();
        assert_eq!(
            request.body,
            MessageBody::Json(r#"{"b": 1.0,"a":"\u0041"}"#.into())
        );
    }
}
