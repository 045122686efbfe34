//! What it costs to write to somebody: the server's fee for the box, and the recipient's own.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::directly;
use crate::db::engine::schema::{message_permissions, server_fees};
use crate::ids::IdentityKey;
use crate::live::Live;
use crate::model::Quote;

/// What recipients ask for who have not said: satoshis for their notifications, and nothing else.
pub(in crate::db) fn default_recipient_fee(message_box: &str) -> i64 {
    if message_box == "notifications" {
        10
    } else {
        0
    }
}

/// The operator's own delivery fees; they go before those in the table.
#[derive(Debug, Clone, Default)]
pub(in crate::db) struct DeliveryFees {
    boxes: Live<BTreeMap<String, u64>>,
    /// Whether a message costs its fee once for each recipient.
    per_recipient: bool,
}

impl DeliveryFees {
    pub(in crate::db) fn new(overrides: BTreeMap<String, u64>, per_recipient: bool) -> Self {
        Self {
            boxes: Live::new(overrides),
            per_recipient,
        }
    }

    /// The fee that the operator has set for a box, in satoshis.
    pub(in crate::db) fn own(&self, message_box: &str) -> Option<u64> {
        self.boxes.get().get(message_box).copied()
    }

    /// Takes other fees of the operator from now on.
    pub(in crate::db) fn set(&self, overrides: BTreeMap<String, u64>) {
        self.boxes.set(overrides);
    }

    /// The server's fee for delivering to a box, in satoshis, to one recipient.
    fn of(&self, connection: &mut AnyConnection, message_box: &str) -> QueryResult<u64> {
        if let Some(fee) = self.own(message_box) {
            return Ok(fee);
        }
        let fee = delivery_fee(connection, message_box)?;
        Ok(fee.and_then(|fee| u64::try_from(fee).ok()).unwrap_or(0))
    }

    pub(in crate::db) const fn quote(&self, delivery_fee: u64, recipient_fees: Vec<i64>) -> Quote {
        Quote {
            delivery_fee,
            per_recipient: self.per_recipient,
            recipient_fees,
        }
    }
}

/// The delivery fee that the table has for a box.
pub(in crate::db) fn delivery_fee(
    connection: &mut AnyConnection,
    message_box: &str,
) -> QueryResult<Option<i64>> {
    // Without a limit, which has SQLite plan the statement anew each time.
    let query = server_fees::table
        .filter(server_fees::message_box.eq(message_box))
        .select(server_fees::delivery_fee);
    let fee: QueryResult<i64> = directly!(connection, inner => query.get_result(inner));
    fee.optional()
}

/// The permission of a recipient for a sender: -1 blocks, 0 allows, more is a fee in satoshis. A permission for the sender
/// goes before one for everybody.
pub(in crate::db) fn permission(
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

/// Reads what a message of `sender` to these recipients costs.
pub(in crate::db) fn quote(
    connection: &mut AnyConnection,
    fees: &DeliveryFees,
    sender: &IdentityKey,
    recipients: impl Iterator<Item = IdentityKey>,
    message_box: &str,
) -> QueryResult<Quote> {
    let delivery_fee = fees.of(connection, message_box)?;
    let recipient_fees = recipients
        .map(|recipient| {
            let fee = permission(connection, &recipient, sender, message_box)?;
            Ok(fee.unwrap_or_else(|| default_recipient_fee(message_box)))
        })
        .collect::<QueryResult<_>>()?;
    Ok(fees.quote(delivery_fee, recipient_fees))
}
