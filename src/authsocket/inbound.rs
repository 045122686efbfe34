//! From Socket.IO packets to verified events: namespaces and auth messages.

use std::sync::atomic::Ordering;

use actix::prelude::*;

use crate::auth::{AuthError, AuthMessage, Handled, MessageType};
use crate::engineio::CloseReason;
use crate::events::{self, ClientEvent, refuse_plain};
use crate::ids::Sid;
use crate::socket::{Link, Socket};
use crate::socketio::{EventBody, Namespace, ProtocolError, SocketIoEvent};
use crate::telemetry;

use super::admission::Admission;
use super::session::AuthSocketSession;
use super::state::framer::EventFramer;

impl AuthSocketSession {
    /// Sends what the Socket.IO connection has to send, and handles what it has received.
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
                    }
                }
                SocketIoEvent::Disconnect { .. } => self.disconnect(link),
                SocketIoEvent::Ack { .. } => {}
            }
        }
    }

    fn connect(&mut self, namespace: &Namespace, link: &mut Link<'_>) {
        if self.framer.is_some() {
            // Only one namespace can carry the session of the peer.
            if let Some(refused) = self.connection.refuse(namespace, "Invalid namespace") {
                Self::send_packet(&refused, link);
            }
            return;
        }
        if let Some(accepted) = self.connection.accept(namespace, Sid::random()) {
            Self::send_packet(&accepted, link);
            self.framer = Some(EventFramer::new(namespace.clone()));
            let delay = self.service.settings.revival_delay;
            self.upkeep.await_client(link.now() + delay);
        }
    }

    fn disconnect(&mut self, link: &Link<'_>) {
        self.framer = None;
        self.drop_queued();
        self.upkeep.client_left();
        self.leave_rooms(link.now());
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
            self.upkeep.client_spoke();
            let json = argument.unwrap_or_default();
            self.handle_auth_message(AuthMessage::parse(json), json, link, ctx);
        } else if let Some(refusal) = refuse_plain(&name) {
            Self::send_plain(namespace, &refusal, link);
        }
    }

    /// Handles an auth message that was parsed from `json`.
    pub(super) fn handle_auth_message(
        &mut self,
        message: Result<AuthMessage<'_>, AuthError>,
        json: &str,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.peer.forget_retired(link.now());
        let kind = message.as_ref().ok().map(|message| message.kind);
        if kind == Some(MessageType::InitialRequest) && !self.count_handshake() {
            log::debug!("socket {} begins too many handshakes", self.sid);
            return self.count_refused();
        }
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
                match self.advance(identity, link, ctx) {
                    Admission::Admitted => self.begin_session(identity, link, ctx),
                    // The answer to a handshake of the server may bring them along.
                    Admission::CertificatesDue => {
                        if let Some(certificates) = certificates {
                            self.certify(certificates.get(), link, ctx);
                        }
                    }
                    Admission::Refused => {}
                }
            }
            Ok((Handled::General(verified), _)) => {
                self.upkeep.touch(link.now());
                match self.advance(verified.identity, link, ctx) {
                    Admission::Admitted => {
                        let event = self.client_event(&verified.payload);
                        self.dispatch(event, verified.identity, link, ctx);
                    }
                    Admission::CertificatesDue => self.hold_uncertified(verified),
                    Admission::Refused => {}
                }
            }
            Ok((Handled::Certificates(certificates), _)) => {
                self.certify(&certificates, link, ctx);
            }
            // The server has no certificates, so there is no answer.
            Ok((Handled::CertificatesRequested(_), _)) => {}
            Err(AuthError::UnknownSession { nonce })
                if kind != Some(MessageType::InitialResponse) =>
            {
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

    /// Counts a handshake, because it costs a signature; `false` if the address has begun too many. The opening of the
    /// socket has counted the first one.
    fn count_handshake(&mut self) -> bool {
        if std::mem::take(&mut self.handshake_prepaid) {
            return true;
        }
        let handshakes = &self.service.addresses.handshakes;
        self.counted_for
            .is_none_or(|key| handshakes.check(&key).is_ok())
    }

    pub(super) fn client_event(&self, payload: &[u8]) -> ClientEvent {
        ClientEvent::parse(payload, self.service.settings.max_json_depth)
    }

    pub(super) fn count_refused(&self) {
        let refused = &self.service.counters.refused;
        refused.fetch_add(1, Ordering::Relaxed);
    }
}
