//! The failures of the routes of admins.

use super::shared_failures::FailureRow;

/// Of every route of admins: for everybody else it does not exist.
pub(super) const EVERY: &[FailureRow] = &[(404, "ERR_NOT_FOUND", "There is no such route.")];

const UNRESPONSIVE: FailureRow = (503, "ERR_UNRESPONSIVE", "The actor that knows it did not answer in time.");

const INVALID_LIMIT: FailureRow = (400, "ERR_INVALID_LIMIT", "limit must be a number between 1 and 1000");

const DATABASE: FailureRow = (500, "ERR_DATABASE_ERROR", "The database could not be asked.");

const UNKNOWN_SOCKET: FailureRow = (404, "ERR_UNKNOWN_SOCKET", "There is no such socket.");

const INVALID_IDENTITY: FailureRow = (400, "ERR_INVALID_IDENTITY", "An identity is a public key in hexadecimal.");

pub(super) const STATUS: &[FailureRow] = &[UNRESPONSIVE];

pub(super) const ROOMS: &[FailureRow] = &[INVALID_LIMIT, UNRESPONSIVE];

pub(super) const SOCKETS: &[FailureRow] = &[
    INVALID_LIMIT,
    INVALID_IDENTITY,
    (400, "ERR_INVALID_FILTER", "transport must be polling or websocket"),
];

pub(super) const SOCKET: &[FailureRow] = &[INVALID_LIMIT, UNKNOWN_SOCKET, UNRESPONSIVE];

pub(super) const DISCONNECT: &[FailureRow] = &[UNKNOWN_SOCKET];

pub(super) const DISCONNECT_IDENTITY: &[FailureRow] = &[INVALID_IDENTITY];

pub(super) const BOXES: &[FailureRow] = &[
    INVALID_LIMIT,
    INVALID_IDENTITY,
    (400, "ERR_INVALID_AFTER", "after must be the next of a page"),
    DATABASE,
];

pub(super) const INBOXES: &[FailureRow] = &[
    INVALID_LIMIT,
    (400, "ERR_INVALID_FILTER", "order must be identity, messages or bytes"),
    (409, "ERR_NOT_COUNTED", "Identities are counted only where a quota is set, such as MAX_INBOX_MESSAGES; boxes are always."),
    DATABASE,
];

pub(super) const LISTS: &[FailureRow] = &[INVALID_LIMIT, DATABASE];

pub(super) const OF_IDENTITY: &[FailureRow] = &[INVALID_IDENTITY, DATABASE];

pub(super) const REMOVE_DEVICE: &[FailureRow] = &[
    INVALID_IDENTITY,
    (404, "ERR_UNKNOWN_DEVICE", "This identity has no such device."),
    DATABASE,
];

pub(super) const PERMISSIONS: &[FailureRow] = &[
    INVALID_IDENTITY,
    INVALID_LIMIT,
    (400, "ERR_INVALID_OFFSET", "offset must be a number between 0 and 100000"),
    DATABASE,
];

pub(super) const UNSET_PERMISSION: &[FailureRow] = &[
    INVALID_IDENTITY,
    (400, "ERR_MISSING_PARAMETERS", "messageBox parameter is required."),
    DATABASE,
];

pub(super) const LOG_LEVEL: &[FailureRow] = &[(400, "ERR_INVALID_LOG_LEVEL", "level must be a filter such as info or messagebox=debug")];
