//! The memory of nonces that requests ask, where there are other servers.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

use crate::auth::Resumption;
use crate::cluster::{Cluster, Nonces, SessionNonce};
use crate::config::Settings;
use crate::http::{HttpState, NonceUse, SharedNonce, SharedNonces};

impl SharedNonces for Nonces {
    fn use_up(&self, nonce: SharedNonce) -> LocalBoxFuture<'_, NonceUse> {
        Box::pin(async move {
            let used = self.use_up(SessionNonce {
                session: nonce.session,
                nonce: nonce.nonce,
                keep: nonce.remember_for,
            });
            match used.await {
                Some(true) => NonceUse::First,
                Some(false) => NonceUse::Repeated,
                None => NonceUse::Unknown,
            }
        })
    }
}

/// Has requests count once on all servers. Where no session goes on at another one, nothing can be repeated there.
pub(super) fn shared(
    state: HttpState,
    cluster: Option<&Cluster>,
    resumption: Option<&Arc<Resumption>>,
    settings: &Settings,
) -> HttpState {
    let (Some(cluster), Some(_)) = (cluster, resumption) else {
        return state;
    };
    let nonces = cluster.share_nonces(settings.cluster.nonce_timeout);
    let nonces: Arc<dyn SharedNonces> = Arc::new(nonces);
    state.with_shared_nonces(Some(nonces), settings.cluster.require_nonces)
}
