//! What a bare secp256k1 signature takes on this machine, the unit that a server's costs are told in.
//!
//! It is timed again and again while the server is measured: what slows the machine down for a while, be it heat or a
//! neighbour, slows both down.

use std::hint::black_box;
use std::time::{Duration, Instant};

use secp256k1::{Message, Secp256k1, SecretKey};

/// Signatures before the clock is looked at, when caches are warm.
const WARM_UP: u32 = 20;
/// Signatures of one turn.
const TURN: u32 = 100;

/// CPU time of one signature, by the clock that the server's is read from: time that a hypervisor takes away is in
/// neither of them. Takes some milliseconds.
pub(crate) fn turn() -> Option<Duration> {
    let curve = Secp256k1::new();
    let secret = SecretKey::from_byte_array([7; 32]).ok()?;
    let message = Message::from_digest([1; 32]);
    let sign = |count: u32| {
        for _ in 0..count {
            black_box(curve.sign_ecdsa(black_box(message), &secret));
        }
    };
    sign(WARM_UP);
    let start = Instant::now();
    let used = cpu_time();
    sign(TURN);
    let cpu = cpu_time()
        .zip(used)
        .map(|(after, before)| after.saturating_sub(before));
    let whole = cpu
        .filter(|cpu| !cpu.is_zero())
        .unwrap_or_else(|| start.elapsed());
    Some(whole / TURN)
}

/// The turn that as many are shorter than as are longer.
pub(crate) fn median(mut turns: Vec<Duration>) -> Option<Duration> {
    turns.sort_unstable();
    turns.get(turns.len() / 2).copied()
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
    use super::*;

    #[test]
    fn a_signature_takes_some_microseconds() {
        let time = turn().unwrap();
        assert!(
            time.as_micros() < 10_000 && time.as_nanos() > 1_000,
            "{time:?}"
        );
    }

    #[test]
    fn one_slow_turn_does_not_count() {
        let turns = [30, 900, 20].map(Duration::from_micros).to_vec();
        assert_eq!(median(turns), Some(Duration::from_micros(30)));
        assert_eq!(median(Vec::new()), None);
    }
}
