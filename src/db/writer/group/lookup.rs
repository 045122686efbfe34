//! The lookups of a run of writes, without repeats, and their results.

#[cfg(any(feature = "mysql", feature = "postgres"))]
use diesel::sql_types::{BigInt, Nullable, Text};
use indexmap::IndexSet;

#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::db::engine::clock::{Moment, Now, Timestamp};
use crate::ids::IdentityKey;
use crate::model::{Role, StoredTotal};

/// A box: its owner and its name.
pub(super) type BoxKey<'a> = (IdentityKey, &'a str);

/// A permission: recipient, sender and box name.
pub(super) type PermissionKey<'a> = (IdentityKey, IdentityKey, &'a str);

/// A message: its recipient and the sender's id for it.
pub(super) type MessageKey<'a> = (IdentityKey, &'a str);

/// A total: identity and role.
pub(super) type TotalKey = (IdentityKey, Role);

/// Everything that a run of writes looks up before it writes.
#[derive(Debug, Default)]
pub(super) struct LookupKeys<'a> {
    pub(super) boxes: IndexSet<BoxKey<'a>>,
    /// Boxes whose delivery fee may be in the table.
    pub(super) fees: IndexSet<&'a str>,
    pub(super) permissions: IndexSet<PermissionKey<'a>>,
    pub(super) messages: IndexSet<MessageKey<'a>>,
    pub(super) totals: IndexSet<TotalKey>,
}

impl LookupKeys<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.boxes.is_empty()
            && self.fees.is_empty()
            && self.permissions.is_empty()
            && self.messages.is_empty()
            && self.totals.is_empty()
    }
}

/// A stored message with an id from the lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundMessage {
    pub(super) id: i64,
    /// None for some rows of other servers.
    pub(super) box_id: Option<i64>,
    pub(super) sender: String,
    /// Bytes of its body.
    pub(super) bytes: i64,
    /// Whether it has expired.
    pub(super) is_past: bool,
}

/// The results, each at the index of its key.
#[derive(Debug)]
pub(super) struct LookupResults {
    pub(super) boxes: Vec<Option<i64>>,
    pub(super) fees: Vec<Option<i64>>,
    /// The recipient's fee for this sender, or else for all senders.
    pub(super) permissions: Vec<Option<i64>>,
    pub(super) messages: Vec<Option<FoundMessage>>,
    pub(super) totals: Vec<StoredTotal>,
}

/// Kinds of rows in a combined lookup; 4 is a message.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) mod kind {
    pub(crate) const BOX: i64 = 0;
    pub(crate) const FEE: i64 = 1;
    pub(crate) const PERMISSION_OF_SENDER: i64 = 2;
    pub(crate) const PERMISSION_OF_ALL: i64 = 3;
    pub(crate) const TOTAL: i64 = 5;
}

/// The columns of a [`FoundRow`].
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) type FoundColumns = (
    BigInt,
    BigInt,
    BigInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Moment>,
    Nullable<Moment>,
);

/// A row of a combined lookup: its kind, the index of its question (from 1), and an id or a fee. A message also has its
/// body size, box id, sender, storage time and expiry. A total has a count and bytes.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(super) type FoundRow = (
    i64,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<Timestamp>,
    Option<Timestamp>,
);

impl LookupResults {
    /// Negative results for all of these keys.
    pub(super) fn none(lookup: &LookupKeys<'_>) -> Self {
        Self {
            boxes: vec![None; lookup.boxes.len()],
            fees: vec![None; lookup.fees.len()],
            permissions: vec![None; lookup.permissions.len()],
            messages: vec![None; lookup.messages.len()],
            totals: vec![StoredTotal::default(); lookup.totals.len()],
        }
    }

    /// Sorts the rows of a combined lookup into results.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(super) fn of(lookup: &LookupKeys<'_>, rows: Vec<FoundRow>, now: &Now) -> Self {
        let mut results = Self::none(lookup);
        let mut of_all = results.permissions.clone();
        for (kind, place, number, bytes, box_id, sender, created_at, expires_at) in rows {
            let index = usize::try_from(place - 1).unwrap_or(usize::MAX);
            let numbers = match kind {
                kind::BOX => &mut results.boxes,
                kind::FEE => &mut results.fees,
                kind::PERMISSION_OF_SENDER => &mut results.permissions,
                kind::PERMISSION_OF_ALL => &mut of_all,
                kind::TOTAL => {
                    if let Some(answer) = results.totals.get_mut(index) {
                        *answer = StoredTotal {
                            messages: number,
                            bytes: bytes.unwrap_or_default(),
                        };
                    }
                    continue;
                }
                _ => {
                    if let Some(answer) = results.messages.get_mut(index) {
                        let is_past =
                            created_at.is_some_and(|at| now.is_past(&at, expires_at.as_ref()));
                        *answer = Some(FoundMessage {
                            id: number,
                            box_id,
                            sender: sender.unwrap_or_default(),
                            bytes: bytes.unwrap_or_default(),
                            is_past,
                        });
                    }
                    continue;
                }
            };
            if let Some(answer) = numbers.get_mut(index) {
                *answer = Some(number);
            }
        }
        for (own, of_all) in results.permissions.iter_mut().zip(of_all) {
            *own = own.or(of_all);
        }
        results
    }
}
