//! The routes of clients, and those that are open to everybody.

use utoipa::openapi::HttpMethod::{Get, Post};

use crate::http::admin::bodies::Migrated;
use crate::http::public::health::{HealthReport, ReadinessReport};
use crate::http::public::info::Info;
use crate::http::reply::Success;
use crate::http::routes::devices::{DeviceList, Registered};
use crate::http::routes::list_messages::ListReply;
use crate::http::routes::permissions::{PermissionFound, PermissionList, PermissionSet};
use crate::http::routes::quote::{ManyQuotes, SingleQuote};
use crate::http::routes::send_message::SentReply;

use super::failures;
use super::operation::{
    ADMIN, DEVICES, MESSAGES, PERMISSIONS, Parameter, RouteAccess, RouteDoc, SERVER, SESSIONS,
};
use super::requests::{
    AcknowledgeMessageRequest, AuthMessageBody, ListMessagesRequest, RegisterDeviceRequest,
    SendMessageRequest, SetPermissionRequest,
};
use super::schemas::{SchemaOf, auth_reply, of, success, success_of_either};

const SENDER: Parameter = ("sender", false, "Identity key; without it: all senders");
const BOX: Parameter = ("messageBox", true, "The box; also read from `message_box`");

const fn open(
    path: &'static str,
    name: &'static str,
    reply: SchemaOf,
    summary: &'static str,
) -> RouteDoc {
    RouteDoc::new(Get, path, name, SERVER, reply, summary).access(RouteAccess::Open)
}

/// Behind the routing prefix, but for the open ones.
#[rustfmt::skip]
pub(super) const ROUTES: &[RouteDoc] = &[
    RouteDoc::new(Post, "/sendMessage", "sendMessage", MESSAGES, success::<SentReply>,
        "Stores a message for one or several recipients, all or none, and delivers it live")
        .body(of::<SendMessageRequest>)
        .fails(failures::SEND_MESSAGE),
    RouteDoc::new(Post, "/listMessages", "listMessages", MESSAGES, of::<ListReply<'static>>,
        "Lists the messages in a box of the caller")
        .body(of::<ListMessagesRequest>)
        .fails(failures::LIST_MESSAGES),
    RouteDoc::new(Post, "/acknowledgeMessage", "acknowledgeMessage", MESSAGES, of::<Success>,
        "Deletes messages of the caller")
        .body(of::<AcknowledgeMessageRequest>)
        .fails(failures::ACKNOWLEDGE_MESSAGE),
    RouteDoc::new(Post, "/registerDevice", "registerDevice", DEVICES, success::<Registered>,
        "Registers or updates a device of the caller for push notifications")
        .body(of::<RegisterDeviceRequest>)
        .fails(failures::REGISTER_DEVICE),
    RouteDoc::new(Get, "/devices", "listDevices", DEVICES, success::<DeviceList>,
        "Lists the caller's devices")
        .query(&[
            ("limit", false, "1 to 100, which is the default"),
            ("offset", false, "Devices to skip: 0 to 100000"),
        ])
        .fails(failures::DEVICES),
    RouteDoc::new(Post, "/permissions/set", "setPermission", PERMISSIONS, success::<PermissionSet>,
        "Sets the fee for senders to a box of the caller, or blocks them")
        .body(of::<SetPermissionRequest>)
        .fails(failures::SET_PERMISSION),
    RouteDoc::new(Get, "/permissions/get", "getPermission", PERMISSIONS, success::<PermissionFound>,
        "Returns the caller's setting for a box")
        .query(&[BOX, SENDER])
        .fails(failures::GET_PERMISSION),
    RouteDoc::new(Get, "/permissions/list", "listPermissions", PERMISSIONS, success::<PermissionList>,
        "Lists the caller's settings")
        .query(&[
            ("messageBox", false, "Only settings for this box; also read from `message_box`"),
            ("limit", false, "1 to 100, which is the default; up to 1000 unless `messageBox` names a box"),
            ("offset", false, "Settings to skip"),
            ("createdAtOrder", false, "`asc` or `desc`, which is the default"),
        ])
        .fails(failures::LIST_PERMISSIONS),
    RouteDoc::new(Get, "/permissions/quote", "getQuote", PERMISSIONS, success_of_either::<SingleQuote, ManyQuotes>,
        "Returns the price of a message of the caller; stores nothing")
        .query(&[("recipient", true, "Identity key; may be repeated"), BOX])
        .fails(failures::QUOTE),
    RouteDoc::new(Post, "/.well-known/auth", "exchangeAuthMessage", SESSIONS, auth_reply,
        "Begins a session (BRC-104), sends its certificates, or asks for the server's, which has none; always at the origin's root")
        .access(RouteAccess::Open)
        .body(of::<AuthMessageBody>)
        .fails(failures::HANDSHAKE),
    RouteDoc::new(Post, "/admin/migrate", "migrateDatabase", ADMIN, success::<Migrated>,
        "Applies missing migrations; exists if the operator has set MIGRATE_KEY")
        .access(RouteAccess::MigrateKey)
        .fails(failures::MIGRATE),
    open("/info", "getInfo", of::<Info>,
        "Returns version, identity key, limits, prices and retention; at the origin's root and behind the routing prefix"),
    open("/healthz", "getHealth", of::<HealthReport>,
        "Shows that the process serves requests; at the origin's root and behind the routing prefix"),
    open("/health", "getHealthAlias", of::<HealthReport>, "Alias of /healthz"),
    open("/readyz", "getReadiness", of::<ReadinessReport>,
        "Checks everything that the server needs; at the origin's root and behind the routing prefix")
        .fails(failures::READYZ),
    open("/ready", "getReadinessAlias", of::<ReadinessReport>, "Alias of /readyz")
        .fails(failures::READYZ),
];
