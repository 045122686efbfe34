//! The size of the database, releasing its free space, and the messages in boxes, for operators.

use std::time::{Duration, Instant};

use super::DbHandle;
use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::upkeep::shrink::ShrinkFile;
use crate::db::store::upkeep::size::{self, KnownSize};
use crate::db::store::upkeep::waiting_boxes;
use crate::ids::IdentityKey;
use crate::model::{IdentityTotal, Role, StoredSize, TotalsOrder, WaitingPage, WaitingTotal};

/// Messages counted per read.
const COUNTED: u32 = 50_000;

/// Counting takes at most one part in this many of a reader's time.
const COUNTING_SHARE: u32 = 100;

impl DbHandle {
    /// Measures the database for [`Self::size`].
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn measure(&self) -> Result<(), DbError> {
        let (estimate, oldest_message) = self
            .read(None, |connection| {
                let oldest = size::oldest(connection, &Now::read(None))?;
                Ok((size::estimate(connection)?, oldest))
            })
            .await?;
        let number = |number| u64::try_from(number).unwrap_or(0);
        let (messages, recount) = match (estimate.messages, self.0.size.get()) {
            (Some(messages), _) => (number(messages), Instant::now()),
            (None, Some(known)) if Instant::now() < known.recount => {
                (known.size.messages, known.recount)
            }
            (None, _) => self.count().await?,
        };
        self.0.size.set(KnownSize {
            size: StoredSize {
                bytes: number(estimate.bytes),
                free_bytes: estimate.free_bytes.map(number),
                messages,
                oldest_message,
            },
            recount,
        });
        Ok(())
    }

    /// Counts the messages, some thousands per read. Also returns when to count again.
    async fn count(&self) -> Result<(u64, Instant), DbError> {
        let (mut messages, mut took) = (0, Duration::ZERO);
        let mut next = Some(size::START);
        while let Some(after) = next {
            let (counted, place, step_took) = self
                .read(None, move |connection| {
                    let began = Instant::now();
                    let (counted, place) = size::count(connection, after, COUNTED)?;
                    Ok((counted, place, began.elapsed()))
                })
                .await?;
            messages += counted;
            took += step_took;
            next = place;
        }
        Ok((messages, Instant::now() + took * COUNTING_SHARE))
    }

    /// The size at the last measurement; none before the first.
    #[must_use]
    pub fn size(&self) -> Option<StoredSize> {
        self.0.size.get().map(|known| known.size)
    }

    /// Releases some free pages of a SQLite file. Returns whether there are more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn shrink(&self) -> Result<bool, DbError> {
        self.run(ShrinkFile).await
    }

    /// Boxes with messages, in the order of their numbers, after this one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn waiting_boxes(&self, after: i64, limit: i64) -> Result<WaitingPage, DbError> {
        self.read(None, move |connection| {
            Ok(waiting_boxes::boxes(
                connection,
                after,
                limit,
                &Now::read(None),
            )?)
        })
        .await
    }

    /// A recipient's boxes with messages, in the order of their numbers, after this one. Also the sum over all of its
    /// boxes.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn waiting_boxes_of(
        &self,
        recipient: IdentityKey,
        after: i64,
        limit: usize,
    ) -> Result<(WaitingPage, WaitingTotal), DbError> {
        let recipient = recipient.to_hex();
        self.read(None, move |connection| {
            let now = Now::read(None);
            Ok(waiting_boxes::boxes_of(
                connection, &recipient, after, limit, &now,
            )?)
        })
        .await
    }

    /// Totals of recipients: those after `after` in identity order, or else the largest. None if no quota is set,
    /// because totals are not kept then.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn inboxes(
        &self,
        order: TotalsOrder,
        after: String,
        limit: i64,
    ) -> Result<Option<Vec<IdentityTotal>>, DbError> {
        if self.0.quotas.get().are_none() {
            return Ok(None);
        }
        self.read(None, move |connection| {
            Ok(Some(waiting_boxes::totals(
                connection,
                Role::Inbox,
                order,
                &after,
                limit,
            )?))
        })
        .await
    }
}
