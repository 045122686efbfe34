//! The size of the database, and releasing its free space.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::upkeep::shrink::ShrinkFile;
use crate::db::store::upkeep::size;
use crate::model::StoredSize;

use super::DbHandle;

/// Messages counted per read.
const COUNTED: u32 = 50_000;

/// Counting takes at most one part in this many of a reader's time.
const COUNTING_SHARE: u32 = 100;

/// The result of the last measurement.
#[derive(Debug, Default)]
pub(super) struct SizeCache(Mutex<Option<Known>>);

#[derive(Debug, Clone, Copy)]
struct Known {
    size: StoredSize,
    /// The earliest time of the next count.
    recount: Instant,
}

impl SizeCache {
    fn get(&self) -> Option<Known> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, known: Known) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

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
        let (messages, recount) = match (estimate.messages, self.0.size.get()) {
            (Some(messages), _) => (messages, Instant::now()),
            (None, Some(known)) if Instant::now() < known.recount => {
                (known.size.messages, known.recount)
            }
            (None, _) => self.count().await?,
        };
        self.0.size.set(Known {
            size: StoredSize {
                bytes: estimate.bytes,
                free_bytes: estimate.free_bytes,
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
}
