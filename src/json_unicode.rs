//! Detects JSON strings that are not Unicode: escapes of half a surrogate pair, which JavaScript strings may contain.

/// Explains the refusal of such a text to people.
pub const HALF_A_PAIR: &str =
    "it has half of a surrogate pair, so it is not Unicode; encode other data, as with base64";

/// Whether every string of a valid JSON text is Unicode. Then each escaped half of a surrogate pair is next to its other
/// half.
#[must_use]
pub fn is_unicode(json: &str) -> bool {
    // Only escapes can write half a pair, and few texts have escapes.
    if !json.contains(r"\u") {
        return true;
    }
    let mut rest = json.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at..).unwrap_or_default();
        rest = match unit(escape) {
            Some(0xd800..=0xdbff) => {
                let second = escape.get(ESCAPE_LEN..).unwrap_or_default();
                match unit(second) {
                    Some(0xdc00..=0xdfff) => second.get(ESCAPE_LEN..).unwrap_or_default(),
                    _ => return false,
                }
            }
            Some(0xdc00..=0xdfff) => return false,
            Some(_) => escape.get(ESCAPE_LEN..).unwrap_or_default(),
            // Any other escape has two characters.
            None => escape.get(2..).unwrap_or_default(),
        };
    }
    true
}

/// The length of `\u` and four digits in bytes.
const ESCAPE_LEN: usize = 6;

/// The UTF-16 code unit of an escape at the start of `text`, if there is one.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_pair_is_found_wherever_it_stands() {
        for json in [
            r#""""#,
            r#""plain 😀""#,
            r#""\u0041\n\\""#,
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00\ud83d\ude00""#,
            // A backslash, followed by a text that resembles half a pair.
            r#""\\ud800""#,
            r#"{"\u0061":[7,"\\\\ud800"]}"#,
        ] {
            assert!(is_unicode(json), "{json}");
        }
        for json in [
            r#""\ud800""#,
            r#""\uDFFF""#,
            r#""\udc00\ud800""#,
            r#""\ud83d\n\ude00""#,
            r#""\ud83dx\ude00""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\\\ud800""#,
            r#"{"a":["\ud800"]}"#,
            r#"{"\udc00":1}"#,
        ] {
            assert!(!is_unicode(json), "{json}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_what_can_be_read(units in proptest::collection::vec(any::<u16>(), 0..8)) {
            let escaped: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{}\"", escaped.concat());
            prop_assert_eq!(is_unicode(&json), serde_json::from_str::<String>(&json).is_ok());
        }

        #[test]
        fn pairs_and_halves_of_any_order_are_told_apart(parts in proptest::collection::vec(0..5_usize, 0..12)) {
            let parts: String = parts.into_iter().map(|part| [r"\ud83d", r"\ude00", r"\\", r"\n", "x"][part]).collect();
            let json = format!("\"{parts}\"");
            prop_assert_eq!(is_unicode(&json), serde_json::from_str::<String>(&json).is_ok());
        }
    }
}
