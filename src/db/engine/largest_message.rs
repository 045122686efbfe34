//! How large a message the database takes.

use diesel::prelude::*;

use crate::model::NewMessage;

use super::any_connection::AnyConnection;
use super::error::DbError;

/// Bytes of a statement that are not the body: keys, an id, times.
#[cfg(feature = "mysql")]
const BESIDE_BODY: usize = 8 * 1024;

/// JSON writes a byte of a text with six characters at most.
const MOST_ESCAPED: usize = 6;

/// More than what is put around body and payment.
const AROUND: usize = 32;

/// Bytes of a body, as it is stored; where the database has no bound that a request could meet, none.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::db) struct LargestMessage(pub(in crate::db) Option<usize>);

impl LargestMessage {
    /// MySQL closes the connection on a statement that is larger than a packet may be, and all that is written together
    /// with it fails.
    pub(in crate::db) fn of(connection: &mut AnyConnection) -> QueryResult<Self> {
        match connection {
            AnyConnection::Sqlite(_) => Ok(Self(None)),
            #[cfg(feature = "mysql")]
            AnyConnection::Mysql(connection) => {
                let packet = super::mysql::max_packet(connection)?;
                Ok(Self(Some(packet.saturating_sub(BESIDE_BODY))))
            }
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(_) => Ok(Self(None)),
        }
    }

    /// Refuses what has a message that is too large.
    pub(in crate::db) fn check(self, messages: &[NewMessage]) -> Result<(), DbError> {
        let Some(max) = self.0 else {
            return Ok(());
        };
        let too_large = |message: &NewMessage| {
            let payment = message.payment.as_deref();
            let bytes = message.body.bytes() + payment.map_or(0, str::len);
            // Most are far from it, and need not be written to know that.
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
        // {"message":"..."} is 14 bytes longer.
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
