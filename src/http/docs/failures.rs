//! The failures of each route: status, code, and a description as the route sends it.

use super::shared_failures::{FailureRow, OVERLOADED, RATE_LIMITED, TOO_DEEP};

const MAX_RECIPIENTS: FailureRow = (400, "ERR_TOO_MANY_RECIPIENTS", "A message may have at most 1000 recipients.");

pub(super) const SEND_MESSAGE: &[FailureRow] = &[
    (400, "ERR_MESSAGE_REQUIRED", "Please provide a valid message to send!"),
    (400, "ERR_INVALID_MESSAGEBOX", "Invalid message box."),
    (400, "ERR_INVALID_MESSAGE_BODY", "Invalid message body."),
    (400, "ERR_RECIPIENT_REQUIRED", "Missing recipient(s). Provide \"recipient\" or \"recipients\"."),
    (400, "ERR_MESSAGEID_REQUIRED", "Missing messageId."),
    (400, "ERR_MESSAGEID_COUNT_MISMATCH", "Recipients (2) and messageId count (3) must match."),
    MAX_RECIPIENTS,
    (400, "ERR_INVALID_MESSAGEID", "Each messageId must be a non-empty string."),
    (400, "ERR_INVALID_RECIPIENT_KEY", "Invalid recipient key: alice"),
    (400, "ERR_INVALID_EXPIRY", "expiresAt must be an ISO 8601 date or milliseconds since 1970, and still to come."),
    (403, "ERR_DELIVERY_BLOCKED", "Blocked recipients: 02…"),
    (400, "ERR_MISSING_PAYMENT_TX", "Payment transaction data is required for payable delivery."),
    (400, "ERR_MISSING_DELIVERY_OUTPUT", "Delivery fee required but no outputs were provided."),
    (400, "ERR_INSUFFICIENT_OUTPUTS", "Expected at least 2 recipient output(s) but received 1"),
    (400, "ERR_MISSING_RECIPIENT_OUTPUTS", "Recipient fee required but no outputs were provided for 02…"),
    (400, "ERR_INVALID_PAYMENT", "The payment is not valid: it breaks off"),
    (400, "ERR_INSUFFICIENT_PAYMENT", "Payment was not accepted by the server: the server gets 9 of 10 satoshis"),
    (400, "ERR_PAYMENT_REUSED", "Payment was not accepted by the server: output 7f….0 has been used before"),
    (500, "ERR_INTERNALIZE_FAILED", "Failed to internalize payment: the wallet did not answer"),
    (500, "ERR_PAYMENT_UNVERIFIED", "The block headers could not be asked: no answer in time"),
    (400, "ERR_DUPLICATE_MESSAGE", "Duplicate message: this messageId is in use for this recipient, in another box or by another sender. Send it with a new messageId."),
    (429, "ERR_SENDER_QUOTA_EXCEEDED", "At most 100000 messages of one sender are stored until their recipients acknowledge them."),
    (429, "ERR_INBOX_QUOTA_EXCEEDED", "The inbox of 02… may have 100000 messages."),
    (503, "ERR_STORAGE_FULL", "The server has no room for more messages, try again later."),
    (413, "ERR_MESSAGE_BODY_TOO_LARGE", "The message is larger than 4000000 bytes as a list shows it: JSON, with its payment. Send less, or in parts."),
    (500, "ERR_INTERNAL", "An internal error has occurred."),
    OVERLOADED,
];

pub(super) const LIST_MESSAGES: &[FailureRow] = &[
    (400, "ERR_MESSAGEBOX_REQUIRED", "Please provide the name of a valid MessageBox!"),
    (400, "ERR_INVALID_MESSAGEBOX", "MessageBox name must be a string!"),
    (400, "ERR_INVALID_LIMIT", "limit must be a number between 1 and 1000"),
    (400, "ERR_INVALID_OFFSET", "offset must be a number between 0 and 100000, and skip the same"),
    (400, "ERR_INVALID_MESSAGE_ID", "messageId must be a string"),
    (400, "ERR_INVALID_CURSOR", "cursor must be a nextCursor"),
    (400, "ERR_INVALID_ORDER", "order must be asc or desc"),
    (500, "ERR_INTERNAL_ERROR", "An internal error has occurred while listing messages."),
    OVERLOADED,
];

pub(super) const ACKNOWLEDGE_MESSAGE: &[FailureRow] = &[
    (400, "ERR_MESSAGE_ID_REQUIRED", "Please provide the ID of the message(s) to acknowledge!"),
    (400, "ERR_INVALID_MESSAGE_ID", "Message IDs must be formatted as an array of strings!"),
    (400, "ERR_INVALID_ACKNOWLEDGMENT", "Message not found!"),
    (500, "ERR_INTERNAL_ERROR", "An internal error has occurred while acknowledging the message"),
    OVERLOADED,
];

pub(super) const REGISTER_DEVICE: &[FailureRow] = &[
    (400, "ERR_INVALID_FCM_TOKEN", "fcmToken is required and must be a non-empty string."),
    (400, "ERR_INVALID_PLATFORM", "platform must be one of: ios, android, web"),
    (400, "ERR_INVALID_DEVICE_ID", "deviceId must be a string of at most 255 bytes."),
    (409, "ERR_DEVICE_TOKEN_ALREADY_REGISTERED", "This device token is already registered to another identity."),
    (500, "ERR_DATABASE_ERROR", "Failed to register device."),
    OVERLOADED,
];

pub(super) const DEVICES: &[FailureRow] = &[
    (400, "ERR_INVALID_LIMIT", "limit must be a number between 1 and 100"),
    (400, "ERR_INVALID_OFFSET", "offset must be a number between 0 and 100000"),
    (500, "ERR_DATABASE_ERROR", "Failed to retrieve devices."),
    OVERLOADED,
];

const PUBLIC_KEY: FailureRow = (400, "ERR_INVALID_PUBLIC_KEY", "Invalid sender public key format.");

const INTERNAL: FailureRow = (500, "ERR_INTERNAL", "An internal error has occurred.");

pub(super) const SET_PERMISSION: &[FailureRow] = &[
    (400, "ERR_INVALID_REQUEST", "messageBox (string) and recipientFee (number) are required. sender (string) is optional for box-wide settings."),
    PUBLIC_KEY,
    (400, "ERR_INVALID_FEE_VALUE", "recipientFee must be an integer (-1, 0, or positive number)."),
    (400, "ERR_INVALID_MESSAGE_BOX", "messageBox must be a non-empty string."),
    INTERNAL,
    OVERLOADED,
];

pub(super) const GET_PERMISSION: &[FailureRow] = &[
    (400, "ERR_MISSING_PARAMETERS", "messageBox parameter is required."),
    PUBLIC_KEY,
    INTERNAL,
    OVERLOADED,
];

pub(super) const LIST_PERMISSIONS: &[FailureRow] = &[
    (400, "ERR_INVALID_LIMIT", "Limit must be a number between 1 and 1000"),
    (400, "ERR_INVALID_OFFSET", "Offset must be a non-negative number"),
    (500, "ERR_LIST_PERMISSIONS_FAILED", "Failed to list permissions."),
    OVERLOADED,
];

pub(super) const QUOTE: &[FailureRow] = &[
    (400, "ERR_MISSING_PARAMETERS", "recipient and messageBox parameters are required."),
    (400, "ERR_INVALID_MESSAGE_BOX", "Invalid message box."),
    MAX_RECIPIENTS,
    (400, "ERR_INVALID_PUBLIC_KEY", "Invalid recipient public key at index(es): 0, 2."),
    INTERNAL,
    OVERLOADED,
];

pub(super) const HANDSHAKE: &[FailureRow] = &[
    RATE_LIMITED,
    (400, "ERR_INVALID_AUTH_MESSAGE", "Missing required fields in initialRequest message."),
    TOO_DEEP,
    // Worded as in the middleware in use, which sends no code.
    (400, "No certificates provided", ""),
    (401, "ERR_AUTH_FAILED", "Signature is not valid"),
    (413, "ERR_BODY_TOO_LARGE", "The request is larger than 65536 bytes."),
    (408, "ERR_REQUEST_TIMEOUT", "The request body took too long."),
];

pub(super) const MIGRATE: &[FailureRow] = &[
    RATE_LIMITED,
    (401, "ERR_INVALID_MIGRATE_KEY", "The migrate key is missing or wrong."),
    (500, "ERR_MIGRATION_FAILED", "The migration failed; see the log."),
];

pub(super) const READYZ: &[FailureRow] = &[(503, "ERR_NOT_READY", "Not ready: database.")];
