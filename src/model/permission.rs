//! Fees and blocks that recipients set for senders.

/// A recipient's fee or block for a box and one sender, or all senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// None stands for all senders.
    pub sender: Option<String>,
    pub message_box: String,
    /// -1 blocks, 0 allows, more is a fee in satoshis.
    pub recipient_fee: i64,
    pub created_at: String,
    pub updated_at: String,
}

/// Selects permissions of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionPage {
    /// Selects permissions of this box only.
    pub message_box: Option<String>,
    pub limit: i64,
    pub offset: i64,
    /// Among equals, newest first.
    pub newest_first: bool,
}
