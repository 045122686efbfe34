//! Storage quotas per identity: messages in its boxes, and messages that it sent.

use crate::ids::IdentityKey;

/// The role of an identity in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Inbox,
    Sender,
}

impl Role {
    pub const ALL: [Self; 2] = [Self::Inbox, Self::Sender];

    /// The name in tables and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sender => "sender",
        }
    }
}

/// Stored messages and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredTotal {
    pub messages: i64,
    /// Bytes of the stored bodies.
    pub bytes: i64,
}

impl StoredTotal {
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    #[must_use]
    pub const fn negated(self) -> Self {
        Self {
            messages: self.messages.saturating_neg(),
            bytes: self.bytes.saturating_neg(),
        }
    }
}

/// The resource that a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaResource {
    Messages,
    Bytes,
}

impl QuotaResource {
    /// The name on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

/// The limits of one identity in one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// None means no limit.
    pub messages: Option<u64>,
    /// Bytes of the stored bodies; none: no limit.
    pub bytes: Option<u64>,
}

impl Quota {
    pub const NONE: Self = Self {
        messages: None,
        bytes: None,
    };

    /// The limit that this total exceeds, if any.
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
    /// The quota for messages to the identity.
    pub inbox: Quota,
    /// The quota for messages from the identity.
    pub sender: Quota,
}

impl Quotas {
    pub const NONE: Self = Self {
        inbox: Quota::NONE,
        sender: Quota::NONE,
    };

    /// Whether nothing is limited. Then totals are not kept.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::NONE
    }

    /// The quota of one role.
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
    /// The identity with this quota.
    pub identity: IdentityKey,
    pub role: Role,
    pub resource: QuotaResource,
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
