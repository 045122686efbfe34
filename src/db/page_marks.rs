//! Where pages ended that were asked for by offset, so that the next one need not count from the beginning.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ids::IdentityKey;

use super::message::{Order, Page};

/// Marks that are kept; above that all are forgotten, and pages are counted out once more.
const MAX_MARKS: usize = 10_000;

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// In which order it was listed.
    pub(super) order: Order,
    /// The offset of the page behind it.
    pub(super) offset: i64,
    /// The `id` of its last message.
    pub(super) last: i64,
    /// Messages of the box up to that one, hidden ones too: as long as there are so many, none of them was deleted.
    pub(super) below: i64,
}

impl Mark {
    /// Whether a page can be followed by another that is asked for by offset.
    pub(super) const fn can_follow(page: &Page) -> bool {
        page.after.is_none() && page.message_id.is_none()
    }

    /// Whether this page is the one behind the mark.
    pub(super) fn is_for(&self, page: &Page) -> bool {
        Self::can_follow(page) && page.order == self.order && page.offset == self.offset
    }
}

/// The end of the last page of each box that is being read.
#[derive(Debug, Default)]
pub(super) struct PageMarks(Mutex<HashMap<(IdentityKey, String), Mark>>);

impl PageMarks {
    /// Takes the mark of a box: each counts for one page.
    pub(super) fn take(&self, owner: IdentityKey, message_box: &str) -> Option<Mark> {
        self.marks().remove(&(owner, message_box.to_owned()))
    }

    /// Keeps where the next page begins.
    pub(super) fn keep(&self, owner: IdentityKey, message_box: String, mark: Mark) {
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
