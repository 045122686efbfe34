//! Frames that a session cannot handle yet.

use crate::auth::Verified;

/// An auth message of a session that this socket does not know.
#[derive(Debug)]
pub(crate) struct HeldFrame {
    pub(crate) nonce: String,
    pub(crate) json: String,
}

/// Both lists are bounded by `max_held_frames`.
#[derive(Debug, Default)]
pub(crate) struct HeldFrames {
    /// Auth messages that wait until the client has authenticated.
    pub(crate) unknown: Vec<HeldFrame>,
    /// Verified payloads that wait until the required certificates arrive.
    pub(crate) uncertified: Vec<Verified>,
}

impl HeldFrames {
    /// Bytes of all held frames.
    pub(crate) fn bytes(&self) -> usize {
        let unknown: usize = self.unknown.iter().map(|frame| frame.json.len()).sum();
        let uncertified = self.uncertified.iter();
        unknown
            + uncertified
                .map(|verified| verified.payload.len())
                .sum::<usize>()
    }
}
