//! Cutting an input into pieces.

/// The first byte, and what is left; 0 where there is none.
#[must_use]
pub fn first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (*first, rest))
}

/// The pieces between zero bytes: text formats have none.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == 0)
}
