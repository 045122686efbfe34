//! The routes by which admins look at what is stored, and change whom the server serves.

use utoipa::openapi::HttpMethod;

use super::admin_failures;
use super::operations::{AFTER, FULL, LIMIT, Operation, admin, parameter};

const fn change(path: &'static str, says: &'static str) -> Operation {
    admin(
        HttpMethod::Post,
        path,
        says,
        &[],
        &["ListingChanged"],
        admin_failures::OF_IDENTITY,
    )
}

pub(super) const OPERATORS_DATA: &[Operation] = &[
    admin(
        HttpMethod::Get,
        "/admin/boxes",
        "Lists boxes with waiting messages: how many, their bytes, the age of the oldest",
        &[
            parameter(
                "identity",
                false,
                "Those of this identity key, with their sum",
            ),
            LIMIT,
            AFTER,
            FULL,
        ],
        &["WaitingBoxes"],
        admin_failures::BOXES,
    ),
    admin(
        HttpMethod::Get,
        "/admin/inboxes",
        "Lists identities with waiting messages: how many, and their bytes",
        &[
            parameter(
                "order",
                false,
                "`identity`, or those with most `messages` or `bytes` first",
            ),
            LIMIT,
            AFTER,
            FULL,
        ],
        &["InboxList"],
        admin_failures::INBOXES,
    ),
    admin(
        HttpMethod::Get,
        "/admin/lists/block",
        "Lists the identities that are blocked, by their keys",
        &[LIMIT, AFTER],
        &["ListedIdentities"],
        admin_failures::LISTS,
    ),
    admin(
        HttpMethod::Get,
        "/admin/lists/allow",
        "Lists the identities that are allowed, by their keys; where there are any, no others are served",
        &[LIMIT, AFTER],
        &["ListedIdentities"],
        admin_failures::LISTS,
    ),
    change(
        "/admin/identities/{key}/block",
        "Blocks an identity: its requests are refused and its sockets ended, on every server within seconds",
    ),
    change(
        "/admin/identities/{key}/unblock",
        "Serves an identity again that was blocked",
    ),
    change(
        "/admin/identities/{key}/allow",
        "Puts an identity on the allow list; where that has any, no others are served",
    ),
    change(
        "/admin/identities/{key}/disallow",
        "Takes an identity off the allow list",
    ),
    admin(
        HttpMethod::Get,
        "/admin/identities/{key}/devices",
        "Lists the devices of an identity",
        &[],
        &["IdentityDevices"],
        admin_failures::OF_IDENTITY,
    ),
    admin(
        HttpMethod::Post,
        "/admin/identities/{key}/devices/{id}/remove",
        "Removes a device of an identity",
        &[],
        &["Removed"],
        admin_failures::REMOVE_DEVICE,
    ),
    admin(
        HttpMethod::Get,
        "/admin/identities/{key}/permissions",
        "Lists the permissions of an identity, by box and sender",
        &[
            parameter("messageBox", false, "Those of this box"),
            LIMIT,
            parameter("offset", false, "How many to skip"),
        ],
        &["IdentityPermissions"],
        admin_failures::PERMISSIONS,
    ),
    admin(
        HttpMethod::Post,
        "/admin/identities/{key}/permissions/unset",
        "Unsets a permission of an identity, so that what is more general holds",
        &[
            parameter("messageBox", true, "The box, exactly as it is listed"),
            parameter("sender", false, "Identity key; without it: everybody"),
        ],
        &["Removed"],
        admin_failures::UNSET_PERMISSION,
    ),
];
