//! The ends of pages requested by offset. The next page starts there, so reading a whole box takes linear time.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::ids::IdentityKey;
use crate::model::{ListOrder, Page};

/// Maximum number of cursors. At this number all are dropped, and the next pages skip their rows again.
const MAX_CURSORS: usize = 10_000;

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageCursor {
    /// The order of the page.
    pub(crate) order: ListOrder,
    /// The offset of the page behind it.
    pub(crate) offset: i64,
    /// The `id` of its last message.
    pub(crate) last: i64,
    /// Messages of the box up to that one, expired ones included. The cursor is valid while the count is unchanged.
    pub(crate) below: i64,
}

impl PageCursor {
    /// Whether the next page may be requested by offset.
    pub(crate) const fn can_follow(page: &Page) -> bool {
        page.after.is_none() && page.message_id.is_none()
    }

    /// Whether this page starts at the cursor.
    pub(crate) fn is_for(&self, page: &Page) -> bool {
        Self::can_follow(page) && page.order == self.order && page.offset == self.offset
    }
}

/// The end of the last page of each box, by owner and name.
#[derive(Debug, Default)]
pub(crate) struct PageCursors(Mutex<HashMap<(IdentityKey, String), PageCursor>>);

impl PageCursors {
    /// Removes and returns the cursor of a box.
    pub(crate) fn take(&self, owner: IdentityKey, message_box: &str) -> Option<PageCursor> {
        self.cursors().remove(&(owner, message_box.to_owned()))
    }

    /// Stores the cursor of a box.
    pub(crate) fn keep(&self, owner: IdentityKey, message_box: String, cursor: PageCursor) {
        let mut cursors = self.cursors();
        if cursors.len() >= MAX_CURSORS {
            cursors.clear();
        }
        cursors.insert((owner, message_box), cursor);
    }

    fn cursors(&self) -> parking_lot::MutexGuard<'_, HashMap<(IdentityKey, String), PageCursor>> {
        self.0.lock()
    }
}
