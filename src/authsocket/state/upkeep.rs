//! Deadlines of a session: revival, server handshake and keep-alive. The clock is an argument.

use std::time::{Duration, Instant};

/// Time limit for the client's answer to a server handshake. The published clients use the same limit for theirs.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Upkeep {
    /// When a connected client that has sent nothing counts as silent.
    revival_at: Option<Instant>,
    /// Deadline of the server handshake in flight.
    handshake_until: Option<Instant>,
    /// Whether the server must still send the first event of the session that it began.
    owes_first_event: bool,
    /// Whether that event was `authenticationSuccess`: a held `authenticated` then needs no second one.
    pub(crate) has_confirmed: bool,
    /// Time of the last signed event in either direction.
    quiet_since: Instant,
    /// Longest quiet time; set once the client is admitted.
    keep_alive: Option<Duration>,
    /// Time of the next check.
    keep_alive_at: Option<Instant>,
}

impl Upkeep {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            revival_at: None,
            handshake_until: None,
            owes_first_event: false,
            has_confirmed: false,
            quiet_since: now,
            keep_alive: None,
            keep_alive_at: None,
        }
    }

    /// Records that a signed event was received or sent.
    pub(crate) const fn touch(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// The client has connected: it counts as silent at this time.
    pub(crate) const fn await_client(&mut self, at: Instant) {
        self.revival_at = Some(at);
    }

    /// The client has sent an auth message.
    pub(crate) const fn client_spoke(&mut self) {
        self.revival_at = None;
    }

    /// The client has left the namespace: the handshake in flight will get no answer.
    pub(crate) const fn client_left(&mut self) {
        self.revival_at = None;
        self.handshake_until = None;
    }

    /// Whether the client has just become silent. `true` once.
    pub(crate) fn is_client_silent(&mut self, now: Instant) -> bool {
        self.revival_at.take_if(|at| *at <= now).is_some()
    }

    pub(crate) fn handshake_begun(&mut self, now: Instant) {
        self.handshake_until = Some(now + HANDSHAKE_TIMEOUT);
    }

    /// The server owes the first event of the new session.
    pub(crate) const fn handshake_answered(&mut self) {
        self.handshake_until = None;
        self.owes_first_event = true;
    }

    /// Whether a server handshake has just got no answer in time. `true` once.
    pub(crate) fn has_handshake_failed(&mut self, now: Instant) -> bool {
        self.handshake_until.take_if(|at| *at <= now).is_some()
    }

    /// Whether a server handshake is in flight.
    pub(crate) const fn awaits_handshake(&self) -> bool {
        self.handshake_until.is_some()
    }

    /// Whether the first event is due. `true` once.
    pub(crate) fn take_first_event(&mut self) -> bool {
        std::mem::take(&mut self.owes_first_event)
    }

    /// Starts keep-alives; 0 means none. The interval grows by a random quarter: sockets that connected together spread
    /// their load.
    pub(crate) fn begin_keep_alive(&mut self, interval: Duration, now: Instant) {
        if interval.is_zero() {
            return;
        }
        let interval = interval + interval.mul_f64(rand::random::<f64>() / 4.0);
        self.keep_alive = Some(interval);
        self.keep_alive_at = Some(now + interval);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.revival_at, self.handshake_until, self.keep_alive_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether a keep-alive is due. Only this method moves the deadline, so that a delivery costs nothing more.
    pub(crate) fn is_quiet(&mut self, now: Instant) -> bool {
        let Some((interval, _)) = self
            .keep_alive
            .zip(self.keep_alive_at.filter(|at| *at <= now))
        else {
            return false;
        };
        let due = self.quiet_since + interval;
        let is_quiet = due <= now;
        self.keep_alive_at = Some(if is_quiet { now + interval } else { due });
        is_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_keep_alive_is_due_once_a_socket_was_quiet_for_long_enough_and_not_all_at_once() {
        let start = Instant::now();
        let mut upkeep = Upkeep::new(start);
        assert_eq!(upkeep.poll_timeout(), None);
        upkeep.begin_keep_alive(10 * MINUTE, start);
        let due = upkeep.poll_timeout().unwrap();
        assert!((start + 10 * MINUTE..=start + 15 * MINUTE).contains(&due));
        let interval = due - start;
        assert!(!upkeep.is_quiet(start + 9 * MINUTE));
        // An event moves the deadline at the next check.
        upkeep.touch(start + MINUTE);
        assert_eq!(upkeep.poll_timeout(), Some(due));
        assert!(!upkeep.is_quiet(due));
        assert_eq!(upkeep.poll_timeout(), Some(due + MINUTE));
        assert!(upkeep.is_quiet(due + MINUTE));
        assert_eq!(upkeep.poll_timeout(), Some(due + MINUTE + interval));
        let mut other = Upkeep::new(start);
        other.begin_keep_alive(10 * MINUTE, start);
        assert_ne!(other.poll_timeout(), Some(due));
    }

    #[test]
    fn without_an_interval_nothing_is_sent() {
        let now = Instant::now();
        let mut upkeep = Upkeep::new(now);
        upkeep.begin_keep_alive(Duration::ZERO, now);
        assert!(upkeep.poll_timeout().is_none() && !upkeep.is_quiet(now + 99 * MINUTE));
    }
}
