//! Responses that are failures.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::outbound::http::read;

use super::ClientError;

/// Largest refusal in bytes. The client drops the rest.
pub(in crate::client) const MAX_REFUSAL: usize = 64 * 1024;
/// Characters of a description that an error keeps.
const MAX_DESCRIPTION_CHARS: usize = 200;
/// Characters of a request id that an error keeps.
const MAX_REQUEST_ID_CHARS: usize = 128;

/// The id of the request in the server's logs (`x-request-id`). It is not signed.
pub(in crate::client) fn request_id_of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-request-id")?.to_str().ok()?.trim();
    let id: String = text.chars().take(MAX_REQUEST_ID_CHARS).collect();
    (!id.is_empty()).then_some(id)
}

/// Reads a refusal. The status matters even if the body cannot be read. `otherwise` describes a refusal without a text.
pub(in crate::client) async fn refused(answer: reqwest::Response, otherwise: &str) -> ClientError {
    let status = answer.status().as_u16();
    let request_id = request_id_of(answer.headers());
    let body = read(answer, MAX_REFUSAL).await.unwrap_or_default();
    refusal(status, request_id, &body, otherwise)
}

/// The description of a refusal without a text.
pub(in crate::client) const NO_DESCRIPTION: &str = "no description";

/// Fails for a status that is not a success.
pub(in crate::client) fn check(
    status: u16,
    request_id: Option<&str>,
    body: &[u8],
) -> Result<(), ClientError> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let request_id = request_id.map(str::to_owned);
    Err(refusal(status, request_id, body, NO_DESCRIPTION))
}

/// Builds the error of a refusal.
pub(in crate::client) fn refusal(
    status: u16,
    request_id: Option<String>,
    body: &[u8],
    otherwise: &str,
) -> ClientError {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let description = text("description").or_else(|| text("message"));
    let description = description.unwrap_or(otherwise);
    ClientError::Refused {
        status,
        code: text("code").unwrap_or_default().to_owned(),
        description: description.chars().take(MAX_DESCRIPTION_CHARS).collect(),
        satoshis: json.get("satoshisRequired").and_then(Value::as_u64),
        request_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_short_and_printable_or_there_is_none() {
        let id = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            let value = reqwest::header::HeaderValue::from_bytes(value).unwrap();
            headers.insert("x-request-id", value);
            request_id_of(&headers)
        };
        assert_eq!(id(b" 01J9 "), Some(String::from("01J9")));
        assert_eq!(id(&[b'x'; 1_000]).unwrap().len(), MAX_REQUEST_ID_CHARS);
        assert_eq!(id(b""), None);
        assert_eq!(id("\u{202e}".as_bytes()), None);
        assert_eq!(request_id_of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_refusal_says_what_the_answer_says() {
        let body = br#"{"code":"ERR_X","description":"not now","satoshisRequired":7}"#;
        let error = refusal(402, Some(String::from("01J9")), body, "nothing");
        assert_eq!(
            error.to_string(),
            "the server answered 402: not now (request 01J9)"
        );
        let error = refusal(502, None, b"<html>", "nothing");
        assert_eq!(error.to_string(), "the server answered 502: nothing");
    }
}
