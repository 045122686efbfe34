//! The archive's rows: every column of every table that belongs to the server.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Timestamp;
use crate::db::engine::dialect::{directly, octet_length};
use crate::db::engine::schema::{
    device_registrations, identity_lists, message_boxes, message_permissions, messages,
    payment_inputs, payment_replays, payments, server_fees,
};
use crate::db::store::payments::payment_replays::taken_by_others;

use super::ArchiveError;

/// Rows per page where rows are small.
const PAGE: i64 = 500;

/// Payments per page: each may hold a transaction of 1 MiB.
const PAYMENTS: i64 = 16;

/// Maximum bytes of messages per page, unless one message alone is larger.
const PAGE_BYTES: i64 = 4 * 1024 * 1024;

macro_rules! row {
    ($(#[$doc:meta])* $name:ident of $table:ident { $($field:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Queryable, Selectable, Insertable, Serialize, Deserialize)]
        #[diesel(table_name = $table, treat_none_as_default_value = false)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(pub(super) $field: $kind,)+
        }
    };
}

row! {
    BoxRow of message_boxes {
        message_box_id: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
        kind: String,
        identity_key: String,
    }
}

row! {
    MessageRow of messages {
        id: i64,
        message_id: String,
        created_at: Timestamp,
        updated_at: Timestamp,
        message_box_id: i64,
        sender: String,
        recipient: String,
        body: String,
        expires_at: Option<Timestamp>,
    }
}

row! {
    /// A fee or a block that a recipient has set for a sender.
    PermissionRow of message_permissions {
        id: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
        recipient: String,
        sender: Option<String>,
        message_box: String,
        recipient_fee: i64,
    }
}

row! {
    /// The server's delivery fee for a box.
    FeeRow of server_fees {
        id: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
        message_box: String,
        delivery_fee: i64,
    }
}

row! {
    DeviceRow of device_registrations {
        id: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
        identity_key: String,
        fcm_token: String,
        device_id: Option<String>,
        platform: Option<String>,
        last_used: Option<Timestamp>,
        active: bool,
    }
}

row! {
    /// An output that was claimed as a payment.
    PaymentRow of payments {
        id: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
        txid: String,
        output_index: i64,
        satoshis: i64,
        payer: String,
        payee: String,
        sender_identity_key: String,
        derivation_prefix: String,
        derivation_suffix: String,
        purpose: String,
        state: String,
        settled: bool,
        transaction: Option<String>,
    }
}

row! {
    /// An output that a payment spends.
    InputRow of payment_inputs {
        id: i64,
        created_at: Timestamp,
        txid: String,
        output_index: i64,
        spent_by: String,
        purpose: String,
        settled: bool,
    }
}

row! {
    /// A transaction that paid another kind of server.
    ReplayRow of payment_replays {
        transaction_id: String,
        created_at: Timestamp,
    }
}

row! {
    /// An identity that was added to a list of the operator's, or removed from it.
    ListedRow of identity_lists {
        revision: i64,
        changed_at: Timestamp,
        list: String,
        identity_key: String,
        listed: bool,
    }
}

macro_rules! tables {
    ($($plural:ident: $variant:ident($row:ident), $name:literal, $from:expr, $table:ident.$id:ident > $first:expr, $page:expr;)+) => {
        /// One row, tagged with its kind.
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum ArchiveRow {
            $($variant($row),)+
        }

        /// Row counts by table.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct RowCounts {
            $(#[doc = concat!("Rows of `", $name, "`.")] pub $plural: u64,)+
        }

        impl RowCounts {
            #[must_use]
            pub fn total(&self) -> u64 {
                0 $(+ self.$plural)+
            }

            pub(super) fn count(&mut self, row: &ArchiveRow) {
                match row {
                    $(ArchiveRow::$variant(_) => self.$plural += 1,)+
                }
            }
        }

        /// Rows to insert, with one statement per table.
        #[derive(Default)]
        pub(super) struct InsertBatch {
            $($plural: Vec<$row>,)+
        }

        impl InsertBatch {
            pub(super) fn push(&mut self, row: ArchiveRow) {
                match row {
                    $(ArchiveRow::$variant(row) => self.$plural.push(row),)+
                }
            }

            /// Inserts boxes before their messages.
            pub(super) fn insert(&mut self, connection: &mut AnyConnection) -> QueryResult<()> {
                $(if !self.$plural.is_empty() {
                    let rows = std::mem::take(&mut self.$plural);
                    directly!(connection, connection => {
                        diesel::insert_into($table::table).values(&rows).execute(connection)?;
                    });
                })+
                Ok(())
            }
        }

        /// Reads every row, table by table in the order of ids, page by page.
        pub(super) fn read_all(
            connection: &mut AnyConnection,
            mut take: impl FnMut(ArchiveRow) -> Result<(), ArchiveError>,
        ) -> Result<(), ArchiveError> {
            $(let mut after = $first;
            loop {
                let limit = $page(connection, &after)?;
                let rows: Vec<$row> = $from
                    .filter($table::$id.gt(&after))
                    .order($table::$id.asc())
                    .limit(limit)
                    .select($row::as_select())
                    .load(connection)?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.$id);
                rows.into_iter().try_for_each(|row| take(ArchiveRow::$variant(row)))?;
            })+
            Ok(())
        }

        /// The name of a table that has rows, if any has.
        pub(super) fn occupied(connection: &mut AnyConnection) -> QueryResult<Option<&'static str>> {
            $({
                let rows: i64 = $table::table.count().get_result(connection)?;
                // Migrations insert default fees into every new database.
                if rows > 0 && $name != "server_fees" {
                    return Ok(Some($name));
                }
            })+
            Ok(None)
        }
    };
}

tables! {
    boxes: Box(BoxRow), "messageBox", message_boxes::table, message_boxes.message_box_id > i64::MIN, small;
    messages: Message(MessageRow), "messages", in_boxes(), messages.id > i64::MIN, messages_that_fit;
    permissions: Permission(PermissionRow), "message_permissions", message_permissions::table, message_permissions.id > i64::MIN, small;
    fees: Fee(FeeRow), "server_fees", server_fees::table, server_fees.id > i64::MIN, small;
    devices: Device(DeviceRow), "device_registrations", device_registrations::table, device_registrations.id > i64::MIN, small;
    payments: Payment(PaymentRow), "payments", payments::table, payments.id > i64::MIN, few;
    payment_inputs: PaymentInput(InputRow), "payment_inputs", payment_inputs::table, payment_inputs.id > i64::MIN, small;
    payment_replays: PaymentReplay(ReplayRow), "payment_replays", taken_by_others(), payment_replays.transaction_id > String::new(), small;
    identity_lists: ListedIdentity(ListedRow), "identity_lists", identity_lists::table, identity_lists.revision > i64::MIN, small;
}

#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn small<T>(_: &mut AnyConnection, _: &T) -> QueryResult<i64> {
    Ok(PAGE)
}

#[expect(clippy::unnecessary_wraps, reason = "as the others")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "another key is a text")]
fn few(_: &mut AnyConnection, _: &i64) -> QueryResult<i64> {
    Ok(PAYMENTS)
}

/// Adopted tables may hold messages without a box. No client can list them.
#[diesel::dsl::auto_type(no_type_alias)]
fn in_boxes() -> _ {
    messages::table.filter(messages::message_box_id.is_not_null())
}

/// The number of messages after this id that fit into one page. Client libraries buffer whole results, so the sizes are
/// read first.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "another key is a text")]
fn messages_that_fit(connection: &mut AnyConnection, after: &i64) -> QueryResult<i64> {
    let sizes: Vec<i32> = in_boxes()
        .filter(messages::id.gt(after))
        .order(messages::id.asc())
        .limit(PAGE)
        .select(octet_length(messages::body))
        .load(connection)?;
    let (mut bytes, mut count) = (0_i64, 0_i64);
    for size in sizes {
        bytes = bytes.saturating_add(size.into());
        if bytes > PAGE_BYTES && count > 0 {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// Empties the table of fees if it still has its defaults. Returns whether it did.
pub(super) fn take_first_fees(connection: &mut AnyConnection) -> QueryResult<bool> {
    const FIRST: [(&str, i64); 3] = [("inbox", 0), ("notifications", 10), ("payment_inbox", 0)];
    let found: Vec<(String, i64)> = server_fees::table
        .select((server_fees::message_box, server_fees::delivery_fee))
        .order(server_fees::message_box.asc())
        .load(connection)?;
    let found = found.iter().map(|(name, fee)| (name.as_str(), *fee));
    let untouched = found.clone().eq(FIRST) || found.count() == 0;
    if untouched {
        diesel::delete(server_fees::table).execute(connection)?;
    }
    Ok(untouched)
}
