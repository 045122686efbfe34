//! The tables for diesel. The store tests check every column against `migrations/`.

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::db::engine::clock::Moment;

    /// Boxes: one for each recipient and name.
    #[sql_name = "messageBox"]
    message_boxes (message_box_id) {
        #[sql_name = "messageBoxId"]
        message_box_id -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        #[sql_name = "type"]
        kind -> Text,
        #[sql_name = "identityKey"]
        identity_key -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::db::engine::clock::Moment;

    /// Messages that are not acknowledged yet.
    messages (id) {
        /// Ascending in insertion order.
        id -> BigInt,
        /// The sender's id for it.
        #[sql_name = "messageId"]
        message_id -> Text,
        created_at -> Moment,
        updated_at -> Moment,
        #[sql_name = "messageBoxId"]
        message_box_id -> BigInt,
        sender -> Text,
        recipient -> Text,
/// The stored JSON: `{"message":...}`.
        body -> Text,
        /// None: only the server's retention applies.
        expires_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::db::engine::clock::Moment;

    /// Fees and blocks that recipients set for senders.
    message_permissions (id) {
        id -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        /// The owner of the box.
        recipient -> Text,
/// Null for a permission that covers all senders.
        sender -> Nullable<Text>,
        message_box -> Text,
        /// -1 blocks, 0 allows, more is a fee in satoshis.
        recipient_fee -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::db::engine::clock::Moment;

    /// The server's delivery fees.
    server_fees (id) {
        id -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        message_box -> Text,
        delivery_fee -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::db::engine::clock::Moment;

    /// Devices that receive push notifications.
    device_registrations (id) {
        id -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        identity_key -> Text,
/// The device's Firebase token.
        fcm_token -> Text,
        /// The owner's name for it.
        device_id -> Nullable<Text>,
        /// `ios`, `android` or `web`.
        platform -> Nullable<Text>,
        last_used -> Nullable<Moment>,
        /// Whether its token is believed to work.
        active -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::db::engine::clock::Moment;

    /// Transaction outputs that were claimed as payments.
    payments (id) {
        id -> BigInt,
        created_at -> Moment,
        updated_at -> Moment,
        /// Hexadecimal, in display order.
        txid -> Text,
        output_index -> BigInt,
        satoshis -> BigInt,
        payer -> Text,
        payee -> Text,
        /// The counterparty of the payee's key (BRC-29).
        sender_identity_key -> Text,
        derivation_prefix -> Text,
        derivation_suffix -> Text,
        /// What the payment pays for.
        purpose -> Text,
        /// `claimed`, `kept` or `internalized`.
        state -> Text,
        /// Whether the paid action is done.
        settled -> Bool,
        /// `AtomicBEEF` in base64, for outputs that pay the server.
        transaction -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Text};
    use crate::db::engine::clock::Moment;

    /// Outputs that accepted payments spend.
    payment_inputs (id) {
        id -> BigInt,
        created_at -> Moment,
        /// Hexadecimal, in display order.
        txid -> Text,
        output_index -> BigInt,
        /// The transaction that spends it.
        spent_by -> Text,
        /// What the payment pays for.
        purpose -> Text,
        /// Whether the paid action is done.
        settled -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::db::engine::clock::Moment;

    /// Transactions that have paid for something. On MySQL, TypeScript servers share this table.
    payment_replays (transaction_id) {
        /// Hexadecimal, in display order.
        transaction_id -> Text,
        created_at -> Moment,
    }
}

diesel::allow_tables_to_appear_in_same_query!(payment_replays, payments);

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};

    /// Sessions of HTTP clients. Times are milliseconds since 1970.
    auth_sessions (session_nonce) {
        /// The server's nonce, which identifies the session.
        #[sql_name = "sessionNonce"]
        session_nonce -> Text,
        /// The client's nonce, unchanged.
        #[sql_name = "peerNonce"]
        peer_nonce -> Text,
        #[sql_name = "peerIdentityKey"]
        peer_identity_key -> Text,
        /// Whether a request was authenticated in it.
        #[sql_name = "isAuthenticated"]
        is_authenticated -> Bool,
        /// The time of the last write to this row.
        #[sql_name = "lastUpdate"]
        last_update -> BigInt,
        /// Used by other servers.
        #[sql_name = "certificatesRequired"]
        certificates_required -> Nullable<Bool>,
        /// Used by other servers.
        #[sql_name = "certificatesValidated"]
        certificates_validated -> Nullable<Bool>,
        /// The session ends at this time.
        #[sql_name = "expiresAt"]
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};

    /// Nonces of requests that wrote something.
    auth_message_nonces (session_nonce, message_nonce) {
        #[sql_name = "sessionNonce"]
        session_nonce -> Text,
        /// The request's own nonce.
        #[sql_name = "messageNonce"]
        message_nonce -> Text,
        /// Milliseconds since 1970. The row is deleted with its session.
        #[sql_name = "expiresAt"]
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};

    /// What each identity has stored: sums of changes, recounted periodically.
    stored_totals (identity_key, role) {
        identity_key -> Text,
        /// `inbox`: messages to the identity; `sender`: messages from it.
        role -> Text,
        messages -> BigInt,
        /// Bytes of the stored bodies.
        bytes -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Text};
    use crate::db::engine::clock::Moment;

    /// The operator's lists of identities.
    identity_lists (revision) {
        /// Unique, ascending in the order of changes.
        revision -> BigInt,
        changed_at -> Moment,
/// The list: `block` or `allow`.
        list -> Text,
        identity_key -> Text,
        /// Whether the identity is on the list. Removed rows stay, so that other servers see the removal.
        listed -> Bool,
    }
}

diesel::joinable!(messages -> message_boxes (message_box_id));
diesel::allow_tables_to_appear_in_same_query!(message_boxes, messages);
diesel::allow_tables_to_appear_in_same_query!(auth_sessions, auth_message_nonces);
