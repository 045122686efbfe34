//! The price of a message: the server's delivery fee and the recipient's own fee.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::directly;
use crate::db::engine::schema::{message_permissions, server_fees};
use crate::ids::IdentityKey;
use crate::live::Live;
use crate::model::FeeQuote;

/// The default fee of a recipient, in satoshis: 10 for notifications, otherwise none.
pub(crate) fn default_recipient_fee(message_box: &str) -> i64 {
    if message_box == "notifications" {
        10
    } else {
        0
    }
}

/// The operator's delivery fees. They override the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryFees {
    boxes: Live<BTreeMap<String, u64>>,
    /// Whether the delivery fee is due once for each recipient.
    per_recipient: bool,
}

impl DeliveryFees {
    pub(crate) fn new(overrides: BTreeMap<String, u64>, per_recipient: bool) -> Self {
        Self {
            boxes: Live::new(overrides),
            per_recipient,
        }
    }

    /// The operator's fee for a box, in satoshis, if set.
    pub(crate) fn own(&self, message_box: &str) -> Option<u64> {
        self.boxes.get().get(message_box).copied()
    }

    /// Replaces the operator's fees.
    pub(crate) fn set(&self, overrides: BTreeMap<String, u64>) {
        self.boxes.set(overrides);
    }

    /// The server's delivery fee for a box and one recipient, in satoshis.
    fn of(&self, connection: &mut AnyConnection, message_box: &str) -> QueryResult<u64> {
        if let Some(fee) = self.own(message_box) {
            return Ok(fee);
        }
        let fee = delivery_fee(connection, message_box)?;
        Ok(fee.and_then(|fee| u64::try_from(fee).ok()).unwrap_or(0))
    }

    pub(crate) const fn quote(&self, delivery_fee: u64, recipient_fees: Vec<i64>) -> FeeQuote {
        FeeQuote {
            delivery_fee,
            per_recipient: self.per_recipient,
            recipient_fees,
        }
    }
}

/// The delivery fee of a box in the table.
pub(crate) fn delivery_fee(
    connection: &mut AnyConnection,
    message_box: &str,
) -> QueryResult<Option<i64>> {
    // No LIMIT clause: with it, SQLite would prepare the statement anew each time.
    let query = server_fees::table
        .filter(server_fees::message_box.eq(message_box))
        .select(server_fees::delivery_fee);
    let fee: QueryResult<i64> = directly!(connection, inner => query.get_result(inner));
    fee.optional()
}

/// A recipient's permission for a sender: -1 blocks, 0 allows, more is a fee in satoshis. A permission for the sender
/// overrides one for all senders.
pub(crate) fn permission(
    connection: &mut AnyConnection,
    recipient: &IdentityKey,
    sender: &IdentityKey,
    message_box: &str,
) -> QueryResult<Option<i64>> {
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
    Ok(own.or_else(|| found.first()).map(|(_, fee)| *fee))
}

/// The price of a message from `sender` to these recipients.
pub(crate) fn quote(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    sender: &IdentityKey,
    recipients: impl Iterator<Item = IdentityKey>,
    message_box: &str,
) -> QueryResult<FeeQuote> {
    let delivery_fee = fees.of(connection, message_box)?;
    let recipient_fees = recipients
        .map(|recipient| {
            let fee = permission(connection, &recipient, sender, message_box)?;
            Ok(fee.unwrap_or_else(|| default_recipient_fee(message_box)))
        })
        .collect::<QueryResult<_>>()?;
    Ok(fees.quote(delivery_fee, recipient_fees))
}
