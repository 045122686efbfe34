//! Decides which requests are an admin's: those with the operator's token, and those signed with an admin's key. In
//! development, with neither configured, also those from this machine. Pure.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use subtle::ConstantTimeEq as _;

use crate::auth::sha256;
use crate::ids::IdentityKey;
use crate::limits::is_loopback_host;

/// What a request shows before any signature is verified.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdminRequester<'a> {
    /// The peer of the TCP connection; no header can change it.
    pub peer: Option<IpAddr>,
    pub authorization: Option<&'a str>,
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub fetch_site: Option<&'a str>,
    /// Whether a header says that a proxy forwarded the request.
    pub forwarded: bool,
}

/// The admins of the configuration.
#[derive(Clone, Default)]
pub struct Guard {
    /// SHA-256 of the token, so that comparisons take the same time for every length.
    token: Option<[u8; 32]>,
    identities: HashSet<IdentityKey>,
    /// Whether requests from this machine are an admin's if neither of the two is set.
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
    /// Admits requests with this token, and requests signed with one of these keys. Without both, it admits none.
    #[must_use]
    pub fn new(token: Option<&str>, identities: impl IntoIterator<Item = IdentityKey>) -> Self {
        Self {
            token: token.map(|token| sha256(token.as_bytes())),
            identities: identities.into_iter().collect(),
            trusts_this_machine: false,
        }
    }

    /// Without token and keys, admits requests from this machine. For development only: a proxy on the machine need not
    /// say that it forwards requests of others.
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

    #[must_use]
    pub fn admits_identity(&self, identity: &IdentityKey) -> bool {
        self.identities.contains(identity)
    }

    /// Whether an unsigned request is an admin's.
    #[must_use]
    pub fn admits(&self, request: &AdminRequester<'_>) -> bool {
        if let Some(digest) = &self.token {
            let token = request.authorization.and_then(bearer);
            return token.is_some_and(|token| sha256(token.as_bytes()).ct_eq(digest).into());
        }
        self.trusts_this_machine && self.identities.is_empty() && is_local(request)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a request comes from this machine, and neither through a proxy on it nor from a page of another site.
fn is_local(request: &AdminRequester<'_>) -> bool {
    let is_loopback = request
        .peer
        .is_some_and(|peer| peer.to_canonical().is_loopback());
    let same_site = request
        .fetch_site
        .is_none_or(|site| matches!(site, "same-origin" | "none"));
    // Any domain may resolve to this machine: a browser would take its page for ours (DNS rebinding).
    let is_loopback_name = request.host.is_some_and(is_loopback_host);
    let own_page = request.origin.is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == request.host
    });
    is_loopback && !request.forwarded && same_site && is_loopback_name && own_page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;

    fn local() -> AdminRequester<'static> {
        AdminRequester {
            peer: "127.0.0.1".parse().ok(),
            host: Some("localhost:8080"),
            ..AdminRequester::default()
        }
    }

    #[test]
    fn with_a_token_nothing_else_opens() {
        let guard = Guard::new(Some("the operator's token"), []).trusting_this_machine();
        let bring = |authorization| AdminRequester {
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
    fn with_admin_keys_local_requests_are_refused() {
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
    fn without_token_and_keys_only_this_machine_is_admitted_and_no_proxy_or_page_on_it() {
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
            assert!(
                guard.admits(&AdminRequester { host, ..local() }),
                "{host:?}"
            );
        }
        let v6 = "::ffff:127.0.0.1".parse().ok();
        assert!(guard.admits(&AdminRequester {
            peer: v6,
            ..local()
        }));
        let own = Some("http://localhost:8080");
        let same = Some("same-origin");
        assert!(guard.admits(&AdminRequester {
            origin: own,
            fetch_site: same,
            ..local()
        }));
        let refused = [
            AdminRequester {
                peer: None,
                ..local()
            },
            AdminRequester {
                peer: "192.0.2.1".parse().ok(),
                ..local()
            },
            AdminRequester {
                forwarded: true,
                ..local()
            },
            AdminRequester {
                host: None,
                ..local()
            },
            AdminRequester {
                host: Some("rebound.example:8080"),
                ..local()
            },
            AdminRequester {
                host: Some("localhost.example"),
                ..local()
            },
            AdminRequester {
                origin: Some("https://evil.example"),
                ..local()
            },
            AdminRequester {
                origin: Some("null"),
                ..local()
            },
            AdminRequester {
                origin: Some("http://localhost:9090"),
                ..local()
            },
            AdminRequester {
                fetch_site: Some("cross-site"),
                ..local()
            },
            AdminRequester {
                fetch_site: Some("same-site"),
                ..local()
            },
        ];
        for request in refused {
            assert!(!guard.admits(&request), "{request:?}");
        }
    }
}
