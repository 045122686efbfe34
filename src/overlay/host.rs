//! Host addresses that published clients accept in an advertisement.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// Reserved host names, which clients refuse in an advertisement.
const LOCAL_NAMES: [&str; 6] = [
    "localhost",
    "local",
    "test",
    "invalid",
    "example",
    "example.com",
];

/// A public host address such as `https://messagebox.example`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedHost(String);

/// Why an address cannot be advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostError {
    /// The text is not an address.
    #[error("expected an address such as https://messagebox.example.org")]
    Shape,
    /// Clients accept https only.
    #[error("clients accept an advertised host only if its address begins with https://")]
    Scheme,
    /// A local address, or a name reserved for tests.
    #[error("clients refuse an advertised host that is local or an example")]
    Local,
    /// A user, a password, a query or a fragment.
    #[error("a host's address may hold a name, a port and a path only")]
    Extra,
}

impl FromStr for AdvertisedHost {
    type Err = HostError;

    /// A bare domain, as in `HOSTING_DOMAIN`, gets the scheme `https`.
    fn from_str(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url = Url::parse(&whole).map_err(|_| HostError::Shape)?;
        if url.scheme() != "https" {
            return Err(HostError::Scheme);
        }
        let is_local = match url.host().ok_or(HostError::Shape)? {
            Host::Domain(name) => is_local(name),
            Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
            Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
        };
        if is_local {
            return Err(HostError::Local);
        }
        let has_extra = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if has_extra {
            return Err(HostError::Extra);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    LOCAL_NAMES.iter().any(|local| {
        let before = name.strip_suffix(local);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

impl fmt::Display for AdvertisedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AdvertisedHost {
    /// Whether an advertisement names this address, ignoring trailing slashes.
    pub(super) fn is(&self, advertised: &str) -> bool {
        advertised.trim().trim_end_matches('/') == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_clients_take_can_be_advertised() {
        let good = [
            ("https://box.example.org", "https://box.example.org"),
            ("https://box.example.org/", "https://box.example.org"),
            (
                " https://Box.example.org:8443/api/ ",
                "https://box.example.org:8443/api",
            ),
            ("box.example.org", "https://box.example.org"),
            ("https://10.0.0.1", "https://10.0.0.1"),
        ];
        for (text, expected) in good {
            let host: AdvertisedHost = text.parse().unwrap();
            assert_eq!(host.to_string(), expected, "{text}");
        }
        let bad = [
            ("", HostError::Shape),
            ("https://", HostError::Shape),
            ("http://box.example.org", HostError::Scheme),
            ("ftp://box.example.org", HostError::Scheme),
            ("localhost", HostError::Local),
            ("https://localhost:8080", HostError::Local),
            ("https://a.local", HostError::Local),
            ("https://a.TEST.", HostError::Local),
            ("https://box.example.com", HostError::Local),
            ("https://127.0.0.1", HostError::Local),
            ("https://[::1]:3000", HostError::Local),
            ("https://0.0.0.0", HostError::Local),
            ("https://me:secret@box.example.org", HostError::Extra),
            ("https://box.example.org?a", HostError::Extra),
            ("https://box.example.org#a", HostError::Extra),
        ];
        for (text, expected) in bad {
            assert_eq!(text.parse::<AdvertisedHost>(), Err(expected), "{text}");
        }
        let host: AdvertisedHost = "https://box.example.org".parse().unwrap();
        assert!(host.is("https://box.example.org//") && !host.is("https://box.example.org/api"));
    }
}
