//! How far a session has come, from an unknown client to a member of rooms. Pure.

use std::time::Instant;

/// `M` is the membership of an admitted session.
#[derive(Debug)]
pub(crate) enum Phase<M> {
    /// The client has authenticated no identity. It must do so by `deadline`.
    Unauthenticated {
        deadline: Instant,
        /// When the required certificates are due, once a handshake has asked for them.
        certificates: Option<Instant>,
    },
    /// The identity is authenticated. The required certificates must arrive by `deadline`.
    Authenticated { deadline: Instant },
    /// The session is a member of its rooms. Required certificates have arrived.
    Admitted(M),
    /// The admitted client has left the namespace. It must return by `deadline`.
    Left { deadline: Instant },
}

impl<M> Phase<M> {
    pub(crate) const fn new(deadline: Instant) -> Self {
        Self::Unauthenticated {
            deadline,
            certificates: None,
        }
    }

    pub(crate) const fn is_admitted(&self) -> bool {
        matches!(self, Self::Admitted(_))
    }

    pub(crate) const fn member(&mut self) -> Option<&mut M> {
        match self {
            Self::Admitted(member) => Some(member),
            _ => None,
        }
    }

    /// A handshake has asked for certificates. An earlier deadline stays.
    pub(crate) fn expect_certificates(&mut self, deadline: Instant) {
        if let Self::Unauthenticated { certificates, .. } = self {
            certificates.get_or_insert(deadline);
        }
    }

    /// The identity is authenticated, and certificates are missing. An earlier deadline stays.
    pub(crate) fn authenticated(&mut self, deadline: Instant) {
        if let Self::Unauthenticated { certificates, .. } = self {
            let deadline = certificates.unwrap_or(deadline);
            *self = Self::Authenticated { deadline };
        }
    }

    /// The client has left the namespace. An admitted one must return by `deadline`; any other gets no more time.
    pub(crate) fn leave(&mut self, deadline: Instant) -> Option<M> {
        if !matches!(self, Self::Admitted(_) | Self::Left { .. }) {
            return None;
        }
        match std::mem::replace(self, Self::Left { deadline }) {
            Self::Admitted(member) => Some(member),
            _ => None,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Unauthenticated {
                deadline,
                certificates,
            } => Some(certificates.map_or(*deadline, |due| due.min(*deadline))),
            Self::Authenticated { deadline } | Self::Left { deadline } => Some(*deadline),
            Self::Admitted(_) => None,
        }
    }

    /// What the client did not do in time, if anything.
    pub(crate) fn overdue(&self, now: Instant) -> Option<&'static str> {
        let is_due = self.poll_timeout().is_some_and(|due| due <= now);
        is_due.then_some(match self {
            Self::Unauthenticated { deadline, .. } if *deadline <= now => "authenticate",
            Self::Left { .. } => "return",
            _ => "bring certificates",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_client_that_has_proven_nothing_gets_no_more_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut phase: Phase<u8> = Phase::new(at(30));
        assert_eq!(phase.leave(at(60)), None);
        assert_eq!(phase.poll_timeout(), Some(at(30)));
        phase.expect_certificates(at(20));
        phase.expect_certificates(at(50));
        assert_eq!(phase.overdue(at(19)), None);
        assert_eq!(phase.overdue(at(20)), Some("bring certificates"));
        assert_eq!(phase.overdue(at(30)), Some("authenticate"));
        phase.authenticated(at(70));
        phase.authenticated(at(80));
        assert_eq!(
            (phase.leave(at(90)), phase.poll_timeout()),
            (None, Some(at(20)))
        );
        assert_eq!(phase.overdue(at(30)), Some("bring certificates"));
    }

    #[test]
    fn an_admitted_client_has_time_to_come_back() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut phase = Phase::Admitted(7);
        assert_eq!((phase.poll_timeout(), phase.member()), (None, Some(&mut 7)));
        assert_eq!(phase.leave(at(30)), Some(7));
        assert!(!phase.is_admitted());
        assert_eq!(phase.leave(at(40)), None);
        assert_eq!(phase.overdue(at(39)), None);
        assert_eq!(phase.overdue(at(40)), Some("return"));
    }
}
