//! Cutting an input into pieces.

/// The first byte and the rest. An empty input gives 0.
#[must_use]
pub fn first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (*first, rest))
}

/// The pieces between zero bytes, which text formats do not contain.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == 0)
}
