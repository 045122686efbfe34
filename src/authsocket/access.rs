//! Which answers have a line in the access log.

use crate::auth::CertificateError;
use crate::events::{self, Refusal, ServerEvent};
use crate::socket::Application as _;
use crate::telemetry::{self, AccessLine};

use super::application::AuthSocket;

impl AuthSocket {
    /// Logs that an event of the client was answered so.
    pub(super) fn log_access(&self, answer: &ServerEvent<'_>) {
        let Some((event, refusal)) = answered(answer) else {
            return;
        };
        telemetry::access(refusal.is_some(), || {
            let reason = refusal.map(|refusal| refusal.to_string());
            let access = AccessLine {
                what: event,
                refusal: refusal.map(Refusal::code).zip(reason.as_deref()),
                address: self.counted_for.map(|address| address.to_string()),
                identity: self.identity().map(|identity| identity.shortened()),
                ..AccessLine::default()
            };
            access.to_string()
        });
    }

    /// Logs that the client's certificates were refused, which ends the socket.
    pub(super) fn log_refused_certificates(&self, error: &CertificateError) {
        telemetry::access(true, || {
            let reason = error.to_string();
            let access = AccessLine {
                what: "certificateResponse",
                refusal: Some(("ERR_CERTIFICATE_REFUSED", &reason)),
                address: self.counted_for.map(|address| address.to_string()),
                identity: self.peer.identity().map(|identity| identity.shortened()),
                ..AccessLine::default()
            };
            access.to_string()
        });
    }
}

/// The event that this answers, and why it is refused. The published client is told twice of a message that is refused.
const fn answered(answer: &ServerEvent<'_>) -> Option<(&'static str, Option<Refusal>)> {
    Some(match answer {
        ServerEvent::AuthenticationSuccess => (events::AUTHENTICATED, None),
        ServerEvent::AuthenticationFailed(refusal) => (events::AUTHENTICATED, Some(*refusal)),
        ServerEvent::JoinedRoom(_) => (events::JOIN_ROOM, None),
        ServerEvent::JoinFailed(refusal) => (events::JOIN_ROOM, Some(*refusal)),
        ServerEvent::LeftRoom(_) => (events::LEAVE_ROOM, None),
        ServerEvent::LeaveFailed(refusal) => (events::LEAVE_ROOM, Some(*refusal)),
        ServerEvent::Acked { .. } => (events::SEND_MESSAGE, None),
        ServerEvent::MessageFailed(refusal) | ServerEvent::PaymentFailed(refusal) => {
            (events::SEND_MESSAGE, Some(*refusal))
        }
        ServerEvent::NotAcked(..) | ServerEvent::Message(..) | ServerEvent::KeepAlive => {
            return None;
        }
    })
}
