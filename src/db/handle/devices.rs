//! Devices, through the handle.

use crate::db::engine::error::DbError;
use crate::db::store::device_store::{self, MarkDevice, RegisterDevice, RemoveDevice};
use crate::ids::IdentityKey;
use crate::model::Device;

use super::DbHandle;

impl DbHandle {
    /// Registers a device for push notifications; gives its row. None where its token is another identity's.
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

    /// An identity's devices, the one that changed last first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn devices(&self, owner: IdentityKey) -> Result<Vec<Device>, DbError> {
        self.read(Some(owner), move |connection| {
            device_store::list(connection, &owner)
        })
        .await
    }

    /// Deletes a device of an identity; says whether there was one. For operators: it gets no notifications any more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn remove_device(&self, owner: IdentityKey, id: i64) -> Result<bool, DbError> {
        self.run(RemoveDevice { owner, id }).await
    }

    /// Notes that a device's token worked, or that it is dead.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn mark_device(&self, id: i64, works: bool) -> Result<(), DbError> {
        self.run(MarkDevice { id, works }).await
    }
}
