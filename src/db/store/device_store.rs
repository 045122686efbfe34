//! Devices that receive push notifications.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::{insert_unless_there, load_as};
use crate::db::engine::error::DbError;
use crate::db::engine::schema::device_registrations as devices;
use crate::ids::IdentityKey;
use crate::model::Device;

use super::command::{WriteCommand, WriteScope};

/// Maximum devices per identity: each of them receives every notification.
const MAX_DEVICES: i64 = 50;

/// Command: register a device or update it, and return its row. Returns none if another identity owns the token: its
/// owner controls the device, and the device must not lose its notifications.
pub(crate) struct RegisterDevice {
    pub(crate) owner: IdentityKey,
    pub(crate) fcm_token: String,
    pub(crate) device_id: Option<String>,
    pub(crate) platform: Option<String>,
}

impl WriteCommand for RegisterDevice {
    type Output = Option<i64>;

    fn owner(&self) -> Option<IdentityKey> {
        Some(self.owner)
    }

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<Option<i64>> {
        let now = &scope.now.text;
        let owner = self.owner.to_hex();
        let values = (
            devices::updated_at.eq(now),
            devices::identity_key.eq(&owner),
            devices::device_id.eq(&self.device_id),
            devices::platform.eq(&self.platform),
            devices::last_used.eq(now),
            devices::active.eq(true),
        );
        let row = (
            devices::created_at.eq(now),
            devices::fcm_token.eq(&self.fcm_token),
            values,
        );
        let unique = devices::fcm_token;
        if !insert_unless_there!(scope.connection, devices::table, row, unique)? {
            let own = devices::table
                .filter(devices::fcm_token.eq(&self.fcm_token))
                .filter(devices::identity_key.eq(&owner));
            if diesel::update(own).set(values).execute(scope.connection)? == 0 {
                return Ok(None);
            }
        }
        let id = devices::table
            .filter(devices::fcm_token.eq(&self.fcm_token))
            .select(devices::id)
            .first(scope.connection)?;
        self.forget_oldest(scope, id)?;
        Ok(Some(id))
    }
}

impl RegisterDevice {
    /// Deletes the owner's surplus devices: dead ones first, then the oldest.
    fn forget_oldest(&self, scope: &mut WriteScope<'_>, latest: i64) -> QueryResult<()> {
        let too_many: Vec<i64> = devices::table
            .filter(devices::identity_key.eq(self.owner.to_hex()))
            .filter(devices::id.ne(latest))
            .order((
                devices::active.desc(),
                devices::updated_at.desc(),
                devices::id.desc(),
            ))
            .offset(MAX_DEVICES - 1)
            .limit(i64::MAX)
            .select(devices::id)
            .load(scope.connection)?;
        if !too_many.is_empty() {
            diesel::delete(devices::table.filter(devices::id.eq_any(too_many)))
                .execute(scope.connection)?;
        }
        Ok(())
    }
}

/// Command: record that a device's token worked, or that it is dead.
pub(crate) struct MarkDevice {
    pub(crate) id: i64,
    pub(crate) works: bool,
}

impl WriteCommand for MarkDevice {
    type Output = ();

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        let now = &scope.now.text;
        let device = devices::table.find(self.id);
        let update = diesel::update(device);
        if self.works {
            let used = (devices::last_used.eq(now), devices::updated_at.eq(now));
            update.set(used).execute(scope.connection).map(drop)
        } else {
            let dead = (devices::active.eq(false), devices::updated_at.eq(now));
            update.set(dead).execute(scope.connection).map(drop)
        }
    }
}

/// Command: delete a device of an identity. Returns whether it existed.
pub(crate) struct RemoveDevice {
    pub(crate) owner: IdentityKey,
    pub(crate) id: i64,
}

impl WriteCommand for RemoveDevice {
    type Output = bool;

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<bool> {
        let own = devices::table
            .filter(devices::id.eq(self.id))
            .filter(devices::identity_key.eq(self.owner.to_hex()));
        Ok(diesel::delete(own).execute(scope.connection)? > 0)
    }
}

/// The devices of an identity, most recently changed first.
pub(crate) fn list(
    connection: &mut AnyConnection,
    owner: &IdentityKey,
) -> Result<Vec<Device>, DbError> {
    let own = devices::table
        .filter(devices::identity_key.eq(owner.to_hex()))
        .order((devices::updated_at.desc(), devices::id.desc()));
    Ok(load_as!(
        connection,
        own,
        Device {
            id: devices::id,
            fcm_token: devices::fcm_token,
            device_id: devices::device_id,
            platform: devices::platform,
            active: devices::active,
            created_at: devices::created_at,
            updated_at: devices::updated_at,
            last_used: devices::last_used,
        }
    )?)
}
