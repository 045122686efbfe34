//! What a bare secp256k1 signature takes on this machine, the unit that a server's costs are told in.

use std::hint::black_box;
use std::time::{Duration, Instant};

use secp256k1::{Message, Secp256k1, SecretKey};

/// Signatures of one turn, and turns. The shortest turn is the one that was disturbed least.
const TURN: u32 = 100;
const TURNS: u32 = 20;

/// Time of one signature.
pub(crate) fn time() -> Option<Duration> {
    let curve = Secp256k1::new();
    let secret = SecretKey::from_byte_array([7; 32]).ok()?;
    let message = Message::from_digest([1; 32]);
    let turn = || {
        let start = Instant::now();
        for _ in 0..TURN {
            black_box(curve.sign_ecdsa(black_box(message), &secret));
        }
        start.elapsed() / TURN
    };
    (0..TURNS).map(|_| turn()).min()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_signature_takes_some_microseconds() {
        let time = super::time().unwrap();
        assert!(
            time.as_micros() < 10_000 && time.as_nanos() > 1_000,
            "{time:?}"
        );
    }
}
