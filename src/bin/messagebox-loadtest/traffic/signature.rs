//! CPU time of a bare secp256k1 signature on this machine, the unit of a server's costs.
//!
//! It is timed repeatedly during the run, so that heat or other load on the machine affects both figures.

use std::hint::black_box;
use std::time::{Duration, Instant};

use secp256k1::{Message, Secp256k1, SecretKey};

/// Signatures before timing, to warm the caches.
const WARM_UP: u32 = 20;
const TURN: u32 = 100;

/// CPU time of one signature, on the same clock as the server's: neither includes time that a hypervisor takes away. Takes
/// some milliseconds.
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

/// The median of the timings.
pub(crate) fn median(mut turns: Vec<Duration>) -> Option<Duration> {
    turns.sort_unstable();
    turns.get(turns.len() / 2).copied()
}

/// CPU time of this thread, if the system tells it.
fn cpu_time() -> Option<Duration> {
    // The scheduler updates the count when it runs.
    std::thread::yield_now();
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = crate::measure::server_process::running_nanos(&schedstat)?;
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
