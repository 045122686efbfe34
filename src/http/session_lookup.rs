//! The session that a request names: in memory, or in the store that all nodes share.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{AuthError, CachedSession, MAX_NONCE_CHARS};
use crate::limits::AddressKey;

use super::client_address::count_handshake;
use super::error::ApiError;
use super::state::HttpState;

/// The session that a request names.
pub(super) struct Named {
    pub(super) known: CachedSession,
    /// Otherwise it is from the shared store, and kept once the request has verified.
    pub(super) is_in_memory: bool,
}

/// Finds the session that has this nonce of ours.
pub(super) async fn find(
    own_nonce: &str,
    counted_for: Option<AddressKey>,
    state: &HttpState,
) -> Result<Named, ApiError> {
    match in_memory(own_nonce, state) {
        Some(named) => Ok(named),
        None => stored(own_nonce, counted_for, state).await,
    }
}

fn in_memory(own_nonce: &str, state: &HttpState) -> Option<Named> {
    let known = state.sessions().get(own_nonce, Instant::now())?;
    Some(Named {
        known,
        is_in_memory: true,
    })
}

/// Asks the shared store for a session. That costs more than a handshake and is counted like one; but first the nonce must be
/// one of ours.
async fn stored(
    own_nonce: &str,
    counted_for: Option<AddressKey>,
    state: &HttpState,
) -> Result<Named, ApiError> {
    if !state.identity.is_own_session_nonce(own_nonce) {
        return Err(unknown_session(own_nonce).into());
    }
    count_handshake(counted_for, &state.addresses)?;
    let restored = state.restore_session(own_nonce).await.map(|session| Named {
        known: CachedSession {
            session: Arc::new(session),
            began_here: false,
            is_stored: true,
        },
        is_in_memory: false,
    });
    restored.ok_or_else(|| unknown_session(own_nonce).into())
}

pub(super) fn unknown_session(nonce: &str) -> AuthError {
    AuthError::UnknownSession {
        nonce: nonce.chars().take(MAX_NONCE_CHARS).collect(),
    }
}
