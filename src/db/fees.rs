//! What it costs to write to somebody: the server's fee for the box, and the recipient's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use diesel::prelude::*;

use crate::ids::IdentityKey;

use super::any_connection::AnyConnection;
use super::dialect::directly;
use super::schema::{message_permissions, server_fees};

/// What recipients ask for who have not said: satoshis for their notifications, and nothing else.
fn default_recipient_fee(message_box: &str) -> i64 {
    if message_box == "notifications" {
        10
    } else {
        0
    }
}

/// The operator's own delivery fees; they go before those in the table.
#[derive(Debug, Clone, Default)]
pub(super) struct DeliveryFees {
    boxes: Arc<BTreeMap<String, u64>>,
    /// Whether a message costs its fee once for each recipient.
    per_recipient: bool,
}

impl DeliveryFees {
    pub(super) fn new(overrides: BTreeMap<String, u64>, per_recipient: bool) -> Self {
        Self {
            boxes: Arc::new(overrides),
            per_recipient,
        }
    }

    /// The server's fee for delivering to a box, in satoshis, to one recipient.
    pub(super) fn of(&self, connection: &mut AnyConnection, message_box: &str) -> QueryResult<u64> {
        if let Some(fee) = self.boxes.get(message_box) {
            return Ok(*fee);
        }
        // Without a limit, which has SQLite plan the statement anew each time.
        let query = server_fees::table
            .filter(server_fees::message_box.eq(message_box))
            .select(server_fees::delivery_fee);
        let fee: QueryResult<i64> = directly!(connection, inner => query.get_result(inner));
        let fee = fee.optional()?;
        Ok(fee.and_then(|fee| u64::try_from(fee).ok()).unwrap_or(0))
    }
}

/// What a recipient asks of a sender: -1 blocks, 0 allows, more is a fee in satoshis. What is said for the sender
/// goes before what is said for everybody, and that before the default. Nothing is written.
pub(super) fn recipient_fee(
    connection: &mut AnyConnection,
    recipient: &IdentityKey,
    sender: &IdentityKey,
    message_box: &str,
) -> QueryResult<i64> {
    let query = message_permissions::table
        .filter(message_permissions::recipient.eq(recipient.to_hex()))
        .filter(message_permissions::message_box.eq(message_box))
        .filter(
            message_permissions::sender
                .is_null()
                .or(message_permissions::sender.eq(sender.to_hex())),
        )
        .select((
            message_permissions::sender,
            message_permissions::recipient_fee,
        ));
    let found: Vec<(Option<String>, i64)> = directly!(connection, inner => query.load(inner))?;
    let own = found.iter().find(|(sender, _)| sender.is_some());
    let fee = own.or_else(|| found.first()).map(|(_, fee)| *fee);
    Ok(fee.unwrap_or_else(|| default_recipient_fee(message_box)))
}

/// What a message costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Satoshis for the server, for one recipient.
    pub delivery_fee: u64,
    /// Whether that is due for each recipient; else it is due once, however many there are.
    pub per_recipient: bool,
    /// For each recipient, in the order asked: -1 blocks, 0 allows, more is a fee in satoshis.
    pub recipient_fees: Vec<i64>,
}

impl Quote {
    /// Whether somebody blocks.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.recipient_fees.iter().any(|fee| *fee < 0)
    }

    /// Satoshis that the server must get for the whole message. Senders who pay for each recipient all the same pay enough.
    #[must_use]
    pub fn delivery_due(&self) -> u64 {
        let count = if self.per_recipient {
            u64::try_from(self.recipient_fees.len()).unwrap_or(u64::MAX)
        } else {
            1
        };
        self.delivery_fee.saturating_mul(count)
    }

    /// Whether there is nothing to pay and nobody blocks.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.delivery_fee == 0 && self.recipient_fees.iter().all(|fee| *fee == 0)
    }
}

/// Reads what a message of `sender` to these recipients costs.
pub(super) fn quote(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    sender: &IdentityKey,
    recipients: impl Iterator<Item = IdentityKey>,
    message_box: &str,
) -> QueryResult<Quote> {
    Ok(Quote {
        delivery_fee: fees.of(connection, message_box)?,
        per_recipient: fees.per_recipient,
        recipient_fees: recipients
            .map(|recipient| recipient_fee(connection, &recipient, sender, message_box))
            .collect::<QueryResult<_>>()?,
    })
}
