//! Messages that a node has missed.

/// What is known of a message before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead {
    /// Ascending in the order of storing.
    pub id: i64,
    /// 66 hexadecimal characters.
    pub recipient: String,
    /// The sender's id for it.
    pub message_id: String,
    /// ISO 8601.
    pub created_at: String,
}

/// A message with everything that its recipient is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeMessage {
    /// What is known of it without reading it.
    pub head: MessageHead,
    /// The box's name.
    pub message_box: String,
    /// 66 hexadecimal characters.
    pub sender: String,
    /// `{"message":...}`, and `"payment"` where one came along.
    pub body: String,
}

/// Some of the messages that were stored after a certain one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissedPage {
    /// Those that were wanted, in the order of storing.
    pub messages: Vec<WholeMessage>,
    /// Where the next page begins.
    pub last: i64,
    /// Whether there is a next page.
    pub more: bool,
}
