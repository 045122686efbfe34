//! The maximum message size that the database accepts.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::error::DbError;
use crate::model::NewMessage;

/// Bytes of a statement beside the body: keys, an id, times.
#[cfg(feature = "mysql")]
const BESIDE_BODY: usize = 8 * 1024;

/// JSON escapes one byte with at most six characters.
const MOST_ESCAPED: usize = 6;

/// Upper bound of the JSON text around body and payment, in bytes.
const AROUND: usize = 32;

/// The maximum size of a stored body, in bytes; none if no request can exceed the database's limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LargestMessage(pub(crate) Option<usize>);

impl LargestMessage {
    /// MySQL closes the connection when a statement exceeds the packet size. All writes of the same statement would
    /// fail.
    pub(crate) fn of(connection: &mut AnyConnection) -> QueryResult<Self> {
        match connection {
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => {
                let packet = crate::db::engine::mysql::max_packet(connection)?;
                Ok(Self(Some(packet.saturating_sub(BESIDE_BODY))))
            }
            _ => Ok(Self(None)),
        }
    }

    /// Fails if one of these messages is too large.
    pub(crate) fn check(self, messages: &[NewMessage]) -> Result<(), DbError> {
        let Some(max) = self.0 else {
            return Ok(());
        };
        let too_large = |message: &NewMessage| {
            let payment = message.payment.as_deref();
            let bytes = message.body.bytes() + payment.map_or(0, str::len);
            // Most messages are small, so the exact size is computed only near the limit.
            let most = bytes.saturating_mul(MOST_ESCAPED).saturating_add(AROUND);
            most > max && message.body.wrapped(payment).len() > max
        };
        if messages.iter().any(too_large) {
            return Err(DbError::TooLarge(max));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::model::MessageBody;

    #[test]
    fn what_counts_is_what_is_stored() {
        let key = Identity::random().identity_key();
        let message = |text: &str, payment: Option<&'static str>| NewMessage {
            recipient: key,
            sender: key,
            message_box: "inbox".to_owned(),
            message_id: "1".to_owned(),
            body: MessageBody::Text(text.into()),
            payment: payment.map(Into::into),
            expires_at: None,
            room: None,
        };
        // {"message":"..."} adds 14 bytes.
        let check = |message| LargestMessage(Some(24)).check(&[message]);
        assert_eq!(check(message("0123456789", None)), Ok(()));
        let refused = Err(DbError::TooLarge(24));
        assert_eq!(check(message("0123456789a", None)), refused);
        assert_eq!(check(message("\u{1}\u{1}", None)), refused);
        assert_eq!(check(message("", Some(r#"{"tx":[]}"#))), refused);
        let any = LargestMessage(None).check(&[message(&"x".repeat(100), None)]);
        assert_eq!(any, Ok(()));
    }
}
