//! Sessions, through the handle.

use std::time::Duration;

use crate::db::engine::clock::Now;
use crate::db::engine::error::DbError;
use crate::db::store::command::{Command, Part, Work};
use crate::db::store::lane::Lane;
use crate::db::store::session_step::SessionStep;
use crate::db::store::session_store::{self, StoredSession, SweepSessions};
use crate::limits::{AddressKey, Owner};
use crate::model::{RequestClaim, SessionRow};

use super::DbHandle;

/// Command: take a step of a session. The group takes it; this only says what came of it.
struct TakeStep(SessionStep);

impl Command for TakeStep {
    type Output = bool;

    /// A handshake proves nothing, so all of them share one lane.
    fn holder(&self) -> Owner {
        match &self.0 {
            SessionStep::Store(StoredSession { proven: false, .. })
            | SessionStep::End { proven: false, .. } => Owner::Unauthenticated,
            _ => Owner::Server,
        }
    }

    fn session_step(&self) -> Option<&SessionStep> {
        Some(&self.0)
    }

    fn part(&self) -> Part<'_> {
        Part::Stateless
    }

    fn run(&self, work: &mut Work<'_>) -> diesel::QueryResult<bool> {
        Ok(match &self.0 {
            SessionStep::Prolong(own_nonce, _) => !work.sessions.ended.contains(own_nonce),
            _ => true,
        })
    }
}

/// Command: claim a request that writes nothing else.
struct ClaimNow;

impl Command for ClaimNow {
    type Output = ();

    fn part(&self) -> Part<'_> {
        Part::Stateless
    }

    fn run(&self, _work: &mut Work<'_>) -> diesel::QueryResult<()> {
        Ok(())
    }
}

/// As the table has it.
pub(in crate::db) fn life_ms(life: Duration) -> i64 {
    i64::try_from(life.as_millis()).unwrap_or(i64::MAX)
}

impl DbHandle {
    /// Stores a session; `proven`: whether a request has verified in it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn store_session(&self, record: SessionRow, proven: bool) -> Result<(), DbError> {
        let life_ms = life_ms(if proven {
            self.0.session_life
        } else {
            self.0.pending_session_life
        });
        let step = SessionStep::Store(StoredSession {
            record,
            proven,
            life_ms,
        });
        self.run_session(TakeStep(step)).await.map(drop)
    }

    /// A request has verified in this session: it has its whole life from now. `false` where it has ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn prolong_session(&self, own_nonce: String) -> Result<bool, DbError> {
        let step = SessionStep::Prolong(own_nonce, life_ms(self.0.session_life));
        self.run_session(TakeStep(step)).await
    }

    /// Ends sessions; `proven`: whether a request has verified in them.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_sessions(&self, own_nonces: Vec<String>, proven: bool) -> Result<(), DbError> {
        let step = SessionStep::End { own_nonces, proven };
        self.run_session(TakeStep(step)).await.map(drop)
    }

    /// The session that has this nonce of ours, unless it has ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_session(&self, own_nonce: String) -> Result<Option<SessionRow>, DbError> {
        // It is never closed.
        let _permit = self.0.session_lookups.acquire().await;
        self.read_in(Lane::new(Owner::Unauthenticated, None), move |connection| {
            session_store::find(connection, own_nonce.clone(), &Now::read(None))
        })
        .await
    }

    /// Deletes up to about `max` sessions whose time is over, and the nonces of their requests; says how many it were.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_sessions(&self, max: i64) -> Result<usize, DbError> {
        self.run_session(SweepSessions { max }).await
    }

    /// The same handle for one request: its first write claims the request, and is refused where it was claimed before or
    /// where its session has ended.
    #[must_use]
    pub fn claiming(&self, claim: &RequestClaim) -> Self {
        let mut handle = self.clone();
        handle.1.claim = Some(claim.clone());
        handle
    }

    /// The same handle for a client at this address, which has a share of what may wait.
    #[must_use]
    pub fn from_address(&self, address: Option<AddressKey>) -> Self {
        let mut handle = self.clone();
        handle.1.address = address;
        handle
    }

    /// Where the client of [`Self::from_address`] is.
    #[must_use]
    pub const fn address(&self) -> Option<AddressKey> {
        self.1.address
    }

    /// Claims the request of [`Self::claiming`] without writing anything else.
    ///
    /// # Errors
    /// [`DbError::NotCounted`] where it does not count.
    pub async fn claim_now(&self) -> Result<(), DbError> {
        self.run(ClaimNow).await
    }
}
