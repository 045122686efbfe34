//! Devices and permissions of an identity: admins list and remove them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::reply::RouteReply;
use crate::http::routes::devices::DeviceItem;
use crate::http::routes::permissions::PermissionItem;
use crate::model::PermissionPage;

use super::request::{AdminRequest, key};
use super::state::{AdminState, database_error};

/// The devices of an identity.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct IdentityDevices {
    /// At most 50, the most recently changed first.
    devices: Vec<DeviceItem>,
}

/// The permissions of an identity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct IdentityPermissions {
    /// By box and sender.
    permissions: Vec<PermissionItem>,
    /// Number of permissions on all pages.
    total_count: i64,
}

/// Whether there was anything to remove.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Removed {
    removed: bool,
}

pub(super) async fn devices(identity: &str, admin: &AdminState) -> Result<RouteReply, ApiError> {
    let devices = admin.db.devices(key(identity)?).await;
    let devices = devices.map_err(database_error)?;
    Ok(RouteReply::success(&IdentityDevices {
        devices: devices.into_iter().map(DeviceItem::from).collect(),
    }))
}

pub(super) async fn remove_device(
    identity: &str,
    id: &str,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let identity = key(identity)?;
    let unknown = || ApiError::not_found("ERR_UNKNOWN_DEVICE", "This identity has no such device.");
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let removed = admin.db.remove_device(identity, id).await;
    if !removed.map_err(database_error)? {
        return Err(unknown());
    }
    log::info!("an admin removed device {id} of {identity:?}");
    Ok(RouteReply::success(&Removed { removed: true }))
}

pub(super) async fn permissions(
    request: &AdminRequest<'_>,
    identity: &str,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let identity = key(identity)?;
    let page = PermissionPage {
        message_box: request.parameter("messageBox").map(str::to_owned),
        offset: request.offset()?,
        limit: i64::try_from(request.limit()?).unwrap_or(i64::MAX),
        newest_first: true,
    };
    let found = admin.db.permissions(identity, page).await;
    let (permissions, total_count) = found.map_err(database_error)?;
    Ok(RouteReply::success(&IdentityPermissions {
        permissions: permissions.into_iter().map(PermissionItem::from).collect(),
        total_count,
    }))
}

pub(super) async fn unset_permission(
    request: &AdminRequest<'_>,
    identity: &str,
    admin: &AdminState,
) -> Result<RouteReply, ApiError> {
    let identity = key(identity)?;
    let Some(message_box) = request.parameter("messageBox") else {
        return Err(ApiError::bad_request(
            "ERR_MISSING_PARAMETERS",
            "messageBox parameter is required.",
        ));
    };
    let sender = request.key("sender")?;
    let unset = admin
        .db
        .unset_permission(identity, sender, message_box.to_owned())
        .await;
    let removed = unset.map_err(database_error)?;
    log::info!("an admin unset a permission of {identity:?} for box {message_box:?}");
    Ok(RouteReply::success(&Removed { removed }))
}
