//! Reads single fields of a JSON object and skips all others.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The named fields as raw JSON. An unreadable field does not hide the others. No tree is built: a tree of many
/// small values takes forty times the size of its text. Of two fields with one name the last counts.
pub(super) struct Fields<'a, const N: usize> {
    names: [&'static str; N],
    values: [Option<&'a RawValue>; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// `None` where the JSON is no object.
    pub(super) fn of(object: Option<&'a RawValue>, names: [&'static str; N]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(object?.get());
        Known(names).deserialize(&mut reader).ok()
    }

    /// The JSON of a field, or `None` where the field is absent or null.
    pub(super) fn given(&self, name: &str) -> Option<&'a RawValue> {
        let value = self.names.iter().zip(&self.values);
        let value = value.filter(|(known, _)| **known == name);
        value
            .filter_map(|(_, value)| *value)
            .find(|json| json.get() != "null")
    }

    /// The value of a string field.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        text(self.given(name)?)
    }
}

/// The value of a JSON string, or `None` for any other JSON.
pub(super) fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

struct Known<const N: usize>([&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Known<N> {
    type Value = Fields<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Known<N> {
    type Value = Fields<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        while let Some(index) = map.next_key_seed(OneOf(&self.0))? {
            let value: &RawValue = map.next_value()?;
            if let Some(slot) = index.and_then(|index| values.get_mut(index)) {
                *slot = Some(value);
            }
        }
        Ok(Fields {
            names: self.0,
            values,
        })
    }
}

/// Looks up a name in the list of wanted names.
struct OneOf<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for OneOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OneOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_found_and_nothing_hides_it() {
        let of =
            |json: &'static str| Fields::of(Some(serde_json::from_str(json).unwrap()), ["a", "b"]);
        for json in ["7", "null", "[]", r#""a""#] {
            assert!(of(json).is_none(), "{json}");
        }
        let fields = of(r#"{"a":"\ud800","x":1e999,"b":"1","b":"2"}"#).unwrap();
        assert_eq!(fields.text("b").as_deref(), Some("2"));
        assert!(fields.given("a").is_some() && fields.text("a").is_none());
        assert!(fields.given("x").is_none());
        let fields = of(r#"{"\u0061":"1","b":null}"#).unwrap();
        assert_eq!(fields.text("a").as_deref(), Some("1"));
        assert!(fields.given("b").is_none());
    }
}
