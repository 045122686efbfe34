//! How requests of admins fail.

use super::failures::{Failure, failure};

/// Of every route of admins: who is none is told that there is no such route.
pub(super) const EVERY: &[Failure] = &[failure(404, "ERR_NOT_FOUND", "There is no such route.")];

const UNRESPONSIVE: Failure = failure(
    503,
    "ERR_UNRESPONSIVE",
    "The actor that knows it did not answer in time.",
);

const INVALID_LIMIT: Failure = failure(
    400,
    "ERR_INVALID_LIMIT",
    "limit must be a number between 1 and 1000",
);

const DATABASE: Failure = failure(
    500,
    "ERR_DATABASE_ERROR",
    "The database could not be asked.",
);

const UNKNOWN_SOCKET: Failure = failure(404, "ERR_UNKNOWN_SOCKET", "There is no such socket.");

const INVALID_IDENTITY: Failure = failure(
    400,
    "ERR_INVALID_IDENTITY",
    "An identity is a public key in hexadecimal.",
);

pub(super) const STATUS: &[Failure] = &[UNRESPONSIVE];

pub(super) const ROOMS: &[Failure] = &[INVALID_LIMIT, UNRESPONSIVE];

pub(super) const SOCKETS: &[Failure] = &[
    INVALID_LIMIT,
    INVALID_IDENTITY,
    failure(
        400,
        "ERR_INVALID_FILTER",
        "transport must be polling or websocket",
    ),
];

pub(super) const SOCKET: &[Failure] = &[INVALID_LIMIT, UNKNOWN_SOCKET, UNRESPONSIVE];

pub(super) const DISCONNECT: &[Failure] = &[UNKNOWN_SOCKET];

pub(super) const DISCONNECT_IDENTITY: &[Failure] = &[INVALID_IDENTITY];

pub(super) const BOXES: &[Failure] = &[
    INVALID_LIMIT,
    INVALID_IDENTITY,
    failure(400, "ERR_INVALID_AFTER", "after must be the next of a page"),
    DATABASE,
];

pub(super) const INBOXES: &[Failure] = &[
    INVALID_LIMIT,
    failure(
        400,
        "ERR_INVALID_FILTER",
        "order must be identity, messages or bytes",
    ),
    failure(
        409,
        "ERR_NOT_COUNTED",
        "Identities are counted only where a quota is set, such as MAX_INBOX_MESSAGES; boxes are always.",
    ),
    DATABASE,
];

pub(super) const LISTS: &[Failure] = &[INVALID_LIMIT, DATABASE];

pub(super) const OF_IDENTITY: &[Failure] = &[INVALID_IDENTITY, DATABASE];

pub(super) const REMOVE_DEVICE: &[Failure] = &[
    INVALID_IDENTITY,
    failure(
        404,
        "ERR_UNKNOWN_DEVICE",
        "This identity has no such device.",
    ),
    DATABASE,
];

pub(super) const PERMISSIONS: &[Failure] = &[
    INVALID_IDENTITY,
    INVALID_LIMIT,
    failure(
        400,
        "ERR_INVALID_OFFSET",
        "offset must be a number between 0 and 100000",
    ),
    DATABASE,
];

pub(super) const UNSET_PERMISSION: &[Failure] = &[
    INVALID_IDENTITY,
    failure(
        400,
        "ERR_MISSING_PARAMETERS",
        "messageBox parameter is required.",
    ),
    DATABASE,
];

pub(super) const LOG_LEVEL: &[Failure] = &[failure(
    400,
    "ERR_INVALID_LOG_LEVEL",
    "level must be a filter such as info or messagebox=debug",
)];
