//! Sessions and request claims.

use crate::db::engine::clock::{Now, millis};
use crate::db::engine::error::DbError;
use crate::db::store::command::{Batching, WriteCommand, WriteScope};
use crate::db::store::requester::Requester;
use crate::db::store::sessions::session_step::{SessionStep, StoredSession};
use crate::db::store::sessions::session_store::{self, SweepSessions};
use crate::limits::{AddressKey, Owner};
use crate::model::{RequestClaim, SessionRow};

use super::DbHandle;

/// Command: one change of a session. The group applies all of them first; this command only reports the result.
struct TakeStep(SessionStep);

impl WriteCommand for TakeStep {
    type Output = bool;

    /// Handshakes are unauthenticated, so all of them share one turn and one budget.
    fn holder(&self) -> Owner {
        match &self.0 {
            SessionStep::Store(StoredSession {
                authenticated: false,
                ..
            })
            | SessionStep::End {
                authenticated: false,
                ..
            } => Owner::Unauthenticated,
            _ => Owner::Server,
        }
    }

    fn session_step(&self) -> Option<&SessionStep> {
        Some(&self.0)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::NoStatements
    }

    fn run(&self, scope: &mut WriteScope<'_>) -> diesel::QueryResult<bool> {
        Ok(match &self.0 {
            SessionStep::Prolong(own_nonce, _) => !scope.sessions.ended.contains(own_nonce),
            _ => true,
        })
    }
}

/// Command: claim a request that writes nothing else.
struct ClaimNow;

impl WriteCommand for ClaimNow {
    type Output = ();

    fn batching(&self) -> Batching<'_> {
        Batching::NoStatements
    }

    fn run(&self, _scope: &mut WriteScope<'_>) -> diesel::QueryResult<()> {
        Ok(())
    }
}

impl DbHandle {
    /// Stores a session. `authenticated`: whether a request was authenticated in it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn store_session(
        &self,
        record: SessionRow,
        authenticated: bool,
    ) -> Result<(), DbError> {
        let settings = &self.0.settings;
        let life_ms = millis(if authenticated {
            settings.session_life
        } else {
            settings.pending_session_life
        });
        let step = SessionStep::Store(StoredSession {
            record,
            authenticated,
            life_ms,
        });
        self.run_session(TakeStep(step)).await.map(drop)
    }

    /// Extends a session to its full life after an authenticated request. Returns `false` if the session has ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn prolong_session(&self, own_nonce: String) -> Result<bool, DbError> {
        let step = SessionStep::Prolong(own_nonce, millis(self.0.settings.session_life));
        self.run_session(TakeStep(step)).await
    }

    /// Ends sessions. `authenticated`: whether a request was authenticated in them.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn end_sessions(
        &self,
        own_nonces: Vec<String>,
        authenticated: bool,
    ) -> Result<(), DbError> {
        let step = SessionStep::End {
            own_nonces,
            authenticated,
        };
        self.run_session(TakeStep(step)).await.map(drop)
    }

    /// The session with this server nonce, unless it has ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_session(&self, own_nonce: String) -> Result<Option<SessionRow>, DbError> {
        // The semaphore is never closed.
        let _permit = self.0.session_lookups.acquire().await;
        self.read_in(
            Requester::new(Owner::Unauthenticated, None),
            move |connection| session_store::find(connection, own_nonce.clone(), &Now::read(None)),
        )
        .await
    }

    /// Deletes up to about `max` expired sessions with their request nonces. Returns their number.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_sessions(&self, max: i64) -> Result<usize, DbError> {
        self.run_session(SweepSessions { max }).await
    }

    /// Returns a handle for one request. Its first write claims the request. The write fails if the request was claimed
    /// before or its session has ended.
    #[must_use]
    pub fn claiming(&self, claim: &RequestClaim) -> Self {
        let mut handle = self.clone();
        handle.1.claim = Some(claim.clone());
        handle
    }

    /// Returns a handle for a client at this address, which has its own share of the queues.
    #[must_use]
    pub fn from_address(&self, address: Option<AddressKey>) -> Self {
        let mut handle = self.clone();
        handle.1.address = address;
        handle
    }

    /// The address given to [`Self::from_address`].
    #[must_use]
    pub const fn address(&self) -> Option<AddressKey> {
        self.1.address
    }

    /// Claims the request of [`Self::claiming`] without another write.
    ///
    /// # Errors
    /// [`DbError::NotCounted`] if the claim is refused.
    pub async fn claim_now(&self) -> Result<(), DbError> {
        self.run(ClaimNow).await
    }
}
