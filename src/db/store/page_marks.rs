//! The ends of pages requested by offset. The next page starts there, so reading a whole box takes linear time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::IdentityKey;
use crate::model::{Order, Page};

/// Maximum number of marks. At this number all are dropped, and the next pages skip their rows again.
const MAX_MARKS: usize = 10_000;

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) struct Mark {
    /// The order of the page.
    pub(in crate::db) order: Order,
    /// The offset of the page behind it.
    pub(in crate::db) offset: i64,
    /// The `id` of its last message.
    pub(in crate::db) last: i64,
    /// Messages of the box up to that one, expired ones included. The mark is valid while the count is unchanged.
    pub(in crate::db) below: i64,
}

impl Mark {
    /// Whether the next page may be requested by offset.
    pub(in crate::db) const fn can_follow(page: &Page) -> bool {
        page.after.is_none() && page.message_id.is_none()
    }

    /// Whether this page starts at the mark.
    pub(in crate::db) fn is_for(&self, page: &Page) -> bool {
        Self::can_follow(page) && page.order == self.order && page.offset == self.offset
    }
}

/// The end of the last page of each box, by owner and name.
#[derive(Debug, Default)]
pub(in crate::db) struct PageMarks(Mutex<HashMap<(IdentityKey, String), Mark>>);

impl PageMarks {
    /// Removes and returns the mark of a box.
    pub(in crate::db) fn take(&self, owner: IdentityKey, message_box: &str) -> Option<Mark> {
        self.marks().remove(&(owner, message_box.to_owned()))
    }

    /// Stores the mark of a box.
    pub(in crate::db) fn keep(&self, owner: IdentityKey, message_box: String, mark: Mark) {
        let mut marks = self.marks();
        if marks.len() >= MAX_MARKS {
            marks.clear();
        }
        marks.insert((owner, message_box), mark);
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, HashMap<(IdentityKey, String), Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
