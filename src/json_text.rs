//! Writes JSON strings as `serde_json` does, but faster where few characters need escaping.

/// Bytes examined together, as many as one instruction handles on most CPUs.
const LANES: usize = 32;

/// Appends `text` as a JSON string with its quotation marks.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((lanes, after)) = rest.split_first_chunk::<LANES>() {
        // The loop has no early exit, so the compiler vectorizes it.
        let escapes = lanes.iter().fold(0, |found, &byte| found | escapes(byte));
        if escapes > 0 {
            for &byte in lanes {
                push_byte(out, byte);
            }
        } else {
            out.extend_from_slice(lanes);
        }
        rest = after;
    }
    for &byte in rest {
        push_byte(out, byte);
    }
    out.push(b'"');
}

/// The number of bytes that [`push_string`] appends for `text`.
#[must_use]
pub fn encoded_len(text: &str) -> usize {
    let mut bytes = text.len() + 2;
    let mut rest = text.as_bytes();
    while let Some((lanes, after)) = rest.split_first_chunk::<LANES>() {
        let escapes = lanes.iter().fold(0, |found, &byte| found | escapes(byte));
        if escapes > 0 {
            bytes += lanes.iter().map(|&byte| added(byte)).sum::<usize>();
        }
        rest = after;
    }
    bytes + rest.iter().map(|&byte| added(byte)).sum::<usize>()
}

/// The number of bytes of a string within a string: [`push_string`] applied twice.
#[must_use]
pub fn encoded_twice_len(text: &str) -> usize {
    // The inner quotation marks are escaped, and outer ones are added.
    let mut bytes = text.len() + 6;
    let mut rest = text.as_bytes();
    while let Some((lanes, after)) = rest.split_first_chunk::<LANES>() {
        let escapes = lanes.iter().fold(0, |found, &byte| found | escapes(byte));
        if escapes > 0 {
            bytes += lanes.iter().map(|&byte| added_twice(byte)).sum::<usize>();
        }
        rest = after;
    }
    bytes + rest.iter().map(|&byte| added_twice(byte)).sum::<usize>()
}

/// Bytes that escaping twice adds to a byte. A backslash is escaped again, a letter is not.
fn added_twice(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' => 3,
        _ => match added(byte) {
            0 => 0,
            added => added + 1,
        },
    }
}

/// Bytes that escaping adds to a byte.
fn added(byte: u8) -> usize {
    match byte {
        0x08 | b'\t' | b'\n' | 0x0c | b'\r' | b'"' | b'\\' => 1,
        0..0x20 => 5,
        _ => 0,
    }
}

/// Returns 1 if the byte must be escaped, otherwise 0.
fn escapes(byte: u8) -> u8 {
    u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

fn push_byte(out: &mut Vec<u8>, byte: u8) {
    if escapes(byte) == 0 {
        out.push(byte);
        return;
    }
    let letter = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => {
            out.extend_from_slice(if byte < 0x10 { b"\\u000" } else { b"\\u001" });
            let low = byte & 0x0f;
            out.push(if low < 10 {
                b'0' + low
            } else {
                b'a' + low - 10
            });
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        assert_eq!(encoded_len(text), out.len());
        let mut twice = Vec::new();
        push_string(&mut twice, std::str::from_utf8(&out).unwrap());
        assert_eq!(encoded_twice_len(text), twice.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_is_written_as_serde_json_writes_it_wherever_it_stands() {
        for character in (0..0x180).filter_map(char::from_u32) {
            for before in [0, LANES - 1, LANES] {
                let text = format!("{}{character}z", "x".repeat(before));
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn it_writes_what_serde_json_writes(text in "(.|[\"\\\\\n]){0,200}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
