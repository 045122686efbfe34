//! Permissions and fees.

use std::collections::BTreeMap;

use crate::db::engine::error::DbError;
use crate::db::store::permission_store::{self, SetPermission, UnsetPermission};
use crate::db::writer::group;
use crate::ids::IdentityKey;
use crate::model::{FeeQuote, Permission, PermissionPage};

use super::{DbHandle, may_be_stored};

impl DbHandle {
    /// Replaces the operator's delivery fees.
    pub fn set_delivery_fees(&self, boxes: BTreeMap<String, u64>) {
        self.0.fees.set(boxes);
    }

    /// Sets the fee or block of a recipient for one sender, or for all senders.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn set_permission(
        &self,
        recipient: IdentityKey,
        sender: Option<IdentityKey>,
        message_box: String,
        recipient_fee: i64,
    ) -> Result<(), DbError> {
        let command = SetPermission {
            recipient,
            sender,
            message_box,
            recipient_fee,
        };
        self.run(command).await
    }

    /// Deletes a recipient's permission, for operators, so that a more general one applies. Returns whether it existed.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn unset_permission(
        &self,
        recipient: IdentityKey,
        sender: Option<IdentityKey>,
        message_box: String,
    ) -> Result<bool, DbError> {
        if !may_be_stored(&message_box) {
            return Ok(false);
        }
        let command = UnsetPermission {
            recipient,
            sender,
            message_box,
        };
        self.run(command).await
    }

    /// A recipient's permission for this sender, or for all senders.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn permission(
        &self,
        recipient: IdentityKey,
        sender: Option<IdentityKey>,
        message_box: String,
    ) -> Result<Option<Permission>, DbError> {
        if !may_be_stored(&message_box) {
            return Ok(None);
        }
        self.read(Some(recipient), move |connection| {
            permission_store::get(connection, &recipient, sender.as_ref(), &message_box)
        })
        .await
    }

    /// A page of a recipient's permissions, and their total number.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn permissions(
        &self,
        recipient: IdentityKey,
        page: PermissionPage,
    ) -> Result<(Vec<Permission>, i64), DbError> {
        if !page.message_box.as_deref().is_none_or(may_be_stored) {
            return Ok((Vec::new(), 0));
        }
        self.read(Some(recipient), move |connection| {
            permission_store::list(connection, &recipient, &page)
        })
        .await
    }

    /// The price of a message from `sender` to these recipients.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn quote(
        &self,
        sender: IdentityKey,
        recipients: Vec<IdentityKey>,
        message_box: String,
    ) -> Result<FeeQuote, DbError> {
        let fees = self.0.fees.clone();
        self.read(Some(sender), move |connection| {
            let quote = group::quote(connection, &fees, &sender, &recipients, &message_box);
            Ok(quote?)
        })
        .await
    }
}
