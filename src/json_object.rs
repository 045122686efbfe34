//! Parses JSON objects into structs. serde alone would also accept an array of the fields.

use serde::Deserialize;
use thiserror::Error;

/// Why a text does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JsonObjectError {
    /// The text is not an object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// The text is malformed, or a field is missing or has another type.
    #[error("it is malformed, or a field is missing or of another type")]
    Fields,
}

/// Parses the text of an object.
///
/// # Errors
/// [`JsonObjectError`].
pub fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, JsonObjectError> {
    check(json.as_bytes())?;
    serde_json::from_str(json).map_err(|_| JsonObjectError::Fields)
}

/// Parses the bytes of an object. They may be invalid UTF-8.
///
/// # Errors
/// [`JsonObjectError`].
pub fn read_bytes<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, JsonObjectError> {
    check(json)?;
    serde_json::from_slice(json).map_err(|_| JsonObjectError::Fields)
}

fn check(json: &[u8]) -> Result<(), JsonObjectError> {
    let begin = json.trim_ascii_start().first();
    (begin == Some(&b'{'))
        .then_some(())
        .ok_or(JsonObjectError::NotAnObject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Pair<'a> {
        name: &'a str,
        value: u8,
    }

    #[test]
    fn only_objects_are_read() {
        use JsonObjectError::{Fields, NotAnObject};
        for (json, expected) in [
            (
                r#"{"name":"a","value":1}"#,
                Ok(Pair {
                    name: "a",
                    value: 1,
                }),
            ),
            (
                "\n {\"value\":1,\"other\":[],\"name\":\"a\"} ",
                Ok(Pair {
                    name: "a",
                    value: 1,
                }),
            ),
            (r#"["a",1]"#, Err(NotAnObject)),
            (r#"  ["a",1]"#, Err(NotAnObject)),
            ("", Err(NotAnObject)),
            ("null", Err(NotAnObject)),
            (r#"{"name":"a"}"#, Err(Fields)),
            (r#"{"name":"a","value":1"#, Err(Fields)),
            (r#"{"name":"a","value":1}{}"#, Err(Fields)),
        ] {
            assert_eq!(read::<Pair<'_>>(json), expected, "{json}");
            assert_eq!(read_bytes::<Pair<'_>>(json.as_bytes()), expected, "{json}");
        }
        assert_eq!(
            read_bytes::<Pair<'_>>(b"{\"name\":\"\xff\",\"value\":1}"),
            Err(Fields)
        );
    }

    /// Unwanted fields are skipped without recursion, however deep they are. Wanted fields have a depth limit.
    #[test]
    fn depth_costs_no_stack() {
        let deep =
            |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        for deep in [deep("[", "]"), deep("{\"a\":", "}").replace(":}", ":0}")] {
            let json = format!(r#"{{"name":"a","other":{deep},"value":1}}"#);
            assert_eq!(read::<Pair<'_>>(&json).map(|pair| pair.value), Ok(1));
            let json = format!(r#"{{"name":{deep},"value":1}}"#);
            assert_eq!(read::<Pair<'_>>(&json), Err(JsonObjectError::Fields));
            assert!(serde_json::from_str::<serde_json::Value>(&deep).is_err());
        }
    }
}
