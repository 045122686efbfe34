//! The lines of the access log for answers to events.

use crate::auth::CertificateError;
use crate::events::{self, Refusal, ServerEvent};
use crate::ids::IdentityKey;
use crate::socket::Application as _;
use crate::telemetry::{self, AccessLine};

use super::session::AuthSocketSession;

impl AuthSocketSession {
    /// Logs the answer to an event of the client.
    pub(super) fn log_access(&self, answer: &ServerEvent<'_>) {
        if let Some((event, refusal)) = answered(answer) {
            let refusal = refusal.map(|refusal| (refusal.code(), refusal));
            self.log(event, self.identity(), refusal);
        }
    }

    /// Logs refused certificates, which close the socket.
    pub(super) fn log_refused_certificates(&self, error: &CertificateError) {
        let refusal = Some(("ERR_CERTIFICATE_REFUSED", error));
        self.log("certificateResponse", self.peer.identity(), refusal);
    }

    /// Formats the reason of a refusal only if the line is logged.
    fn log(
        &self,
        event: &str,
        identity: Option<IdentityKey>,
        refusal: Option<(&str, impl ToString)>,
    ) {
        telemetry::access(refusal.is_some(), || {
            let refusal = refusal.map(|(code, reason)| (code, reason.to_string()));
            let access = AccessLine {
                what: event,
                refusal: refusal
                    .as_ref()
                    .map(|(code, reason)| (*code, reason.as_str())),
                address: self.counted_for.map(|address| address.to_string()),
                identity: identity.map(|identity| identity.shortened()),
                ..AccessLine::default()
            };
            access.to_string()
        });
    }
}

/// The answered event, and why it is refused. A refused message has two answers; only the first is logged.
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
