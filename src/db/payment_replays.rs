//! Transactions that have paid, in the table `payment_replays` of newer TypeScript servers (MySQL). Neither server takes what
//! the other has taken.

use diesel::prelude::*;

use super::any_connection::AnyConnection;
use super::timestamp::Timestamp;

#[cfg(feature = "mysql")]
diesel::table! {
    use diesel::sql_types::Text;
    use crate::db::timestamp::Moment;

    /// Transactions that have paid for something.
    payment_replays (transaction_id) {
        /// Hexadecimal, as it is displayed.
        transaction_id -> Text,
        /// ISO 8601.
        created_at -> Moment,
    }
}

/// Whether a server of either kind has noted this transaction.
#[cfg_attr(
    not(feature = "mysql"),
    expect(unused_variables, reason = "only MySQL has the table")
)]
pub(super) fn is_noted(connection: &mut AnyConnection, txid: &str) -> QueryResult<bool> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(false),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            let noted = payment_replays::table.find(txid);
            diesel::select(diesel::dsl::exists(noted)).get_result(connection)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => Ok(false),
    }
}

/// Notes a transaction that has paid, for ever.
#[cfg_attr(
    not(feature = "mysql"),
    expect(unused_variables, reason = "only MySQL has the table")
)]
pub(super) fn note(connection: &mut AnyConnection, txid: &str, now: &Timestamp) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            let row = (
                payment_replays::transaction_id.eq(txid),
                payment_replays::created_at.eq(now),
            );
            diesel::insert_or_ignore_into(payment_replays::table)
                .values(row)
                .execute(connection)
                .map(drop)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => Ok(()),
    }
}
