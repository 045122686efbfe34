//! How much is stored, and how much room there is.

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::{DiskSpace, StoredTotals, TotalsOfRole};

use super::families::Families;
use super::status::DatabasePart;

/// What identities have stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StoredTotalsPart {
    /// As recipients.
    pub inbox: TotalsPart,
    /// As senders.
    pub sender: TotalsPart,
}

/// What identities have stored in one role.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TotalsPart {
    /// Identities that have any messages.
    pub identities: i64,
    /// Messages of all of them.
    pub messages: i64,
    /// Bytes of all of them.
    pub bytes: i64,
    /// The most messages that one of them has.
    pub most_messages: i64,
    /// The most bytes that one of them has.
    pub most_bytes: i64,
    /// Those that are over their quota.
    pub over_quota: i64,
}

/// The disk of the database's file.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskPart {
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Fewer than these, and no message is stored.
    pub min_free_bytes: u64,
}

impl From<StoredTotals> for StoredTotalsPart {
    fn from(totals: StoredTotals) -> Self {
        Self {
            inbox: totals.inboxes.into(),
            sender: totals.senders.into(),
        }
    }
}

impl From<DiskSpace> for DiskPart {
    fn from(space: DiskSpace) -> Self {
        Self {
            free_bytes: space.free_bytes,
            min_free_bytes: space.min_free_bytes,
        }
    }
}

impl From<TotalsOfRole> for TotalsPart {
    fn from(totals: TotalsOfRole) -> Self {
        Self {
            identities: totals.identities,
            messages: totals.messages,
            bytes: totals.bytes,
            most_messages: totals.most_messages,
            most_bytes: totals.most_bytes,
            over_quota: totals.over,
        }
    }
}

/// The same as metrics.
pub(super) fn metrics(families: &mut Families, database: &DatabasePart) {
    if let Some(totals) = &database.stored_totals {
        let roles = [("inbox", &totals.inbox), ("sender", &totals.sender)];
        let of_roles = |value: fn(&TotalsPart) -> i64| {
            roles.map(|(role, totals)| {
                let value = u64::try_from(value(totals)).unwrap_or_default();
                (Some(("role", role)), value.into())
            })
        };
        families.gauges(
            "stored_messages",
            "Messages that are stored, counted for their recipients (inbox) and for their senders.",
            of_roles(|totals| totals.messages),
        );
        families.gauges(
            "stored_bytes",
            "Bytes of the bodies of stored messages.",
            of_roles(|totals| totals.bytes),
        );
        families.gauges(
            "stored_identities",
            "Identities that have stored messages.",
            of_roles(|totals| totals.identities),
        );
        families.gauges(
            "stored_messages_max",
            "Messages of the identity that has most stored, as recipient (inbox) or sender.",
            of_roles(|totals| totals.most_messages),
        );
        families.gauges(
            "stored_bytes_max",
            "Bytes of messages of the identity that has most stored.",
            of_roles(|totals| totals.most_bytes),
        );
        families.gauges(
            "over_quota_identities",
            "Identities that have more stored than their quota.",
            of_roles(|totals| totals.over_quota),
        );
    }
    if let Some(disk) = &database.disk {
        families.gauge(
            "database_disk_free_bytes",
            "Free bytes of the disk of the database's file.",
            disk.free_bytes,
        );
        families.gauge(
            "database_disk_min_free_bytes",
            "Free bytes below which no message is stored.",
            disk.min_free_bytes,
        );
    }
}
