//! Refusals of unsigned Socket.IO events. One published example sends such events; they prove no identity.

use super::client_event::{AUTHENTICATED, JOIN_ROOM, LEAVE_ROOM};
use super::readable::SEND_MESSAGE;
use super::server_event::{AUTHENTICATION_FAILED, JOIN_FAILED, LEAVE_FAILED, PAYMENT_FAILED};

const REASON: &str = "This event is not signed. MessageBox sockets speak BRC-103: connect with @bsv/authsocket-client";

/// The reply to an unsigned event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainRefusal {
    /// The name of the event to reply with.
    pub event: &'static str,
    /// The `reason` of the reply.
    pub reason: &'static str,
}

/// The reply to an unsigned event of this name, if the name is one of the application's events.
#[must_use]
pub fn refuse_plain(event: &str) -> Option<PlainRefusal> {
    let event = match event {
        AUTHENTICATED => AUTHENTICATION_FAILED,
        JOIN_ROOM => JOIN_FAILED,
        LEAVE_ROOM => LEAVE_FAILED,
        SEND_MESSAGE => PAYMENT_FAILED,
        _ => return None,
    };
    Some(PlainRefusal {
        event,
        reason: REASON,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plain_event_has_its_refusal() {
        let cases = [
            ("authenticated", Some("authenticationFailed")),
            ("joinRoom", Some("joinFailed")),
            ("leaveRoom", Some("leaveFailed")),
            ("sendMessage", Some("paymentFailed")),
            ("authMessage", None),
            ("anything", None),
        ];
        for (event, expected) in cases {
            assert_eq!(
                refuse_plain(event).map(|refusal| refusal.event),
                expected,
                "{event}"
            );
        }
        assert!(REASON.contains("BRC-103") && REASON.contains("@bsv/authsocket-client"));
    }
}
