//! Who may manage the server: a request with the operator's token, or signed with an admin's key. In development, with neither
//! set, requests from this machine. Pure.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use subtle::ConstantTimeEq as _;

use crate::auth::sha256;
use crate::ids::IdentityKey;
use crate::limits::is_loopback_host;

/// What is known of who asks, before anything is verified.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker<'a> {
    /// The other end of the connection itself, whatever a header says.
    pub peer: Option<IpAddr>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// Whether a header says that a proxy passed it on.
    pub forwarded: bool,
}

/// Who is let in.
#[derive(Clone, Default)]
pub struct Guard {
    /// SHA-256 of the token: of one length, whatever is compared with it.
    token: Option<[u8; 32]>,
    identities: HashSet<IdentityKey>,
    /// Whether this machine counts as an admin, where neither of the two is set.
    trusts_this_machine: bool,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("token", &self.token.map(|_| "***"))
            .field("identities", &self.identities)
            .field("trusts_this_machine", &self.trusts_this_machine)
            .finish()
    }
}

impl Guard {
    /// Admits requests with this token, and those signed with one of these keys. With neither, it admits nothing.
    #[must_use]
    pub fn new(token: Option<&str>, identities: impl IntoIterator<Item = IdentityKey>) -> Self {
        Self {
            token: token.map(|token| sha256(token.as_bytes())),
            identities: identities.into_iter().collect(),
            trusts_this_machine: false,
        }
    }

    /// Where neither token nor keys are set: admits requests from this machine. For development only, because a proxy on the
    /// machine need not say that it forwards for others.
    #[must_use]
    pub const fn trusting_this_machine(mut self) -> Self {
        self.trusts_this_machine = true;
        self
    }

    /// Whether no request can be an admin's.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.token.is_none() && self.identities.is_empty() && !self.trusts_this_machine
    }

    /// Whether this key is an admin's.
    #[must_use]
    pub fn admits_identity(&self, identity: &IdentityKey) -> bool {
        self.identities.contains(identity)
    }

    /// Whether a request that is not signed is an admin's.
    #[must_use]
    pub fn admits(&self, asker: &Asker<'_>) -> bool {
        if let Some(digest) = &self.token {
            let token = asker.authorization.and_then(bearer);
            return token.is_some_and(|token| sha256(token.as_bytes()).ct_eq(digest).into());
        }
        self.trusts_this_machine && self.identities.is_empty() && is_local(asker)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Somebody at this machine, and neither a proxy on it nor a page of another site in a browser on it.
fn is_local(asker: &Asker<'_>) -> bool {
    let is_loopback = asker
        .peer
        .is_some_and(|peer| peer.to_canonical().is_loopback());
    let same_site = asker
        .fetch_site
        .is_none_or(|site| matches!(site, "same-origin" | "none"));
    // A name that leads here may be anybody's: a browser would take his page for ours.
    let named = asker.host.is_some_and(is_loopback_host);
    let own_page = asker.origin.is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == asker.host
    });
    is_loopback && !asker.forwarded && same_site && named && own_page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    fn local() -> Asker<'static> {
        Asker {
            peer: "127.0.0.1".parse().ok(),
            host: Some("localhost:8080"),
            ..Asker::default()
        }
    }

    #[test]
    fn a_token_opens_and_nothing_else_does_where_there_is_one() {
        let guard = Guard::new(Some("the operator's token"), []).trusting_this_machine();
        let bring = |authorization| Asker {
            authorization,
            ..local()
        };
        assert!(guard.admits(&bring(Some("Bearer the operator's token"))));
        assert!(guard.admits(&bring(Some("bearer  the operator's token "))));
        for wrong in [
            None,
            Some("the operator's token"),
            Some("Bearer the operator's toke"),
            Some("Bearer the operator's tokens"),
            Some("Bearer "),
            Some("Basic the operator's token"),
        ] {
            assert!(!guard.admits(&bring(wrong)), "{wrong:?}");
        }
        assert!(!format!("{guard:?}").contains("operator"));
    }

    #[test]
    fn an_admin_signs_and_being_local_is_then_nothing() {
        let [admin, other] = [(); 2].map(|()| Identity::random().identity_key());
        let guard = Guard::new(None, [admin]).trusting_this_machine();
        assert!(guard.admits_identity(&admin) && !guard.admits_identity(&other));
        assert!(!guard.admits(&local()));
    }

    #[test]
    fn outside_development_this_machine_is_no_admin() {
        let guard = Guard::new(None, []);
        assert!(guard.is_closed() && !guard.admits(&local()));
        assert!(!Guard::new(Some("the operator's token"), []).is_closed());
        assert!(!Guard::new(None, [Identity::random().identity_key()]).is_closed());
    }

    #[test]
    fn without_token_and_keys_only_this_machine_is_let_in_and_no_proxy_or_page_on_it() {
        let guard = Guard::default().trusting_this_machine();
        assert!(!guard.is_closed());
        for host in [
            "localhost",
            "127.0.0.1:1",
            "[::1]:1",
            "[::1]",
            "LOCALHOST:80",
        ] {
            let host = Some(host);
            assert!(guard.admits(&Asker { host, ..local() }), "{host:?}");
        }
        let v6 = "::ffff:127.0.0.1".parse().ok();
        assert!(guard.admits(&Asker {
            peer: v6,
            ..local()
        }));
        let own = Some("http://localhost:8080");
        let same = Some("same-origin");
        assert!(guard.admits(&Asker {
            origin: own,
            fetch_site: same,
            ..local()
        }));
        let refused = [
            Asker {
                peer: None,
                ..local()
            },
            Asker {
                peer: "192.0.2.1".parse().ok(),
                ..local()
            },
            Asker {
                forwarded: true,
                ..local()
            },
            Asker {
                host: None,
                ..local()
            },
            Asker {
                host: Some("rebound.example:8080"),
                ..local()
            },
            Asker {
                host: Some("localhost.example"),
                ..local()
            },
            Asker {
                origin: Some("https://evil.example"),
                ..local()
            },
            Asker {
                origin: Some("null"),
                ..local()
            },
            Asker {
                origin: Some("http://localhost:9090"),
                ..local()
            },
            Asker {
                fetch_site: Some("cross-site"),
                ..local()
            },
            Asker {
                fetch_site: Some("same-site"),
                ..local()
            },
        ];
        for asker in refused {
            assert!(!guard.admits(&asker), "{asker:?}");
        }
    }
}
