//! Reads JSON bodies.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::error::ApiError;
use crate::json_object;
use crate::json_unicode::{HALF_A_PAIR, is_unicode};

/// Bytes of a body that holds no message: names and numbers.
pub(super) const MAX_SMALL_BODY: usize = 64 * 1024;

/// Bytes of JSON that take as long to parse as one identity key, whose curve point must be computed.
pub(super) const KEY_COST: usize = 2_048;

/// Parses into a type that takes no more memory than the body.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| invalid_json(body))
}

/// Parses a small body into a tree. Many small values take more memory than their text.
pub(super) fn parse_small(body: &[u8]) -> Result<Value, ApiError> {
    if body.len() > MAX_SMALL_BODY {
        return Err(ApiError::too_large(MAX_SMALL_BODY));
    }
    parse(body)
}

/// Reads the fields of a JSON object; none if the body is another value.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Option<T>, ApiError> {
    let whole: &RawValue = parse(body)?;
    Ok(json_object::read(whole.get()).ok())
}

fn invalid_json(body: &[u8]) -> ApiError {
    let json: Option<&RawValue> = serde_json::from_slice(body).ok();
    let description = match json {
        Some(json) if !is_unicode(json.get()) => {
            format!("The request body cannot be read: {HALF_A_PAIR}.")
        }
        _ => "The request body is not valid JSON.".to_owned(),
    };
    ApiError::bad_request("ERR_INVALID_JSON", description)
}

#[cfg(test)]
mod tests {
    use super::parse_small;

    #[test]
    fn a_body_that_cannot_be_read_says_why() {
        for (body, expected) in [
            ("{", "not valid JSON"),
            (r#"{"a":"\ud800"}"#, "half of a surrogate pair"),
            (r#"{"a":1e999}"#, "not valid JSON"),
        ] {
            let description = parse_small(body.as_bytes()).unwrap_err().description;
            assert!(description.contains(expected), "{body}: {description}");
        }
    }
}
