//! Device registrations.

use crate::db::engine::error::DbError;
use crate::db::store::device_store::{self, MarkDevice, RegisterDevice, RemoveDevice};
use crate::ids::IdentityKey;
use crate::model::Device;

use super::DbHandle;

impl DbHandle {
    /// Registers a device for push notifications and returns its row. Returns none if another identity owns the token.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn register_device(
        &self,
        owner: IdentityKey,
        fcm_token: String,
        device_id: Option<String>,
        platform: Option<String>,
    ) -> Result<Option<i64>, DbError> {
        let command = RegisterDevice {
            owner,
            fcm_token,
            device_id,
            platform,
        };
        self.run(command).await
    }

    /// The devices of an identity, most recently changed first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn devices(&self, owner: IdentityKey) -> Result<Vec<Device>, DbError> {
        self.read(Some(owner), move |connection| {
            device_store::list(connection, &owner)
        })
        .await
    }

    /// Deletes a device of an identity, for operators. Returns whether it existed. The device gets no further
    /// notifications.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn remove_device(&self, owner: IdentityKey, id: i64) -> Result<bool, DbError> {
        self.run(RemoveDevice { owner, id }).await
    }

    /// Records that a device's token worked, or that it is dead.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn mark_device(&self, id: i64, works: bool) -> Result<(), DbError> {
        self.run(MarkDevice { id, works }).await
    }
}
