//! What keeps a socket's session alive: the first word after a handshake of ours, keep-alives, a new session in time.

use std::time::{Duration, Instant};

use crate::engineio::CloseReason;
use crate::events::ServerEvent;
use crate::socket::Link;

use super::application::AuthSocket;

/// How long a client may take to answer a handshake of ours. The published clients give one of theirs as long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a session still verifies what is under way once a newer one has taken its place.
const RETIRED_FOR: Duration = Duration::from_secs(60);

/// What is known of a socket's session beside the session itself.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Set while a handshake of ours is unanswered.
    handshake_until: Option<Instant>,
    /// Whether the client waits for our first word after a handshake of ours.
    owes_word: bool,
    /// Whether that word has confirmed the client, whose held frames are done next.
    pub(super) has_confirmed: bool,
    /// When the last signed event came or was sent.
    quiet_since: Instant,
    /// How long it may be quiet; set once the socket is authenticated.
    keep_alive: Option<Duration>,
    /// When it is looked at next whether it was quiet for so long.
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

    /// A signed event came, or was sent.
    pub(super) const fn touch(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// Whether a handshake of ours is unanswered.
    pub(super) const fn awaits_handshake(&self) -> bool {
        self.handshake_until.is_some()
    }

    /// From now on the socket is not left quiet for longer than `interval` and a quarter: sockets that have connected
    /// together must not all be due together.
    pub(super) fn begin_keep_alive(&mut self, interval: Duration, now: Instant) {
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

    /// Whether a keep-alive is due. The deadline moves here only: nothing is done for it when an event is sent.
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

    /// The other end has answered it: from now on everything is signed in the new session.
    pub(super) fn handshake_answered(&mut self, link: &Link<'_>) {
        self.upkeep.handshake_until = None;
        self.upkeep.owes_word = true;
        self.peer.retire_older(link.now() + RETIRED_FOR);
    }

    /// Says the first word after a handshake of ours: until then the published clients take the session for
    /// unauthenticated, and send nothing in it. A client that has spoken waits for its confirmation; any other may be
    /// one that must not be confirmed, because it would disconnect, so it hears something that it has no handler for.
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

    /// Begins a new session where the old one has carried nearly as many messages as either end remembers nonces.
    pub(super) fn renew_if_needed(&mut self, link: &mut Link<'_>) {
        if self.admitted && !self.upkeep.awaits_handshake() && self.peer.needs_renewal() {
            log::debug!("socket {} begins a new session", self.sid);
            self.begin_handshake(link);
        }
    }

    /// Does what is due.
    pub(super) fn handle_upkeep(&mut self, link: &mut Link<'_>) {
        let now = link.now();
        if self.upkeep.handshake_until.is_some_and(|at| at <= now) {
            self.upkeep.handshake_until = None;
            if self.admitted && self.peer.is_used_up() {
                // A new connection has a new session; this one takes nothing any more.
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
