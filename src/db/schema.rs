//! The tables in use so far, as diesel sees them; the tests of the store run every column against `migrations/`.

diesel::table! {
    /// Boxes: one for each recipient and name.
    #[sql_name = "messageBox"]
    message_boxes (message_box_id) {
        /// Primary key.
        #[sql_name = "messageBoxId"]
        message_box_id -> BigInt,
        /// ISO 8601.
        created_at -> Text,
        /// ISO 8601.
        updated_at -> Text,
        /// The box's name.
        #[sql_name = "type"]
        kind -> Text,
        /// The recipient.
        #[sql_name = "identityKey"]
        identity_key -> Text,
    }
}

diesel::table! {
    /// Messages that wait to be acknowledged.
    messages (id) {
        /// Primary key; ascending in the order of insertion.
        id -> BigInt,
        /// The sender's id for it.
        #[sql_name = "messageId"]
        message_id -> Text,
        /// ISO 8601.
        created_at -> Text,
        /// ISO 8601.
        updated_at -> Text,
        /// The box that it is in.
        #[sql_name = "messageBoxId"]
        message_box_id -> BigInt,
        /// Who sent it.
        sender -> Text,
        /// Who may read it.
        recipient -> Text,
        /// JSON: `{"message":...}`.
        body -> Text,
    }
}

diesel::joinable!(messages -> message_boxes (message_box_id));
diesel::allow_tables_to_appear_in_same_query!(message_boxes, messages);
