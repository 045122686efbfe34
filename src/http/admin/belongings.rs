//! Devices and permissions of an identity, for admins: to look, and to take away.

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::http::routes::bodies::{DeviceItem, PermissionItem};
use crate::ids::IdentityKey;
use crate::model::PermissionPage;

use super::sockets::key;
use super::{AdminState, Asked, database_error};

/// Permissions that may be passed over.
const MAX_OFFSET: i64 = 100_000;

/// The devices of an identity.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct IdentityDevices {
    /// Always `success`.
    status: &'static str,
    /// The one that changed last first; there are 50 at most.
    devices: Vec<DeviceItem>,
}

/// The permissions of an identity, by box and sender.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct IdentityPermissions {
    /// Always `success`.
    status: &'static str,
    /// The permissions.
    permissions: Vec<PermissionItem>,
    /// How many there are in all.
    total_count: i64,
}

/// Whether there was anything to take away.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Removed {
    /// Always `success`.
    status: &'static str,
    /// Whether there was.
    removed: bool,
}

/// `GET /admin/identities/{key}/devices`.
pub(super) async fn devices(identity: &str, admin: &AdminState) -> Result<Reply, ApiError> {
    let devices = admin.db.devices(key(identity)?).await;
    let devices = devices.map_err(|error| database_error(&error))?;
    Ok(Reply::ok(&IdentityDevices {
        status: "success",
        devices: devices.into_iter().map(DeviceItem::from).collect(),
    }))
}

/// `POST /admin/identities/{key}/devices/{id}/remove`.
pub(super) async fn remove_device(
    identity: &str,
    id: &str,
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let identity = key(identity)?;
    let unknown = || {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "ERR_UNKNOWN_DEVICE",
            "This identity has no such device.",
        )
    };
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let removed = admin.db.remove_device(identity, id).await;
    if !removed.map_err(|error| database_error(&error))? {
        return Err(unknown());
    }
    log::info!("an admin removes device {id} of {identity:?}");
    Ok(removed_reply(true))
}

/// `GET /admin/identities/{key}/permissions`.
pub(super) async fn permissions(
    asked: &Asked<'_>,
    identity: &str,
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let identity = key(identity)?;
    let offset = match asked.query.first(&["offset"]).map(str::parse) {
        None => 0,
        Some(Ok(offset @ 0..=MAX_OFFSET)) => offset,
        Some(_) => {
            return Err(ApiError::bad_request(
                "ERR_INVALID_OFFSET",
                "offset must be a number between 0 and 100000",
            ));
        }
    };
    let page = PermissionPage {
        message_box: asked.query.first(&["messageBox"]).map(str::to_owned),
        limit: i64::try_from(asked.limit()?).unwrap_or(i64::MAX),
        offset,
        newest_first: true,
    };
    let found = admin.db.permissions(identity, page).await;
    let (permissions, total_count) = found.map_err(|error| database_error(&error))?;
    Ok(Reply::ok(&IdentityPermissions {
        status: "success",
        permissions: permissions.into_iter().map(PermissionItem::from).collect(),
        total_count,
    }))
}

/// `POST /admin/identities/{key}/permissions/unset`.
pub(super) async fn unset_permission(
    asked: &Asked<'_>,
    identity: &str,
    admin: &AdminState,
) -> Result<Reply, ApiError> {
    let identity = key(identity)?;
    let Some(message_box) = asked.query.first(&["messageBox"]) else {
        return Err(ApiError::bad_request(
            "ERR_MISSING_PARAMETERS",
            "messageBox parameter is required.",
        ));
    };
    let sender: Option<IdentityKey> = asked.query.first(&["sender"]).map(key).transpose()?;
    let unset = admin
        .db
        .unset_permission(identity, sender, message_box.to_owned())
        .await;
    let removed = unset.map_err(|error| database_error(&error))?;
    log::info!("an admin unsets a permission of {identity:?} for box {message_box:?}");
    Ok(removed_reply(removed))
}

fn removed_reply(removed: bool) -> Reply {
    Reply::ok(&Removed {
        status: "success",
        removed,
    })
}
