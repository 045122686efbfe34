//! JSON arrays with a limited number of elements. A short text must not become large in memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// The first `MAX` elements of a JSON array, and the number of all. Parsing skips the elements after the first `MAX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedList<T, const MAX: usize> {
    items: Vec<T>,
    count: usize,
}

impl<T, const MAX: usize> BoundedList<T, MAX> {
    pub fn one(item: T) -> Self {
        Self {
            items: vec![item],
            count: 1,
        }
    }

    /// The number of elements in the array, which may exceed `MAX`.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// All elements, or `None` if there are more than `MAX`.
    pub fn into_all(self) -> Option<Vec<T>> {
        (self.count <= MAX).then_some(self.items)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedList<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Elements<T, MAX> {
            type Value = BoundedList<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX {
                    match sequence.next_element()? {
                        Some(item) => items.push(item),
                        None => break,
                    }
                }
                let mut count = items.len();
                while sequence.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(BoundedList { items, count })
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<BoundedList<u8, 3>> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn as_many_as_the_bound_are_read() {
        assert_eq!(read("[]").unwrap().into_all(), Some(vec![]));
        assert_eq!(read("[1, 2,3]").unwrap().into_all(), Some(vec![1, 2, 3]));
        for json in ["7", "{}", "null", r#"["1"]"#, "[1,2", "[1,2,3,"] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn those_behind_the_bound_are_counted_and_not_kept() {
        let list = read(r#"[1,2,3,"4",{"5":[]},6]"#).unwrap();
        assert_eq!((list.count(), list.items.capacity() < 10), (6, true));
        assert_eq!(list.into_all(), None);
    }
}
