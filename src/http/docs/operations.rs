//! The routes, as they are described.

use utoipa::openapi::HttpMethod;

use super::admin_failures;
use super::failures::{self, Failure};

/// A parameter of a query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) says: &'static str,
}

pub(super) const fn parameter(name: &'static str, required: bool, says: &'static str) -> Parameter {
    Parameter {
        name,
        required,
        says,
    }
}

/// Who may use a route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever signs its requests (BRC-104).
    Signed,
    /// Whoever has the operator's key.
    MigrateKey,
    /// An admin: by token, by signature, or by being at the machine.
    Admin,
    /// Anybody.
    Open,
}

/// A route.
pub(super) struct Operation {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    pub(super) says: &'static str,
    pub(super) access: Access,
    /// Name of a schema.
    pub(super) body: Option<&'static str>,
    pub(super) parameters: &'static [Parameter],
    /// Names of schemas.
    pub(super) replies: &'static [&'static str],
    pub(super) failures: &'static [Failure],
}

const SENDER: Parameter = parameter("sender", false, "Identity key; without it: everybody");
const BOX: Parameter = parameter("messageBox", true, "The box; `message_box` is taken too");

const fn post(
    path: &'static str,
    says: &'static str,
    body: &'static str,
    replies: &'static [&'static str],
    failures: &'static [Failure],
) -> Operation {
    Operation {
        method: HttpMethod::Post,
        path,
        says,
        access: Access::Signed,
        body: Some(body),
        parameters: &[],
        replies,
        failures,
    }
}

const fn get(
    path: &'static str,
    says: &'static str,
    parameters: &'static [Parameter],
    replies: &'static [&'static str],
    failures: &'static [Failure],
) -> Operation {
    Operation {
        method: HttpMethod::Get,
        path,
        says,
        access: Access::Signed,
        body: None,
        parameters,
        replies,
        failures,
    }
}

const fn open(
    path: &'static str,
    says: &'static str,
    replies: &'static [&'static str],
    failures: &'static [Failure],
) -> Operation {
    Operation {
        access: Access::Open,
        ..get(path, says, &[], replies, failures)
    }
}

pub(super) const fn admin(
    method: HttpMethod,
    path: &'static str,
    says: &'static str,
    parameters: &'static [Parameter],
    reply: &'static [&'static str],
    failures: &'static [Failure],
) -> Operation {
    Operation {
        method,
        path,
        says,
        access: Access::Admin,
        body: None,
        parameters,
        replies: reply,
        failures,
    }
}

pub(super) const FULL: Parameter = parameter(
    "full",
    false,
    "`true`: identities in full, and addresses; else they are shortened or left away",
);
pub(super) const LIMIT: Parameter = parameter("limit", false, "1 to 1000; 100 without it");
pub(super) const AFTER: Parameter = parameter("after", false, "The `next` of the page before");

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    post(
        "/sendMessage",
        "Stores a message for one recipient or many, all or none, and delivers it live",
        "SendMessageRequest",
        &["Sent"],
        failures::SEND_MESSAGE,
    ),
    post(
        "/listMessages",
        "Lists what waits in a box of the caller",
        "ListMessagesRequest",
        &["Listed"],
        failures::LIST_MESSAGES,
    ),
    post(
        "/acknowledgeMessage",
        "Deletes messages of the caller",
        "AcknowledgeMessageRequest",
        &["Success"],
        failures::ACKNOWLEDGE_MESSAGE,
    ),
    post(
        "/registerDevice",
        "Registers a device of the caller for push notifications, or what is new about it",
        "RegisterDeviceRequest",
        &["Registered"],
        failures::REGISTER_DEVICE,
    ),
    get(
        "/devices",
        "Lists the caller's devices",
        &[
            parameter("limit", false, "1 to 100, which is the default"),
            parameter(
                "offset",
                false,
                "Leaves the first so many away: 0 to 100000",
            ),
        ],
        &["DeviceList"],
        failures::DEVICES,
    ),
    post(
        "/permissions/set",
        "Sets what the caller asks of those who write to it",
        "SetPermissionRequest",
        &["PermissionSet"],
        failures::SET_PERMISSION,
    ),
    get(
        "/permissions/get",
        "Says what the caller has set for a box",
        &[BOX, SENDER],
        &["PermissionFound"],
        failures::GET_PERMISSION,
    ),
    get(
        "/permissions/list",
        "Lists what the caller has set",
        &[
            parameter(
                "messageBox",
                false,
                "Of this box only; `message_box` is taken too",
            ),
            parameter(
                "limit",
                false,
                "1 to 100, which is the default; 1 to 1000 where the box is not named by `messageBox`",
            ),
            parameter("offset", false, "Leaves the first so many away"),
            parameter(
                "createdAtOrder",
                false,
                "`asc` or `desc`, which is the default",
            ),
        ],
        &["PermissionList"],
        failures::LIST_PERMISSIONS,
    ),
    get(
        "/permissions/quote",
        "Says what a message of the caller would cost; nothing is written",
        &[
            parameter(
                "recipient",
                true,
                "Identity key; may be given several times",
            ),
            BOX,
        ],
        &["SingleQuote", "ManyQuotes"],
        failures::QUOTE,
    ),
    Operation {
        method: HttpMethod::Post,
        path: "/.well-known/auth",
        says: "Begins a session (BRC-104), brings the certificates that it needs, or asks for the server's, which has none; always at the origin's root",
        access: Access::Open,
        body: Some("AuthMessageBody"),
        parameters: &[],
        replies: &["AuthMessageBody", "Success"],
        failures: failures::HANDSHAKE,
    },
    Operation {
        method: HttpMethod::Post,
        path: "/admin/migrate",
        says: "Brings the tables up to date; exists where the operator has set MIGRATE_KEY",
        access: Access::MigrateKey,
        body: None,
        parameters: &[],
        replies: &["Migrated"],
        failures: failures::MIGRATE,
    },
    open(
        "/info",
        "Says what the server is and takes: version, identity key, limits, prices, retention; at the origin's root and behind the routing prefix",
        &["Info"],
        &[],
    ),
    open(
        "/healthz",
        "Says that the process serves; at the origin's root and behind the routing prefix",
        &["HealthReport"],
        &[],
    ),
    open("/health", "The same as /healthz", &["HealthReport"], &[]),
    open(
        "/readyz",
        "Says whether the server can do its work; at the origin's root and behind the routing prefix",
        &["ReadinessReport"],
        failures::READYZ,
    ),
    open(
        "/ready",
        "The same as /readyz",
        &["ReadinessReport"],
        failures::READYZ,
    ),
    admin(
        HttpMethod::Get,
        "/admin/status",
        "Says how the server is, in counts; an actor that does not answer in time is `unresponsive`",
        &[FULL],
        &["Status"],
        admin_failures::STATUS,
    ),
    admin(
        HttpMethod::Get,
        "/admin/history",
        "Says how the server was in the last 24 hours, a point a minute",
        &[],
        &["HistoryReport"],
        admin_failures::STATUS,
    ),
    admin(
        HttpMethod::Get,
        "/admin/rooms",
        "Lists the rooms that somebody has joined by asking, by their ids",
        &[
            parameter("contains", false, "Those whose ids contain this"),
            LIMIT,
            AFTER,
            FULL,
        ],
        &["RoomList"],
        admin_failures::ROOMS,
    ),
    admin(
        HttpMethod::Get,
        "/admin/rooms/{id}",
        "Says who is in a room, by their session ids",
        &[
            parameter(
                "contains",
                false,
                "Those whose id or identity key contains this",
            ),
            LIMIT,
            AFTER,
            FULL,
        ],
        &["RoomDetail"],
        admin_failures::ROOMS,
    ),
    admin(
        HttpMethod::Get,
        "/admin/sockets",
        "Lists sockets, by their session ids",
        &[
            parameter("identity", false, "Those of this identity key"),
            parameter(
                "contains",
                false,
                "Those whose id or identity key contains this",
            ),
            parameter("transport", false, "`polling` or `websocket`"),
            parameter("state", false, "`proven` or `unproven`"),
            LIMIT,
            AFTER,
            FULL,
        ],
        &["SocketList"],
        admin_failures::SOCKETS,
    ),
    admin(
        HttpMethod::Get,
        "/admin/sockets/{sid}",
        "Says what is known of a socket",
        &[LIMIT, FULL],
        &["SocketDetail"],
        admin_failures::SOCKET,
    ),
    admin(
        HttpMethod::Post,
        "/admin/sockets/{sid}/disconnect",
        "Ends a socket; its client may connect again",
        &[],
        &["Disconnected"],
        admin_failures::DISCONNECT,
    ),
    admin(
        HttpMethod::Post,
        "/admin/identities/{key}/disconnect",
        "Ends all sockets of an identity",
        &[],
        &["Disconnected"],
        admin_failures::DISCONNECT_IDENTITY,
    ),
    admin(
        HttpMethod::Post,
        "/admin/drain",
        "Takes the server down in order, as SIGTERM does",
        &[],
        &["Accepted"],
        &[],
    ),
    admin(
        HttpMethod::Post,
        "/admin/log-level",
        "Sets what is logged, until the server ends",
        &[parameter(
            "level",
            true,
            "A filter such as info or messagebox=debug",
        )],
        &["LogLevel"],
        admin_failures::LOG_LEVEL,
    ),
];
