//! JSON arrays of byte values, the form in which auth messages carry payloads and signatures.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// The decimal text of every byte, padded to three characters, and its length.
const DECIMALS: [([u8; 3], usize); 256] = {
    let mut table = [([0; 3], 0); 256];
    let mut value = 0;
    while value < 256 {
        let digits = [
            b'0' + (value / 100) as u8,
            b'0' + (value / 10 % 10) as u8,
            b'0' + (value % 10) as u8,
        ];
        table[value] = if value >= 100 {
            (digits, 3)
        } else if value >= 10 {
            ([digits[1], digits[2], 0], 2)
        } else {
            ([digits[2], 0, 0], 1)
        };
        value += 1;
    }
    table
};

/// Appends `[1,2,255]`.
pub(super) fn write_numbers(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len() * 4 + 2);
    out.push('[');
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some((digits, length)) = DECIMALS.get(usize::from(*byte)) {
            out.extend(digits.iter().take(*length).map(|digit| char::from(*digit)));
        }
    }
    out.push(']');
}

/// Bytes read from a JSON array of integers from 0 to 255; anything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers(pub(super) Vec<u8>);

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
