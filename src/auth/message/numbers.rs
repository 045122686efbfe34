//! JSON arrays of byte values, which hold the payloads and signatures of auth messages.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// The decimal texts of 0 to 255, each after a comma and at the end of four characters.
const TEXTS: &str = match std::str::from_utf8(&texts()) {
    Ok(texts) => texts,
    Err(_) => "",
};

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn texts() -> [u8; 4 * 256] {
    let mut texts = [b','; 4 * 256];
    let (mut number, mut digits) = (0_u8, [b'0'; 3]);
    loop {
        let end = 4 * number as usize + 4;
        texts[end - 1] = digits[2];
        if number >= 10 {
            texts[end - 2] = digits[1];
        }
        if number >= 100 {
            texts[end - 3] = digits[0];
        }
        if number == u8::MAX {
            return texts;
        }
        number += 1;
        digits = [
            b'0' + number / 100,
            b'0' + number / 10 % 10,
            b'0' + number % 10,
        ];
    }
}

/// Appends bytes in the form `[1,2,255]`.
pub(in crate::auth) fn write_numbers(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len() * 4 + 2);
    out.push('[');
    let mut comma = 0;
    for byte in bytes {
        let digits = 1 + usize::from(*byte >= 10) + usize::from(*byte >= 100);
        let end = 4 * usize::from(*byte) + 4;
        // No comma precedes the first.
        out.push_str(TEXTS.get(end - digits - comma..end).unwrap_or_default());
        comma = 1;
    }
    out.push(']');
}

/// Bytes from a JSON array of integers from 0 to 255. Deserializing anything else fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(pub Vec<u8>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of integers from 0 to 255")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Numbers, A::Error> {
                let mut bytes = Vec::with_capacity(256);
                while let Some(byte) = sequence.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(Numbers(bytes))
            }
        }

        deserializer.deserialize_seq(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_written_in_decimal() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        write_numbers(&all, &mut text);
        assert_eq!(text, serde_json::to_string(&all).unwrap());
        text.clear();
        write_numbers(&[], &mut text);
        assert_eq!(text, "[]");
    }

    #[test]
    fn only_bytes_are_read() {
        let read = |text| serde_json::from_str::<Numbers>(text).ok();
        assert_eq!(read("[]"), Some(Numbers(vec![])));
        assert_eq!(read(" [ 0 , 255 ] "), Some(Numbers(vec![0, 255])));
        for text in [
            "[256]", "[-1]", "[1.0]", "[\"1\"]", "[null]", "{}", "\"\"", "[1,]", "[1e0]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut text = String::new();
            write_numbers(&bytes, &mut text);
            prop_assert_eq!(serde_json::from_str::<Numbers>(&text).unwrap().0, bytes);
        }
    }
}
