//! Applies the session steps of a whole group, so that round trips do not grow with the group.

use std::collections::HashMap;

use diesel::QueryResult;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::transaction::Begin;
use crate::db::store::sessions::session_step::{SessionStep, SessionSteps, StoredSession};
use crate::db::store::sessions::session_store;

use super::claiming;
use super::queued_write::QueuedWrite;

impl SessionSteps {
    /// Applies all steps in this order: store, end, extend, claim. A claim lives for `claim_ms`.
    pub(crate) fn take(
        connection: &mut AnyConnection,
        group: &[QueuedWrite],
        claim_ms: i64,
        now: &Now,
        begin: Begin,
    ) -> QueryResult<Self> {
        let (mut stored, mut prolonged) = (HashMap::new(), HashMap::new());
        let mut ended = Vec::new();
        for step in group.iter().filter_map(|write| write.session_step()) {
            match step {
                SessionStep::Store(session) => {
                    stored.insert(session.record.own_nonce.as_str(), session);
                }
                SessionStep::Prolong(own_nonce, life_ms) => {
                    prolonged.insert(own_nonce.as_str(), *life_ms);
                }
                SessionStep::End { own_nonces, .. } => {
                    ended.extend(own_nonces.iter().map(String::as_str));
                }
            }
        }
        let mut steps = Self::default();
        if !stored.is_empty() {
            let stored: Vec<&StoredSession> = stored.into_values().collect();
            session_store::store(connection, &stored, now)?;
        }
        if !ended.is_empty() {
            session_store::end(connection, &ended)?;
        }
        // All of them have the life from the settings.
        if let Some(life_ms) = prolonged.values().min().copied() {
            let own_nonces: Vec<&str> = prolonged.into_keys().collect();
            steps.ended = session_store::prolong(connection, &own_nonces, life_ms, now)?;
        }
        let claims = group.iter().enumerate();
        let claims = claims.filter_map(|(index, write)| Some((index, write.claim.as_ref()?)));
        let (places, claims): (Vec<usize>, Vec<_>) = claims.unzip();
        if !claims.is_empty() {
            let refusals = claiming::claim(connection, &claims, claim_ms, now, begin)?;
            let refused = places.into_iter().zip(refusals);
            let refused = refused.filter_map(|(place, refusal)| Some((place, refusal?)));
            steps.refusals = refused.collect();
        }
        Ok(steps)
    }
}
