//! Handshakes that the server begins: to revive a session, to renew one, and to verify frames of a lost one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;

use crate::auth::{AuthMessage, Handled};
use crate::engineio::CloseReason;
use crate::events::ServerEvent;
use crate::ids::IdentityKey;
use crate::socket::{Link, Socket};

use super::session::AuthSocketSession;
use super::state::held::HeldFrame;

/// Time for which a replaced session still verifies frames in flight.
const RETIRED_FOR: Duration = Duration::from_secs(60);

impl AuthSocketSession {
    /// Asks the client to authenticate on this socket.
    fn begin_handshake(&mut self, link: &mut Link<'_>) {
        match self.peer.start_handshake() {
            Ok(request) => {
                self.upkeep.handshake_begun(link.now());
                self.send_auth_message(request, link);
            }
            Err(error) => log::warn!("a handshake was not begun: {error}"),
        }
    }

    /// Makes the new session the only one that signs, once the client has answered.
    pub(super) fn handshake_answered(&mut self, link: &Link<'_>) {
        self.upkeep.handshake_answered();
        self.peer.retire_older(link.now() + RETIRED_FOR);
    }

    /// Sends the first event of the session, and handles the frames that waited for it.
    pub(super) fn begin_session(
        &mut self,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.speak_first(link);
        self.release_held(identity, link, ctx);
    }

    /// Sends the first event after a server handshake. Until it arrives, the published clients treat the session as
    /// unauthenticated and send nothing. A client with held frames waits for `authenticationSuccess`. Versions up to
    /// 2.5.5 stay silent and disconnect on that event, so silent clients get an event without a handler.
    fn speak_first(&mut self, link: &mut Link<'_>) {
        if !self.upkeep.take_first_event() {
            return;
        }
        self.upkeep.has_confirmed = !self.held.unknown.is_empty();
        let first = if self.upkeep.has_confirmed {
            ServerEvent::AuthenticationSuccess
        } else {
            ServerEvent::KeepAlive
        };
        self.send_event(&first, link);
    }

    /// Begins a new session before either end runs out of nonces in the old one.
    pub(super) fn renew_if_needed(&mut self, link: &mut Link<'_>) {
        if self.phase.is_admitted() && !self.upkeep.awaits_handshake() && self.peer.needs_renewal()
        {
            log::debug!("socket {} begins a new session", self.sid);
            self.begin_handshake(link);
        }
    }

    /// Handles the deadlines that have passed.
    pub(super) fn handle_upkeep(&mut self, link: &mut Link<'_>) {
        let now = link.now();
        if self.upkeep.is_client_silent(now) {
            self.begin_handshake(link);
        }
        if self.upkeep.has_handshake_failed(now) {
            if self.phase.is_admitted() && self.peer.is_exhausted() {
                // The client never answered. A new connection gives it a new session.
                log::debug!("socket {}: its session has no nonces left", self.sid);
                return link.close(CloseReason::ForcedClose);
            }
            self.renew_if_needed(link);
        }
        if self.upkeep.is_quiet(now) {
            self.send_event(&ServerEvent::KeepAlive, link);
        }
    }

    /// Holds an auth message of an unknown session, and begins a handshake: the message itself may be a replay.
    pub(super) fn hold(
        &mut self,
        nonce: String,
        json: &str,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        if self.held.unknown.len() >= self.service.settings.max_held_frames {
            return self.count_refused();
        }
        self.service.counters.held.fetch_add(1, Ordering::Relaxed);
        let is_first = self.held.unknown.is_empty();
        self.held.unknown.push(HeldFrame {
            nonce,
            json: json.to_owned(),
        });
        if let Some(identity) = self.peer.identity()
            && self.adopt(identity, link)
            && self.phase.is_admitted()
            && is_first
        {
            // The client has authenticated already. The frame must not wait: later ones would overtake it.
            return self.release_held(identity, link, ctx);
        }
        if is_first && !self.upkeep.awaits_handshake() {
            self.begin_handshake(link);
        }
    }

    /// Verifies and handles the held auth messages.
    fn release_held(
        &mut self,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.adopt(identity, link);
        for frame in std::mem::take(&mut self.held.unknown) {
            let handled =
                AuthMessage::parse(&frame.json).and_then(|message| self.peer.handle(&message));
            if let Ok(Handled::General(verified)) = handled {
                let event = self.client_event(&verified.payload);
                self.dispatch(event, identity, link, ctx);
            } else {
                self.count_refused();
            }
        }
        self.upkeep.has_confirmed = false;
    }

    /// Adopts the sessions that held messages name: those of lost sockets of this process with the same identity. Returns
    /// whether there was one.
    fn adopt(&mut self, identity: IdentityKey, link: &Link<'_>) -> bool {
        let mut adopted = false;
        for frame in &self.held.unknown {
            let lost = self
                .service
                .lost
                .lock()
                .take(&frame.nonce, &identity, link.now());
            match lost.map(|session| self.peer.adopt(session)) {
                Some(Ok(())) => adopted = true,
                Some(Err(error)) => log::debug!("a lost session was not adopted: {error}"),
                None => {}
            }
        }
        adopted
    }
}
