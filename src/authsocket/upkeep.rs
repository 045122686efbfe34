//! Keeps the session of a socket alive: speaks first after a server handshake, sends keep-alives, renews sessions.

use std::time::{Duration, Instant};

use crate::engineio::CloseReason;
use crate::events::ServerEvent;
use crate::socket::Link;

use super::application::AuthSocket;

/// Time limit for the client's answer to a server handshake. The published clients use the same limit for theirs.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for which a replaced session still verifies frames in flight.
const RETIRED_FOR: Duration = Duration::from_secs(60);

/// Deadlines and flags of one socket's session.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Deadline of the server handshake in flight.
    handshake_until: Option<Instant>,
    /// Whether the server must still send the first event of the session that it began.
    owes_word: bool,
    /// Whether that event was `authenticationSuccess`: a held `authenticated` then needs no second one.
    pub(super) has_confirmed: bool,
    /// Time of the last signed event in either direction.
    quiet_since: Instant,
    /// Longest quiet time; set once the socket is authenticated.
    keep_alive: Option<Duration>,
    /// Time of the next check.
    keep_alive_at: Option<Instant>,
}

impl Upkeep {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            handshake_until: None,
            owes_word: false,
            has_confirmed: false,
            quiet_since: now,
            keep_alive: None,
            keep_alive_at: None,
        }
    }

    /// Notes that a signed event was received or sent.
    pub(super) const fn touch(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// Gives up the server handshake in flight: the client has left the namespace.
    pub(super) const fn abandon_handshake(&mut self) {
        self.handshake_until = None;
    }

    /// Whether a server handshake is in flight.
    pub(super) const fn awaits_handshake(&self) -> bool {
        self.handshake_until.is_some()
    }

    /// Starts keep-alives; 0 means none. The interval grows by a random quarter: sockets that connected together spread their load.
    pub(super) fn begin_keep_alive(&mut self, interval: Duration, now: Instant) {
        if interval.is_zero() {
            return;
        }
        let interval = interval + interval.mul_f64(rand::random::<f64>() / 4.0);
        self.keep_alive = Some(interval);
        self.keep_alive_at = Some(now + interval);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.handshake_until, self.keep_alive_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether a keep-alive is due. Only this method moves the deadline, so that a delivery costs nothing more.
    fn is_quiet(&mut self, now: Instant) -> bool {
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

impl AuthSocket {
    /// Asks the other end to prove its identity on this socket.
    pub(super) fn begin_handshake(&mut self, link: &mut Link<'_>) {
        match self.peer.start_handshake() {
            Ok(request) => {
                self.upkeep.handshake_until = Some(link.now() + HANDSHAKE_TIMEOUT);
                self.send_auth_message(request, link);
            }
            Err(error) => log::warn!("a handshake could not be begun: {error}"),
        }
    }

    /// Makes the new session the only one that signs, once the client has answered.
    pub(super) fn handshake_answered(&mut self, link: &Link<'_>) {
        self.upkeep.handshake_until = None;
        self.upkeep.owes_word = true;
        self.peer.retire_older(link.now() + RETIRED_FOR);
    }

    /// Sends the first event after a server handshake. Until it arrives, the published clients treat the session as
    /// unauthenticated and send nothing. A client with held frames waits for `authenticationSuccess`. Versions up to
    /// 2.5.5 stay silent and disconnect on that event, so silent clients get an event without a handler.
    pub(super) fn speak_first(&mut self, link: &mut Link<'_>) {
        if !std::mem::take(&mut self.upkeep.owes_word) {
            return;
        }
        self.upkeep.has_confirmed = !self.held.is_empty();
        let word = if self.upkeep.has_confirmed {
            ServerEvent::AuthenticationSuccess
        } else {
            ServerEvent::KeepAlive
        };
        self.send_event(&word, link);
    }

    /// Begins a new session before either end runs out of nonces in the old one.
    pub(super) fn renew_if_needed(&mut self, link: &mut Link<'_>) {
        if self.admitted && !self.upkeep.awaits_handshake() && self.peer.needs_renewal() {
            log::debug!("socket {} begins a new session", self.sid);
            self.begin_handshake(link);
        }
    }

    /// Handles the deadlines that have passed.
    pub(super) fn handle_upkeep(&mut self, link: &mut Link<'_>) {
        let now = link.now();
        if self.upkeep.handshake_until.is_some_and(|at| at <= now) {
            self.upkeep.handshake_until = None;
            if self.admitted && self.peer.is_exhausted() {
                // The client never answered. A new connection gives it a new session.
                log::debug!("socket {} has used its session up", self.sid);
                return link.close(CloseReason::ForcedClose);
            }
            self.renew_if_needed(link);
        }
        if self.upkeep.is_quiet(now) {
            self.send_event(&ServerEvent::KeepAlive, link);
        }
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
        // What was sent since moves the deadline, when it is looked at.
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
