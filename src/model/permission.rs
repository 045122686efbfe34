//! Fees and blocks that recipients set for senders, and the price of a message.

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

/// The price of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeQuote {
    /// The server's fee for one recipient, in satoshis.
    pub delivery_fee: u64,
    /// Whether the fee is due for each recipient. Otherwise it is due once.
    pub per_recipient: bool,
    /// For each recipient, in order: -1 blocks, 0 allows, more is a fee in satoshis.
    pub recipient_fees: Vec<i64>,
}

impl FeeQuote {
    /// Whether any recipient blocks the sender.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.recipient_fees.iter().any(|fee| *fee < 0)
    }

    /// Satoshis due to the server for the whole message. A sender that pays per recipient always pays enough.
    #[must_use]
    pub fn delivery_due(&self) -> u64 {
        let count = if self.per_recipient {
            u64::try_from(self.recipient_fees.len()).unwrap_or(u64::MAX)
        } else {
            1
        };
        self.delivery_fee.saturating_mul(count)
    }

    /// Whether the message costs nothing and no recipient blocks the sender.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.delivery_fee == 0 && self.recipient_fees.iter().all(|fee| *fee == 0)
    }
}
