//! A message as a group inserts it.

use super::lookup::BoxKey;
use crate::db::engine::clock::Timestamp;

/// A new row of `messages`.
pub(super) struct NewRow<'a> {
    pub(super) message_id: &'a str,
    pub(super) sender: String,
    pub(super) recipient: String,
    #[cfg_attr(
        not(feature = "mysql"),
        expect(dead_code, reason = "only MySQL gives no ids of new boxes")
    )]
    pub(super) box_key: BoxKey<'a>,
    /// None if the engine returned no id for a new box. The statement looks it up.
    pub(super) box_id: Option<i64>,
    pub(super) body: String,
    pub(super) expires_at: Option<Timestamp>,
}
