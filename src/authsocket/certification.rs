//! Sockets that must bring certificates: until these came, nothing is done for them and what they ask for is held.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;

use crate::auth::{CertificateError, Verified};
use crate::engineio::CloseReason;
use crate::socket::{Link, Socket};

use super::session::AuthSocket;

impl AuthSocket {
    /// Whether nothing more is needed than a proven identity.
    pub(super) fn is_certified(&self) -> bool {
        self.service.settings.certificates.is_none() || self.revealed().is_some()
    }

    /// A handshake is under way: the certificates that it asks for must come in time.
    pub(super) fn expect_certificates(&mut self, link: &Link<'_>) {
        if let Some(required) = &self.service.settings.certificates
            && self.revealed().is_none()
        {
            let deadline = link.now() + required.timeout;
            self.certificate_deadline.get_or_insert(deadline);
        }
    }

    /// The identity is proven; from now on it is the certificates that are waited for.
    pub(super) fn proven_without_certificates(&mut self, link: &Link<'_>) {
        self.auth_deadline = None;
        self.expect_certificates(link);
    }

    /// Keeps what came too early.
    pub(super) fn hold_uncertified(&mut self, verified: Verified) {
        if self.uncertified.len() >= self.service.settings.max_held_frames {
            return self.count_refused();
        }
        self.service.counters.held.fetch_add(1, Ordering::Relaxed);
        self.uncertified.push(verified);
    }

    /// Certificates came from the identity that is proven here. If they fit, all that was held is done.
    pub(super) fn certify(
        &mut self,
        certificates: &str,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        let service = Arc::clone(&self.service);
        let (Some(required), Some(identity)) =
            (&service.settings.certificates, self.peer.identity())
        else {
            return;
        };
        match self.peer.certify(&required.demand, certificates) {
            Ok(()) => {
                if !self.admit(identity, link, ctx) {
                    return;
                }
                self.speak_first(link);
                self.release_held(identity, link, ctx);
                for verified in std::mem::take(&mut self.uncertified) {
                    let event = self.client_event(&verified.payload);
                    self.dispatch(event, verified.identity, link, ctx);
                }
            }
            // Some clients answer so while they look for certificates.
            Err(CertificateError::NoneProvided) => self.count_refused(),
            Err(error) => {
                self.count_refused();
                self.log_refused_certificates(&error);
                link.close(CloseReason::ForcedClose);
            }
        }
    }
}
