//! JSON arrays of byte values, the form in which auth messages carry payloads and signatures.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// The decimal texts of 0 to 99, two characters each.
const PAIRS: &str = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Appends `[1,2,255]`.
pub(super) fn write_numbers(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len() * 4 + 2);
    out.push('[');
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let (hundreds, rest) = (byte / 100, usize::from(byte % 100));
        if hundreds > 0 {
            out.push(char::from(b'0' + hundreds));
        }
        // A number below ten has one digit unless hundreds stand before it.
        let from = rest * 2 + usize::from(hundreds == 0 && rest < 10);
        out.push_str(PAIRS.get(from..rest * 2 + 2).unwrap_or_default());
    }
    out.push(']');
}

/// Bytes read from a JSON array of integers from 0 to 255; anything else is refused.
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
