//! The names of events on the wire.

/// Socket.IO event that carries every auth message, in both directions.
pub const AUTH_MESSAGE: &str = "authMessage";
/// Client: confirm who I am.
pub const AUTHENTICATED: &str = "authenticated";
/// Client: make me a member of a room.
pub const JOIN_ROOM: &str = "joinRoom";
/// Client: I leave a room.
pub const LEAVE_ROOM: &str = "leaveRoom";
/// Client: store and deliver a message. Server: `sendMessage-<room>` delivers one.
pub const SEND_MESSAGE: &str = "sendMessage";
/// Server: you are who you say.
pub const AUTHENTICATION_SUCCESS: &str = "authenticationSuccess";
/// Server: you are not.
pub const AUTHENTICATION_FAILED: &str = "authenticationFailed";
/// Server: you are a member.
pub const JOINED_ROOM: &str = "joinedRoom";
/// Server: you are not.
pub const JOIN_FAILED: &str = "joinFailed";
/// Server: you have left.
pub const LEFT_ROOM: &str = "leftRoom";
/// Server: you have not.
pub const LEAVE_FAILED: &str = "leaveFailed";
/// Server: `sendMessageAck-<room>`: stored, or not.
pub const SEND_MESSAGE_ACK: &str = "sendMessageAck";
/// Server: nothing has happened for a while; clients have no handler for it. It keeps their session from being forgotten,
/// and is the first event after a handshake that the server has begun.
pub const KEEP_ALIVE: &str = "keepAlive";
/// Server: a message was refused.
pub const MESSAGE_FAILED: &str = "messageFailed";
/// Server: a message was refused for who sent it or what was paid.
pub const PAYMENT_FAILED: &str = "paymentFailed";

/// Names that event emitters keep for themselves: clients refuse events with them.
pub const RESERVED_EVENT_NAMES: [&str; 7] = [
    "_unknown",
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];
