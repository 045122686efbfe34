//! Fees and blocks that recipients set for senders.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};

use crate::db::engine::any_connection::{AnyConnection, MultiBackend};
use crate::db::engine::dialect::load_as;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::message_permissions as permissions;
use crate::ids::IdentityKey;
use crate::model::{Permission, PermissionPage};

use super::command::{WriteCommand, WriteScope};

/// Command: set a recipient's permission.
#[derive(Debug)]
pub(crate) struct SetPermission {
    pub(crate) recipient: IdentityKey,
    pub(crate) sender: Option<IdentityKey>,
    pub(crate) message_box: String,
    pub(crate) recipient_fee: i64,
}

impl WriteCommand for SetPermission {
    type Output = ();

    fn owner(&self) -> Option<IdentityKey> {
        Some(self.recipient)
    }

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        let recipient = self.recipient.to_hex();
        let sender = self.sender.map(|key| key.to_hex());
        let now = &scope.now.text;
        // An upsert never matches a NULL sender. The writer runs one transaction at a time, so no other row can appear.
        let own = permissions::table
            .filter(permissions::recipient.eq(&recipient))
            .filter(permissions::message_box.eq(&self.message_box))
            .filter(is_for(sender.as_deref()));
        let updated = diesel::update(own)
            .set((
                permissions::recipient_fee.eq(self.recipient_fee),
                permissions::updated_at.eq(now),
            ))
            .execute(scope.connection)?;
        if updated > 0 {
            return Ok(());
        }
        diesel::insert_into(permissions::table)
            .values((
                permissions::created_at.eq(now),
                permissions::updated_at.eq(now),
                permissions::recipient.eq(&recipient),
                permissions::sender.eq(&sender),
                permissions::message_box.eq(&self.message_box),
                permissions::recipient_fee.eq(self.recipient_fee),
            ))
            .execute(scope.connection)?;
        Ok(())
    }
}

/// Command: delete a recipient's permission for one sender, or for all. Returns whether it existed.
#[derive(Debug)]
pub(crate) struct UnsetPermission {
    pub(crate) recipient: IdentityKey,
    pub(crate) sender: Option<IdentityKey>,
    pub(crate) message_box: String,
}

impl WriteCommand for UnsetPermission {
    type Output = bool;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<bool> {
        let sender = self.sender.map(|key| key.to_hex());
        let deleted = diesel::delete(
            permissions::table
                .filter(permissions::recipient.eq(self.recipient.to_hex()))
                .filter(permissions::message_box.eq(&self.message_box))
                .filter(is_for(sender.as_deref())),
        )
        .execute(scope.connection)?;
        Ok(deleted > 0)
    }
}

type Condition<'a> =
    Box<dyn BoxableExpression<permissions::table, MultiBackend, SqlType = Nullable<Bool>> + 'a>;

/// Matches the rows for this sender, or for all senders. NULL equals nothing, so it needs its own condition.
fn is_for(sender: Option<&str>) -> Condition<'_> {
    match sender {
        Some(sender) => Box::new(permissions::sender.eq(sender)),
        None => Box::new(permissions::sender.is_null().nullable()),
    }
}

/// Loads the permissions of a query.
macro_rules! load {
    ($connection:expr, $query:expr) => {
        load_as!(
            $connection,
            $query,
            Permission {
                sender: permissions::sender,
                message_box: permissions::message_box,
                recipient_fee: permissions::recipient_fee,
                created_at: permissions::created_at,
                updated_at: permissions::updated_at,
            }
        )
    };
}

/// A recipient's permission for a box and this sender, or for all senders.
pub(crate) fn get(
    connection: &mut AnyConnection,
    recipient: &IdentityKey,
    sender: Option<&IdentityKey>,
    message_box: &str,
) -> Result<Option<Permission>, DbError> {
    let sender = sender.map(IdentityKey::to_hex);
    let own = permissions::table
        .filter(permissions::recipient.eq(recipient.to_hex()))
        .filter(permissions::message_box.eq(message_box))
        .filter(is_for(sender.as_deref()))
        .limit(1);
    Ok(load!(connection, own)?.pop())
}

/// A recipient's permissions by box and sender, and their total number.
pub(crate) fn list(
    connection: &mut AnyConnection,
    recipient: &IdentityKey,
    page: &PermissionPage,
) -> Result<(Vec<Permission>, i64), DbError> {
    let own = || {
        let mut own = permissions::table
            .filter(permissions::recipient.eq(recipient.to_hex()))
            .into_boxed();
        if let Some(message_box) = &page.message_box {
            own = own.filter(permissions::message_box.eq(message_box));
        }
        own
    };
    let total = own().count().get_result(connection)?;
    // Engines sort NULL differently. Here permissions for all senders come first.
    let sorted = own().order((
        permissions::message_box.asc(),
        permissions::sender.is_not_null().asc(),
        permissions::sender.asc(),
    ));
    let sorted = if page.newest_first {
        sorted.then_order_by(permissions::created_at.desc())
    } else {
        sorted.then_order_by(permissions::created_at.asc())
    };
    let page = sorted.limit(page.limit).offset(page.offset);
    Ok((load!(connection, page)?, total))
}
