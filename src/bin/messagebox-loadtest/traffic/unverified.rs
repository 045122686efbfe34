//! Looking into a general message without verifying it, for those who measure and do not act on what they read.

use messagebox::auth::{AuthMessage, MessageType};

/// How the field stands in JSON that was written without spaces, as all known implementations write it.
const PAYLOAD: &str = r#""payload":["#;
const GENERAL: &str = r#""messageType":"general""#;

/// The first `max_bytes` bytes of a general message's payload; `None` for every other message.
///
/// Nothing is proven by this: neither who sent it nor that it is whole. A load generator reads most of its frames
/// this way, because verifying them would cost it more than signing them costs the server.
pub(crate) fn unverified_payload(json: &str, max_bytes: usize) -> Option<Vec<u8>> {
    // A quotation mark within a JSON text is escaped, so these can only be the fields themselves.
    if json.contains(GENERAL)
        && let Some((_, numbers)) = json.split_once(PAYLOAD)
        && let Some(bytes) = read_numbers(numbers.as_bytes(), max_bytes)
    {
        return Some(bytes);
    }
    let message = AuthMessage::parse(json).ok()?;
    if message.kind != MessageType::General {
        return None;
    }
    let mut payload = message.payload?;
    payload.truncate(max_bytes);
    Some(payload)
}

/// Reads `1,2,255]` straight from its digits; `None` for any other form, spaces included.
fn read_numbers(text: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(max_bytes.min(text.len() / 2 + 1));
    let mut number: Option<u16> = None;
    for &character in text {
        match character {
            b'0'..=b'9' => {
                let digit = u16::from(character - b'0');
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            }
            b',' => {
                bytes.push(u8::try_from(number.take()?).ok()?);
                if bytes.len() >= max_bytes {
                    bytes.truncate(max_bytes);
                    return Some(bytes);
                }
            }
            b']' => {
                match number {
                    Some(last) => bytes.push(u8::try_from(last).ok()?),
                    None if bytes.is_empty() => {}
                    None => return None,
                }
                bytes.truncate(max_bytes);
                return Some(bytes);
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn general(payload: &str) -> String {
        format!(
            r#"{{"version":"0.1","messageType":"general","identityKey":"02","nonce":"a","yourNonce":"b","payload":{payload},"signature":[48]}}"#
        )
    }

    #[test]
    fn the_head_of_a_payload_is_read_in_either_way_of_writing() {
        for payload in ["[1,20,255]", "[ 1, 20 , 255 ]"] {
            let json = general(payload);
            for (max, expected) in [
                (0, &[][..]),
                (2, &[1, 20]),
                (3, &[1, 20, 255]),
                (9, &[1, 20, 255]),
            ] {
                let read = unverified_payload(&json, max).unwrap();
                assert_eq!(read, expected, "{payload} {max}");
            }
        }
        assert_eq!(unverified_payload(&general("[]"), 9), Some(vec![]));
    }

    #[test]
    fn what_is_no_payload_is_not_read() {
        for payload in [
            "[256]",
            "[1,]",
            "[,1]",
            "[-1]",
            "[1.5]",
            "\"x\"",
            "[99999999]",
            "[1",
        ] {
            assert_eq!(unverified_payload(&general(payload), 9), None, "{payload}");
        }
        let request =
            r#"{"version":"0.1","messageType":"initialRequest","identityKey":"02","payload":[1]}"#;
        assert_eq!(unverified_payload(request, 9), None);
        assert_eq!(unverified_payload("", 9), None);
    }

    #[test]
    fn a_field_name_within_a_text_is_not_taken_for_the_field() {
        let json = r#"{"version":"0.1","messageType":"general","identityKey":"\"payload\":[7]","payload":[1]}"#;
        assert_eq!(unverified_payload(json, 9), Some(vec![1]));
    }

    proptest! {
        #[test]
        fn it_reads_what_parsing_reads(bytes in proptest::collection::vec(any::<u8>(), 0..300), max in 1..400_usize) {
            let json = general(&serde_json::to_string(&bytes).unwrap());
            let mut expected = AuthMessage::parse(&json).unwrap().payload.unwrap();
            expected.truncate(max);
            prop_assert_eq!(unverified_payload(&json, max).unwrap(), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = unverified_payload(&general(&text), 9);
        }
    }
}
