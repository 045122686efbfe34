//! What a bare secp256k1 signature takes on this machine, the unit that a server's costs are told in.

use std::hint::black_box;
use std::time::{Duration, Instant};

use secp256k1::{Message, Secp256k1, SecretKey};

/// Signatures of one turn, and turns. The shortest turn is the one that was disturbed least.
const TURN: u32 = 250;
const TURNS: u32 = 8;

/// CPU time of one signature, by the clock that the server's is read from: time that a hypervisor takes away is in
/// neither of them.
pub(crate) fn time() -> Option<Duration> {
    let curve = Secp256k1::new();
    let secret = SecretKey::from_byte_array([7; 32]).ok()?;
    let message = Message::from_digest([1; 32]);
    let turn = || {
        let start = Instant::now();
        let used = cpu_time();
        for _ in 0..TURN {
            black_box(curve.sign_ecdsa(black_box(message), &secret));
        }
        let cpu = cpu_time()
            .zip(used)
            .map(|(after, before)| after.saturating_sub(before));
        cpu.filter(|cpu| !cpu.is_zero())
            .unwrap_or_else(|| start.elapsed())
            / TURN
    };
    (0..TURNS).map(|_| turn()).min()
}

/// What this thread has used so far, as far as the system says.
fn cpu_time() -> Option<Duration> {
    // The scheduler counts when it is entered.
    std::thread::yield_now();
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = super::server_process::running_nanos(&schedstat)?;
    Some(Duration::from_nanos(nanos))
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
