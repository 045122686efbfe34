//! Devices that receive push notifications.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::dialect::insert_unless_there;
use crate::db::engine::error::DbError;
use crate::db::engine::schema::device_registrations as devices;
use crate::db::engine::timestamp::Timestamp;
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
        if self.works {
            diesel::update(device)
                .set((devices::last_used.eq(now), devices::updated_at.eq(now)))
                .execute(scope.connection)?;
        } else {
            diesel::update(device)
                .set((devices::active.eq(false), devices::updated_at.eq(now)))
                .execute(scope.connection)?;
        }
        Ok(())
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
    type Row = (
        i64,
        String,
        Option<String>,
        Option<String>,
        bool,
        Timestamp,
        Timestamp,
        Option<Timestamp>,
    );
    let rows: Vec<Row> = devices::table
        .filter(devices::identity_key.eq(owner.to_hex()))
        .order((devices::updated_at.desc(), devices::id.desc()))
        .select((
            devices::id,
            devices::fcm_token,
            devices::device_id,
            devices::platform,
            devices::active,
            devices::created_at,
            devices::updated_at,
            devices::last_used,
        ))
        .load(connection)?;
    let device =
        |(id, fcm_token, device_id, platform, active, created_at, updated_at, last_used): Row| {
            Device {
                id,
                fcm_token,
                device_id,
                platform,
                active,
                created_at: created_at.into(),
                updated_at: updated_at.into(),
                last_used: last_used.map(String::from),
            }
        };
    Ok(rows.into_iter().map(device).collect())
}
