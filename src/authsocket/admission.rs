//! How an authenticated identity becomes a member of its rooms: certificates, operator's lists and limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix::prelude::*;

use crate::auth::{CertificateError, Verified};
use crate::engineio::CloseReason;
use crate::events::{Refusal, ServerEvent};
use crate::ids::IdentityKey;
use crate::limits::{Owner, Share, refusals};
use crate::rooms::Admit;
use crate::socket::{Link, Socket};

use super::session::{Allowance, AuthSocketSession};
use super::state::phase::Phase;

/// How far an authenticated identity has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    /// Required certificates are missing.
    CertificatesDue,
    /// The socket is closed.
    Refused,
}

impl AuthSocketSession {
    /// Admits an authenticated identity, unless required certificates are missing.
    pub(super) fn advance(
        &mut self,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &Context<Socket<Self>>,
    ) -> Admission {
        if let Some(deadline) = self.certificates_due(link.now()) {
            self.phase.authenticated(deadline);
            return Admission::CertificatesDue;
        }
        match self.admit(identity, link, ctx) {
            Ok(()) => Admission::Admitted,
            Err(refusal) => {
                self.send_last(&ServerEvent::AuthenticationFailed(refusal), link);
                link.close(CloseReason::ForcedClose);
                Admission::Refused
            }
        }
    }

    /// Makes the socket a member of its rooms.
    fn admit(
        &mut self,
        identity: IdentityKey,
        link: &Link<'_>,
        ctx: &Context<Socket<Self>>,
    ) -> Result<(), Refusal> {
        if self.phase.is_admitted() {
            return Ok(());
        }
        if let Err(refused) = self.delivery.serves(&identity) {
            log::debug!("socket {} is closed: {identity:?} is not served", self.sid);
            return Err(Refusal::NotServed(refused));
        }
        if matches!(self.allowance, Allowance::Address { .. }) {
            let Ok(share) = Share::take(&self.service.identities, identity) else {
                log::debug!("socket {} exceeds the limit of {identity:?}", self.sid);
                return Err(Refusal::TooManySockets);
            };
            self.holding
                .give_to(Owner::both(identity, self.counted_for));
            if let Some(address) = self.counted_for {
                refusals().saw(address, identity, link.now());
            }
            self.allowance = Allowance::Identity(share);
            self.service.counters.proven.add_one();
        }
        let keep_alive = self.service.settings.keep_alive;
        self.upkeep.begin_keep_alive(keep_alive, link.now());
        log::debug!("socket {} is {identity:?}", self.sid);
        self.phase = Phase::Admitted(self.service.rooms.admit(Admit {
            sid: self.sid,
            identity,
            deliver: ctx.address().recipient(),
            slow_consumer: ctx.address().recipient(),
        }));
        Ok(())
    }

    /// When missing certificates would be due if they were asked for now. `None` if no more are needed.
    fn certificates_due(&self, now: Instant) -> Option<Instant> {
        let required = self.service.settings.certificates.as_ref()?;
        self.revealed().is_none().then(|| now + required.timeout)
    }

    /// A handshake asks for the required certificates: they must arrive in time.
    pub(super) fn expect_certificates(&mut self, link: &Link<'_>) {
        if let Some(deadline) = self.certificates_due(link.now()) {
            self.phase.expect_certificates(deadline);
        }
    }

    /// Holds a payload that arrived before the required certificates.
    pub(super) fn hold_uncertified(&mut self, verified: Verified) {
        if self.held.uncertified.len() >= self.service.settings.max_held_frames {
            return self.count_refused();
        }
        self.service.counters.held.fetch_add(1, Ordering::Relaxed);
        self.held.uncertified.push(verified);
    }

    /// Checks certificates of the authenticated identity. Valid ones admit it, and held payloads are handled. Certificates
    /// are ignored if no more are needed.
    pub(super) fn certify(
        &mut self,
        certificates: &str,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        let service = Arc::clone(&self.service);
        let (Some(required), Some(deadline), Some(identity)) = (
            &service.settings.certificates,
            self.certificates_due(link.now()),
            self.peer.identity(),
        ) else {
            return;
        };
        self.phase.authenticated(deadline);
        match self.peer.certify(&required.demand, certificates) {
            Ok(()) => {
                if self.advance(identity, link, ctx) != Admission::Admitted {
                    return;
                }
                self.begin_session(identity, link, ctx);
                for verified in std::mem::take(&mut self.held.uncertified) {
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
