//! The session that a request names: one of this process, or one from the store that all nodes share.

use std::sync::Arc;

use crate::auth::CachedSession;
use crate::http::client_address::count_handshake;
use crate::http::error::ApiError;
use crate::http::state::HttpState;
use crate::limits::AddressKey;

use super::sessions::unknown_session;

/// A session, and where it was found.
pub(super) struct SessionLookup {
    pub(super) known: CachedSession,
    /// False: it came from the shared store, and joins the local sessions once the request is verified.
    pub(super) is_local: bool,
}

/// Finds the session that has this nonce of the server.
///
/// Asking the shared store costs more than a handshake and counts as one. The nonce must be the server's own.
pub(super) async fn find(
    own_nonce: &str,
    address: Option<AddressKey>,
    state: &HttpState,
) -> Result<SessionLookup, ApiError> {
    if let Some(known) = state.sessions.get(own_nonce) {
        let is_local = true;
        return Ok(SessionLookup { known, is_local });
    }
    if !state.identity.is_own_session_nonce(own_nonce) {
        return Err(unknown_session(own_nonce).into());
    }
    count_handshake(address, &state.addresses)?;
    let max_requests = state.limits.max_requests_per_session;
    let restored = state
        .sessions
        .restore(own_nonce, &state.identity, max_requests)
        .await;
    let session = restored.ok_or_else(|| unknown_session(own_nonce))?;
    Ok(SessionLookup {
        known: CachedSession {
            session: Arc::new(session),
            began_here: false,
            is_stored: true,
        },
        is_local: false,
    })
}
