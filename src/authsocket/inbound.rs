//! From Socket.IO packets to verified events: namespaces, auth messages, revival.

use std::sync::atomic::Ordering;

use actix::prelude::*;

use crate::auth::{AuthError, AuthMessage, Handled, MessageType};
use crate::engineio::CloseReason;
use crate::events::{self, ClientEvent, Refusal, ServerEvent, refuse_plain};
use crate::ids::{IdentityKey, Sid};
use crate::limits::{Owner, Share, refusals};
use crate::rooms::Admit;
use crate::socket::{Link, Socket};
use crate::socketio::{EventBody, Namespace, ProtocolError, SocketIoEvent};
use crate::telemetry;

use super::application::AuthSocket;
use super::outbound::Speech;

/// A frame of a session that this socket does not know, held until the socket has proven who it is.
#[derive(Debug)]
pub(super) struct HeldFrame {
    nonce: String,
    json: String,
}

fn is_handshake(message: &AuthMessage<'_>) -> bool {
    message.kind == MessageType::InitialRequest
}

fn is_response(message: &AuthMessage<'_>) -> bool {
    message.kind == MessageType::InitialResponse
}

impl AuthSocket {
    /// Passes on what the Socket.IO connection has to say, in both directions.
    pub(super) fn handle_connection(
        &mut self,
        handled: Result<(), ProtocolError>,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        if let Err(error) = handled {
            log::debug!("socket {} is closed: {error}", self.sid);
            return link.close(CloseReason::ParseError);
        }
        while let Some(packet) = self.connection.poll_transmit() {
            Self::send_packet(&packet, link);
        }
        while !self.is_reading
            && let Some(event) = self.connection.poll_event()
        {
            match event {
                SocketIoEvent::Connect { namespace, .. } => self.connect(&namespace, link),
                SocketIoEvent::Event { namespace, body } => {
                    if let Some(body) = self.read_beside(body, ctx) {
                        telemetry::event(|| self.handle_event(&namespace, &body, link, ctx));
                    } else {
                        self.revival_at = None;
                    }
                }
                SocketIoEvent::Disconnect { .. } => self.disconnect(link),
                SocketIoEvent::Ack { .. } => {}
            }
        }
    }

    fn connect(&mut self, namespace: &Namespace, link: &mut Link<'_>) {
        if self.speech.is_some() {
            // One namespace carries the session; a second one would be a second voice of the same peer.
            if let Some(refused) = self.connection.refuse(namespace, "Invalid namespace") {
                Self::send_packet(&refused, link);
            }
            return;
        }
        if let Some(accepted) = self.connection.accept(namespace, Sid::random()) {
            Self::send_packet(&accepted, link);
            self.speech = Some(Speech::new(namespace.clone()));
            self.revival_at = Some(link.now() + self.service.settings.revival_delay);
        }
    }

    fn disconnect(&mut self, link: &Link<'_>) {
        self.speech = None;
        self.revival_at = None;
        self.drop_waiting();
        self.upkeep.abandon_handshake();
        self.leave_all_rooms();
        // Who has proven nothing gets no more time by leaving.
        if self.share.is_some() {
            self.auth_deadline = Some(link.now() + self.service.settings.auth_timeout);
        }
    }

    fn handle_event(
        &mut self,
        namespace: &Namespace,
        body: &EventBody,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        let (name, argument) = body.name_and_first_argument();
        if name == events::AUTH_MESSAGE {
            self.revival_at = None;
            let json = argument.unwrap_or_default();
            self.handle_auth_message(AuthMessage::parse(json), json, link, ctx);
        } else if let Some(refusal) = refuse_plain(&name) {
            Self::send_plain(namespace, &refusal, link);
        }
    }

    /// Handles what was read of `json`.
    pub(super) fn handle_auth_message(
        &mut self,
        message: Result<AuthMessage<'_>, AuthError>,
        json: &str,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.peer.forget_retired(link.now());
        if message.as_ref().is_ok_and(is_handshake) && !self.count_handshake() {
            log::debug!("socket {} shakes hands too often", self.sid);
            return self.count_refused();
        }
        let answers_nothing = message.as_ref().is_ok_and(is_response);
        let handled = message.and_then(|message| {
            let handled = self.peer.handle(&message)?;
            Ok((handled, message.certificates))
        });
        match handled {
            Ok((Handled::Reply(reply), _)) => {
                self.expect_certificates(link);
                self.send_auth_message(reply, link);
            }
            Ok((Handled::Established(identity), certificates)) => {
                self.handshake_answered(link);
                if self.is_certified() {
                    if self.admit(identity, link, ctx) {
                        self.speak_first(link);
                        self.release_held(identity, link, ctx);
                    }
                } else {
                    self.proven_without_certificates(link);
                    // The answer to a handshake of ours may bring them along.
                    if let Some(certificates) = certificates {
                        self.certify(certificates.get(), link, ctx);
                    }
                }
            }
            Ok((Handled::General(verified), _)) => {
                self.upkeep.touch(link.now());
                if self.is_certified() {
                    if self.admit(verified.identity, link, ctx) {
                        let event = self.client_event(&verified.payload);
                        self.dispatch(event, verified.identity, link, ctx);
                    }
                } else {
                    self.proven_without_certificates(link);
                    self.hold_uncertified(verified);
                }
            }
            Ok((Handled::Certificates(certificates), _)) => {
                // Without a demand, or once it is met, they are of no use.
                if !self.is_certified() {
                    self.proven_without_certificates(link);
                    self.certify(&certificates, link, ctx);
                }
            }
            // We have none, so nothing needs an answer.
            Ok((Handled::CertificatesRequested(_), _)) => {}
            Err(AuthError::UnknownSession { nonce }) if !answers_nothing => {
                self.hold(nonce, json, link, ctx);
            }
            Err(error) => self.refuse(&error),
        }
        self.renew_if_needed(link);
    }

    pub(super) fn refuse(&self, error: &AuthError) {
        self.count_refused();
        if *error == AuthError::Replayed {
            self.service.counters.replayed.add_one();
        }
        let sid = self.sid;
        log::debug!("socket {sid}: an auth message was refused: {error:?}");
    }

    /// Each costs a signature. The first was counted when the socket was opened.
    fn count_handshake(&mut self) -> bool {
        if std::mem::take(&mut self.may_shake_hands) {
            return true;
        }
        let handshakes = &self.service.addresses.handshakes;
        self.counted_for
            .is_none_or(|key| handshakes.check(&key).is_ok())
    }

    /// Bytes of frames that wait for a proof, or for certificates.
    pub(super) fn held_bytes(&self) -> usize {
        let held: usize = self.held.iter().map(|frame| frame.json.len()).sum();
        let uncertified = self.uncertified.iter();
        held + uncertified
            .map(|verified| verified.payload.len())
            .sum::<usize>()
    }

    pub(super) fn client_event(&self, payload: &[u8]) -> ClientEvent {
        ClientEvent::parse(payload, self.service.settings.max_json_depth)
    }

    pub(super) fn count_refused(&self) {
        let refused = &self.service.counters.refused;
        refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The identity is proven, and certified where that is required: from now on the socket is a member of its rooms.
    /// `false` where the operator does not serve the identity, or it has as many sockets as it may have: then this one ends.
    pub(super) fn admit(
        &mut self,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &Context<Socket<Self>>,
    ) -> bool {
        if self.admitted {
            return true;
        }
        if let Err(refused) = self.delivery.serves(&identity) {
            log::debug!("socket {} is closed: {identity:?} is not served", self.sid);
            return self.close_refused(Refusal::NotServed(refused), link);
        }
        if self.share.is_none() {
            let Ok(share) = Share::take(&self.service.identities, identity) else {
                log::debug!("socket {} is one too many of {identity:?}", self.sid);
                return self.close_refused(Refusal::TooManySockets, link);
            };
            self.share = Some(share);
            self.holding
                .give_to(Owner::both(identity, self.counted_for));
            if let Some(address) = self.counted_for {
                refusals().saw(address, identity, link.now());
            }
            self.unproven = None;
            self.service.counters.proven.add_one();
        }
        self.admitted = true;
        self.auth_deadline = None;
        self.certificate_deadline = None;
        self.revival_at = None;
        let keep_alive = self.service.settings.keep_alive;
        self.upkeep.begin_keep_alive(keep_alive, link.now());
        log::debug!("socket {} is {identity:?}", self.sid);
        self.service.rooms.admit(Admit {
            sid: self.sid,
            identity,
            deliver: ctx.address().recipient(),
            lagging: ctx.address().recipient(),
        });
        true
    }

    /// Says why the socket is closed, and closes it.
    fn close_refused(&mut self, refusal: Refusal, link: &mut Link<'_>) -> bool {
        self.send_last(&ServerEvent::AuthenticationFailed(refusal), link);
        link.close(CloseReason::ForcedClose);
        false
    }

    /// A frame of another socket's session proves nothing here: keep it, and ask for proof.
    fn hold(
        &mut self,
        nonce: String,
        json: &str,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        if self.held.len() >= self.service.settings.max_held_frames {
            self.count_refused();
            return;
        }
        self.service.counters.held.fetch_add(1, Ordering::Relaxed);
        let is_first = self.held.is_empty();
        self.held.push(HeldFrame {
            nonce,
            json: json.to_owned(),
        });
        if let Some(identity) = self.peer.identity()
            && self.adopt(identity, link)
            && self.admitted
            && is_first
        {
            // Its identity is proven here already, and what comes next must not overtake it.
            return self.release_held(identity, link, ctx);
        }
        if is_first && !self.upkeep.awaits_handshake() {
            self.begin_handshake(link);
        }
    }

    pub(super) fn release_held(
        &mut self,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.adopt(identity, link);
        for frame in std::mem::take(&mut self.held) {
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

    /// Takes over the sessions that held frames name: sessions of lost sockets of this process and of the identity that
    /// is proven here. Says whether there was one.
    fn adopt(&mut self, identity: IdentityKey, link: &Link<'_>) -> bool {
        let mut adopted = false;
        for frame in &self.held {
            let lost = self
                .service
                .lost()
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
