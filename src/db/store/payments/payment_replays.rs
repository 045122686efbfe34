//! Transactions that paid another kind of server, in the table `payment_replays` of newer TypeScript servers. On MySQL
//! both kinds of servers share the table, and neither accepts the other's transactions. On the other engines it holds
//! only imported rows.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Timestamp;
use crate::db::engine::schema::{payment_replays, payments};

/// Whether a server of either kind has recorded this transaction.
pub(crate) fn is_noted(connection: &mut AnyConnection, txid: &str) -> QueryResult<bool> {
    let noted = payment_replays::table.find(txid);
    diesel::select(diesel::dsl::exists(noted)).get_result(connection)
}

/// Records a transaction that paid here permanently, for servers of the other kind.
#[cfg_attr(
    not(feature = "mysql"),
    expect(unused_variables, reason = "the other servers have MySQL only")
)]
pub(crate) fn note(connection: &mut AnyConnection, txid: &str, now: &Timestamp) -> QueryResult<()> {
    match connection {
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
        _ => Ok(()),
    }
}

/// Records all transactions that paid here, as [`note`] does.
pub(crate) fn note_all(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => diesel::sql_query(
            "INSERT IGNORE INTO payment_replays (transaction_id, created_at) \
             SELECT txid, MIN(created_at) FROM payments WHERE settled GROUP BY txid",
        )
        .execute(connection)
        .map(drop),
        _ => Ok(()),
    }
}

/// The transactions that another server accepted and this one did not.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn taken_by_others() -> _ {
    let own = payments::table
        .filter(payments::txid.eq(payment_replays::transaction_id))
        .filter(payments::settled);
    payment_replays::table.filter(diesel::dsl::not(diesel::dsl::exists(own)))
}
