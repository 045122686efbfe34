//! What recipients ask of those who write to them.

/// What a recipient asks for a box, of one sender or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Of whom; none: of everybody.
    pub sender: Option<String>,
    /// Which box.
    pub message_box: String,
    /// -1 blocks, 0 allows, more is a fee in satoshis.
    pub recipient_fee: i64,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
}

/// Which of a recipient's permissions are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionPage {
    /// Of this box only.
    pub message_box: Option<String>,
    /// So many at most.
    pub limit: i64,
    /// Without the first so many.
    pub offset: i64,
    /// Among equals, the newest first.
    pub newest_first: bool,
}
