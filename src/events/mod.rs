//! Application events of the AuthSocket channel: names, payloads and refusals.
