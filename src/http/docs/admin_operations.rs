//! The routes of admins.

use utoipa::openapi::HttpMethod::{self, Get, Post};

use crate::admin::{HistoryReport, ServerStatus};
use crate::http::admin::bodies::{
    Accepted, Disconnected, IdentityDevices, IdentityPermissions, InboxList, ListedIdentities,
    ListingChanged, LogLevel, Removed, RoomDetail, RoomList, SocketDetail, SocketList,
    WaitingBoxes,
};

use super::admin_failures as failures;
use super::operation::{ADMIN, Parameter, RouteAccess, RouteDoc};
use super::schemas::{SchemaOf, of, success};

#[rustfmt::skip]
const FULL: Parameter = ("full", false, "`true`: identities in full, and addresses; otherwise they are shortened or left out");
const LIMIT: Parameter = ("limit", false, "1 to 1000; default 100");
const AFTER: Parameter = ("after", false, "The `next` of the page before");
#[rustfmt::skip]
const SOCKET_CONTAINS: Parameter = ("contains", false, "Only sockets whose id or identity key contains this");

const fn admin(
    method: HttpMethod,
    path: &'static str,
    name: &'static str,
    reply: SchemaOf,
    summary: &'static str,
) -> RouteDoc {
    RouteDoc::new(method, path, name, ADMIN, reply, summary).access(RouteAccess::Admin)
}

const fn change_list(path: &'static str, name: &'static str, summary: &'static str) -> RouteDoc {
    admin(Post, path, name, success::<ListingChanged>, summary).fails(failures::OF_IDENTITY)
}

/// At the origin's root, and behind the routing prefix.
#[rustfmt::skip]
pub(super) const ROUTES: &[RouteDoc] = &[
    admin(Get, "/admin/status", "getStatus", of::<ServerStatus>,
        "Returns the server's counters and gauges; an actor that does not answer in time is `unresponsive`")
        .query(&[FULL])
        .fails(failures::STATUS),
    admin(Get, "/admin/history", "getHistory", of::<HistoryReport>,
        "Returns the figures of the last 24 hours, one point per minute")
        .fails(failures::STATUS),
    admin(Get, "/admin/rooms", "listRooms", success::<RoomList>,
        "Lists the rooms that a client has joined explicitly, by id")
        .query(&[("contains", false, "Only rooms whose id contains this"), LIMIT, AFTER, FULL])
        .fails(failures::ROOMS),
    admin(Get, "/admin/rooms/{id}", "getRoom", success::<RoomDetail>,
        "Lists the members of a room, by session id")
        .query(&[SOCKET_CONTAINS, LIMIT, AFTER, FULL])
        .fails(failures::ROOMS),
    admin(Get, "/admin/sockets", "listSockets", success::<SocketList>,
        "Lists sockets, by session id")
        .query(&[
            ("identity", false, "Only sockets of this identity key"),
            SOCKET_CONTAINS,
            ("transport", false, "`polling` or `websocket`"),
            ("state", false, "`authenticated` or `unauthenticated`; also `proven` or `unproven`"),
            LIMIT, AFTER, FULL,
        ])
        .fails(failures::SOCKETS),
    admin(Get, "/admin/sockets/{sid}", "getSocket", success::<SocketDetail>,
        "Returns a socket and its rooms")
        .query(&[LIMIT, FULL])
        .fails(failures::SOCKET),
    admin(Post, "/admin/sockets/{sid}/disconnect", "disconnectSocket", success::<Disconnected>,
        "Closes a socket; its client may reconnect")
        .fails(failures::DISCONNECT),
    admin(Post, "/admin/identities/{key}/disconnect", "disconnectIdentity", success::<Disconnected>,
        "Closes all sockets of an identity")
        .fails(failures::DISCONNECT_IDENTITY),
    admin(Post, "/admin/drain", "drainServer", success::<Accepted>,
        "Shuts the server down gracefully, as SIGTERM does"),
    admin(Post, "/admin/log-level", "setLogLevel", success::<LogLevel>,
        "Sets the log filter until the server ends")
        .query(&[("level", true, "A filter such as info or messagebox=debug")])
        .fails(failures::LOG_LEVEL),
    admin(Get, "/admin/boxes", "getAdminBoxes", success::<WaitingBoxes>,
        "Lists boxes with messages: number, bytes, and age of the oldest")
        .query(&[("identity", false, "Only boxes of this identity key, with their sum"), LIMIT, AFTER, FULL])
        .fails(failures::BOXES),
    admin(Get, "/admin/inboxes", "getAdminInboxes", success::<InboxList>,
        "Lists identities with messages: number and bytes")
        .query(&[("order", false, "`identity`, or by size: `messages` or `bytes`"), LIMIT, AFTER, FULL])
        .fails(failures::INBOXES),
    admin(Get, "/admin/lists/block", "getAdminListsBlock", success::<ListedIdentities>,
        "Lists the blocked identities, by key")
        .query(&[LIMIT, AFTER])
        .fails(failures::LISTS),
    admin(Get, "/admin/lists/allow", "getAdminListsAllow", success::<ListedIdentities>,
        "Lists the allowed identities, by key; if there are any, the server serves no others")
        .query(&[LIMIT, AFTER])
        .fails(failures::LISTS),
    change_list("/admin/identities/{key}/block", "postAdminIdentitiesKeyBlock",
        "Blocks an identity: every server refuses its requests and closes its sockets within seconds"),
    change_list("/admin/identities/{key}/unblock", "postAdminIdentitiesKeyUnblock",
        "Unblocks an identity"),
    change_list("/admin/identities/{key}/allow", "postAdminIdentitiesKeyAllow",
        "Adds an identity to the allow list; if that has any, the server serves no others"),
    change_list("/admin/identities/{key}/disallow", "postAdminIdentitiesKeyDisallow",
        "Removes an identity from the allow list"),
    admin(Get, "/admin/identities/{key}/devices", "getAdminIdentitiesKeyDevices", success::<IdentityDevices>,
        "Lists the devices of an identity")
        .fails(failures::OF_IDENTITY),
    admin(Post, "/admin/identities/{key}/devices/{id}/remove", "postAdminIdentitiesKeyDevicesIdRemove", success::<Removed>,
        "Removes a device of an identity")
        .fails(failures::REMOVE_DEVICE),
    admin(Get, "/admin/identities/{key}/permissions", "getAdminIdentitiesKeyPermissions", success::<IdentityPermissions>,
        "Lists the permissions of an identity, by box and sender")
        .query(&[("messageBox", false, "Only permissions for this box"), LIMIT, ("offset", false, "Permissions to skip")])
        .fails(failures::PERMISSIONS),
    admin(Post, "/admin/identities/{key}/permissions/unset", "postAdminIdentitiesKeyPermissionsUnset", success::<Removed>,
        "Removes a permission of an identity, so that a more general one applies")
        .query(&[
            ("messageBox", true, "The box, exactly as it is listed"),
            ("sender", false, "Identity key; without it: the permission for all senders"),
        ])
        .fails(failures::UNSET_PERMISSION),
];
