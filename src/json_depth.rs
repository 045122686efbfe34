//! The nesting depth of JSON, found without parsing. The server checks it before it parses input.

use memchr::{memchr2, memchr2_iter};

/// Whether a text opens more than `max` nested objects and arrays. For invalid JSON the result may be wrong.
#[must_use]
pub fn is_deeper(json: &[u8], max: usize) -> bool {
    // Nearly all texts have fewer opening brackets, and need no closer look.
    if memchr2_iter(b'{', b'[', json).nth(max).is_none() {
        return false;
    }
    let (mut rest, mut depth) = (json, 0_usize);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => rest = after_string(rest),
            _ => {}
        }
    }
    false
}

/// The bytes after the end of a string.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let is_end = rest.get(at) == Some(&b'"');
        // An escape includes the next byte.
        let length = if is_end { 1 } else { 2 };
        rest = rest.get(at + length..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn depth(json: &Value) -> usize {
        match json {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            r#"[\[\]{}"\\a]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(r#"[\[{"\\]{0,3}"#, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_depth_is_that_of_the_tree(json in any_json()) {
            let (text, depth) = (json.to_string(), depth(&json));
            prop_assert!(!is_deeper(text.as_bytes(), depth));
            prop_assert!(depth == 0 || is_deeper(text.as_bytes(), depth - 1));
        }

        #[test]
        fn whatever_comes_is_looked_at(bytes: Vec<u8>, max in 0_usize..4) {
            let opens = bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
            prop_assert!(!is_deeper(&bytes, max) || opens > max);
        }
    }

    #[test]
    fn strings_open_nothing() {
        for (json, max, expected) in [
            (r#"["[[[","\"[[["]"#, 1, false),
            (r#"["\\",[]]"#, 1, true),
            (r#"["[[[","unfinished [["#, 1, false),
            (r#"["[[[","\"#, 1, false),
            ("[][][][]", 1, false),
            ("[[]]", 1, true),
            ("[]", 0, true),
            ("7", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(is_deeper(json.as_bytes(), max), expected, "{json}");
        }
    }
}
