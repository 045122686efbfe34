//! How much one identity may have stored: in all of its boxes, and of what it has sent.

use crate::ids::IdentityKey;

/// What an identity is to the messages that count for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It is their recipient.
    Inbox,
    /// It has sent them.
    Sender,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Inbox, Self::Sender];

    /// The word in tables and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sender => "sender",
        }
    }
}

/// Stored messages, and the bytes of their bodies as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredTotal {
    /// How many.
    pub messages: i64,
    /// Their bytes.
    pub bytes: i64,
}

impl StoredTotal {
    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// The same with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self {
            messages: self.messages.saturating_neg(),
            bytes: self.bytes.saturating_neg(),
        }
    }
}

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaResource {
    /// The number of messages.
    Messages,
    /// The bytes of their bodies.
    Bytes,
}

impl QuotaResource {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

/// The most that one identity may have stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Messages; none: no limit.
    pub messages: Option<u64>,
    /// Bytes of their bodies; none: no limit.
    pub bytes: Option<u64>,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self {
        messages: None,
        bytes: None,
    };

    /// The limit that this total exceeds, if it exceeds one.
    #[must_use]
    pub fn exceeded_by(&self, total: StoredTotal) -> Option<(QuotaResource, u64)> {
        let over = |limit: Option<u64>, stored: i64| {
            limit.filter(|limit| u64::try_from(stored).is_ok_and(|stored| stored > *limit))
        };
        let messages = over(self.messages, total.messages);
        let messages = messages.map(|limit| (QuotaResource::Messages, limit));
        messages.or_else(|| {
            let bytes = over(self.bytes, total.bytes);
            bytes.map(|limit| (QuotaResource::Bytes, limit))
        })
    }
}

/// The quotas of every identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Of messages to it.
    pub inbox: Quota,
    /// Of messages from it.
    pub sender: Quota,
}

impl Quotas {
    /// No limits.
    pub const NONE: Self = Self {
        inbox: Quota::NONE,
        sender: Quota::NONE,
    };

    /// Whether nothing is limited. Then nothing is counted.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::NONE
    }

    /// That of one role.
    #[must_use]
    pub const fn of(&self, role: Role) -> Quota {
        match role {
            Role::Inbox => self.inbox,
            Role::Sender => self.sender,
        }
    }
}

/// A quota that messages would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// Whose quota.
    pub identity: IdentityKey,
    /// Which of its quotas.
    pub role: Role,
    /// What there would be too much of.
    pub resource: QuotaResource,
    /// The most that there may be.
    pub limit: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_exceeded_above_its_limit() {
        let quota = Quota {
            messages: Some(3),
            bytes: Some(100),
        };
        let total = |messages, bytes| StoredTotal { messages, bytes };
        for (stored, expected) in [
            (total(3, 100), None),
            (total(-1, -1), None),
            (total(4, 101), Some((QuotaResource::Messages, 3))),
            (total(1, 101), Some((QuotaResource::Bytes, 100))),
        ] {
            assert_eq!(quota.exceeded_by(stored), expected, "{stored:?}");
        }
        assert_eq!(Quota::NONE.exceeded_by(total(i64::MAX, i64::MAX)), None);
    }
}
