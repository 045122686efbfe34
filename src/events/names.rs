//! The names of events on the wire.

/// The Socket.IO event that carries every auth message, in both directions.
pub const AUTH_MESSAGE: &str = "authMessage";
/// Client: asks the server to confirm its identity.
pub const AUTHENTICATED: &str = "authenticated";
/// Client: asks to become a member of a room.
pub const JOIN_ROOM: &str = "joinRoom";
/// Client: leaves a room.
pub const LEAVE_ROOM: &str = "leaveRoom";
/// Client: asks to store and deliver a message. Server: `sendMessage-<room>` delivers one.
pub const SEND_MESSAGE: &str = "sendMessage";
/// Server: confirms the identity of the client.
pub const AUTHENTICATION_SUCCESS: &str = "authenticationSuccess";
/// Server: refuses the identity of the client.
pub const AUTHENTICATION_FAILED: &str = "authenticationFailed";
/// Server: confirms that the client is a member of the room.
pub const JOINED_ROOM: &str = "joinedRoom";
/// Server: refuses to let the client join the room.
pub const JOIN_FAILED: &str = "joinFailed";
/// Server: confirms that the client left the room.
pub const LEFT_ROOM: &str = "leftRoom";
/// Server: refuses to let the client leave the room.
pub const LEAVE_FAILED: &str = "leaveFailed";
/// Server: `sendMessageAck-<room>` says whether a message was stored.
pub const SEND_MESSAGE_ACK: &str = "sendMessageAck";
/// Server: sent after a quiet period, and first in each session that the server starts. It keeps the client's session
/// alive. Clients have no handler for it.
pub const KEEP_ALIVE: &str = "keepAlive";
/// Server: refuses a message.
pub const MESSAGE_FAILED: &str = "messageFailed";
/// Server: refuses a message because of its sender or its payment.
pub const PAYMENT_FAILED: &str = "paymentFailed";

/// Names that event emitters reserve. Clients refuse events with these names.
pub const RESERVED_EVENT_NAMES: [&str; 7] = [
    "_unknown",
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];
