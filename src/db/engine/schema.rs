//! The tables as diesel sees them; the tests of the stores run every column against `migrations/`.

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::db::engine::timestamp::Moment;

    /// Boxes: one for each recipient and name.
    #[sql_name = "messageBox"]
    message_boxes (message_box_id) {
        /// Primary key.
        #[sql_name = "messageBoxId"]
        message_box_id -> BigInt,
        /// ISO 8601.
        created_at -> Moment,
        /// ISO 8601.
        updated_at -> Moment,
        /// The box's name.
        #[sql_name = "type"]
        kind -> Text,
        /// The recipient.
        #[sql_name = "identityKey"]
        identity_key -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::db::engine::timestamp::Moment;

    /// Messages that wait to be acknowledged.
    messages (id) {
        /// Primary key; ascending in the order of insertion.
        id -> BigInt,
        /// The sender's id for it.
        #[sql_name = "messageId"]
        message_id -> Text,
        /// ISO 8601.
        created_at -> Moment,
        /// ISO 8601.
        updated_at -> Moment,
        /// The box that it is in.
        #[sql_name = "messageBoxId"]
        message_box_id -> BigInt,
        /// Who sent it.
        sender -> Text,
        /// Who may read it.
        recipient -> Text,
        /// JSON: `{"message":...}`.
        body -> Text,
        /// ISO 8601; none: it does not expire by itself.
        expires_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::db::engine::timestamp::Moment;

    /// What recipients ask of those who write to them.
    message_permissions (id) {
        /// Primary key.
        id -> BigInt,
        /// ISO 8601.
        created_at -> Moment,
        /// ISO 8601.
        updated_at -> Moment,
        /// Whose box.
        recipient -> Text,
        /// For whom; none: for everybody.
        sender -> Nullable<Text>,
        /// Which box.
        message_box -> Text,
        /// -1 blocks, 0 allows, more is a fee in satoshis.
        recipient_fee -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::db::engine::timestamp::Moment;

    /// What the server asks for delivering to a box.
    server_fees (id) {
        /// Primary key.
        id -> BigInt,
        /// ISO 8601.
        created_at -> Moment,
        /// ISO 8601.
        updated_at -> Moment,
        /// The box's name.
        message_box -> Text,
        /// Satoshis.
        delivery_fee -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::db::engine::timestamp::Moment;

    /// Devices that want push notifications.
    device_registrations (id) {
        /// Primary key.
        id -> BigInt,
        /// ISO 8601.
        created_at -> Moment,
        /// ISO 8601.
        updated_at -> Moment,
        /// Whose device.
        identity_key -> Text,
        /// Its Firebase token.
        fcm_token -> Text,
        /// Its owner's name for it.
        device_id -> Nullable<Text>,
        /// `ios`, `android` or `web`.
        platform -> Nullable<Text>,
        /// ISO 8601.
        last_used -> Nullable<Moment>,
        /// Whether its token is believed to work.
        active -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::db::engine::timestamp::Moment;

    /// Transaction outputs that were taken as payments.
    payments (id) {
        /// Primary key.
        id -> BigInt,
        /// ISO 8601.
        created_at -> Moment,
        /// ISO 8601.
        updated_at -> Moment,
        /// Hexadecimal, as it is displayed.
        txid -> Text,
        /// Which output.
        output_index -> BigInt,
        /// What it is worth.
        satoshis -> BigInt,
        /// Who paid.
        payer -> Text,
        /// Who was paid.
        payee -> Text,
        /// With whom the payee's key was derived (BRC-29).
        sender_identity_key -> Text,
        /// BRC-29.
        derivation_prefix -> Text,
        /// BRC-29.
        derivation_suffix -> Text,
        /// What was paid for.
        purpose -> Text,
        /// `claimed`, `kept` or `internalized`.
        state -> Text,
        /// Whether what was paid for is done.
        settled -> Bool,
        /// `AtomicBEEF` in base64, where the server was paid.
        transaction -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Text};
    use crate::db::engine::timestamp::Moment;

    /// Outputs that accepted payments spend.
    payment_inputs (id) {
        /// Primary key.
        id -> BigInt,
        /// ISO 8601.
        created_at -> Moment,
        /// Hexadecimal, as it is displayed.
        txid -> Text,
        /// Which output.
        output_index -> BigInt,
        /// The transaction that spends it.
        spent_by -> Text,
        /// What was paid for.
        purpose -> Text,
        /// Whether that is done.
        settled -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::db::engine::timestamp::Moment;

    /// Transactions that have paid for something. On MySQL, TypeScript servers share it.
    payment_replays (transaction_id) {
        /// Hexadecimal, as it is displayed.
        transaction_id -> Text,
        /// ISO 8601.
        created_at -> Moment,
    }
}

diesel::allow_tables_to_appear_in_same_query!(payment_replays, payments);

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};

    /// Sessions of HTTP clients. Times are milliseconds since 1970.
    auth_sessions (session_nonce) {
        /// The server's nonce, which names the session.
        #[sql_name = "sessionNonce"]
        session_nonce -> Text,
        /// The client's nonce, as it wrote it.
        #[sql_name = "peerNonce"]
        peer_nonce -> Text,
        /// The client's identity key.
        #[sql_name = "peerIdentityKey"]
        peer_identity_key -> Text,
        /// Whether a request has verified.
        #[sql_name = "isAuthenticated"]
        is_authenticated -> Bool,
        /// When this row was written last.
        #[sql_name = "lastUpdate"]
        last_update -> BigInt,
        /// For other servers.
        #[sql_name = "certificatesRequired"]
        certificates_required -> Nullable<Bool>,
        /// For other servers.
        #[sql_name = "certificatesValidated"]
        certificates_validated -> Nullable<Bool>,
        /// From then on the session has ended.
        #[sql_name = "expiresAt"]
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};

    /// Nonces of requests that wrote something.
    auth_message_nonces (session_nonce, message_nonce) {
        /// The session that the request named.
        #[sql_name = "sessionNonce"]
        session_nonce -> Text,
        /// Its own nonce.
        #[sql_name = "messageNonce"]
        message_nonce -> Text,
        /// Milliseconds since 1970; the row lives as long as its session all the same.
        #[sql_name = "expiresAt"]
        expires_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};

    /// What each identity has stored. Sums of changes, which are recounted now and then.
    stored_totals (identity_key, role) {
        /// 66 hexadecimal characters.
        identity_key -> Text,
        /// `inbox`: messages to it; `sender`: messages from it.
        role -> Text,
        /// How many.
        messages -> BigInt,
        /// Bytes of their bodies.
        bytes -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Text};
    use crate::db::engine::timestamp::Moment;

    /// The operator's lists of identities.
    identity_lists (revision) {
        /// Unique, and ascending in the order of changes.
        revision -> BigInt,
        /// ISO 8601.
        changed_at -> Moment,
        /// `block` or `allow`.
        list -> Text,
        /// 66 hexadecimal characters.
        identity_key -> Text,
        /// Whether it is on the list. Rows stay, so that servers learn of what was taken off.
        listed -> Bool,
    }
}

diesel::joinable!(messages -> message_boxes (message_box_id));
diesel::allow_tables_to_appear_in_same_query!(message_boxes, messages);
diesel::allow_tables_to_appear_in_same_query!(auth_sessions, auth_message_nonces);
