//! The price of a message.

/// What a message costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Satoshis for the server, for one recipient.
    pub delivery_fee: u64,
    /// Whether that is due for each recipient; else it is due once, however many there are.
    pub per_recipient: bool,
    /// For each recipient, in the order asked: -1 blocks, 0 allows, more is a fee in satoshis.
    pub recipient_fees: Vec<i64>,
}

impl Quote {
    /// Whether somebody blocks.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.recipient_fees.iter().any(|fee| *fee < 0)
    }

    /// Satoshis that the server must get for the whole message. Senders who pay for each recipient all the same pay enough.
    #[must_use]
    pub fn delivery_due(&self) -> u64 {
        let count = if self.per_recipient {
            u64::try_from(self.recipient_fees.len()).unwrap_or(u64::MAX)
        } else {
            1
        };
        self.delivery_fee.saturating_mul(count)
    }

    /// Whether there is nothing to pay and nobody blocks.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.delivery_fee == 0 && self.recipient_fees.iter().all(|fee| *fee == 0)
    }
}
