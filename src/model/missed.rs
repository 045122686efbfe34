//! Pages of messages for a node that has to catch up.

/// A message without its sender and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHead {
    /// Ascending in storage order.
    pub id: i64,
    /// An identity key in hexadecimal.
    pub recipient: String,
    /// The sender's id for it.
    pub message_id: String,
    pub created_at: String,
}

/// A message with everything that is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeMessage {
    pub head: MessageHead,
    pub message_box: String,
    /// An identity key in hexadecimal.
    pub sender: String,
    /// `{"message":...}`, with `"payment"` if one was sent.
    pub body: String,
}

/// A page of messages stored after a given one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatchUpPage {
    /// The wanted messages, in storage order.
    pub messages: Vec<WholeMessage>,
    /// The next page starts after this id.
    pub last: i64,
    /// Whether there is a next page.
    pub more: bool,
}
