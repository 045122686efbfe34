//! Lists of networks, such as trusted proxies and unlimited addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
pub struct NetworkError(String);

/// A list of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// The loopback networks of IPv4 and IPv6.
    #[must_use]
    pub fn loopback() -> Self {
        let v4 = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8);
        let v6 = ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128);
        Self(vec![v4.into(), v6.into()])
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a network contains this address. An IPv4 address in IPv6 form counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Whether a `Host` header names this machine.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

impl TryFrom<Vec<String>> for Networks {
    type Error = NetworkError;

    fn try_from(texts: Vec<String>) -> Result<Self, NetworkError> {
        let read = |text: String| {
            let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network = text.parse().ok().or_else(single);
            network.ok_or(NetworkError(text))
        };
        texts
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        networks.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Result<Networks, NetworkError> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        texts.try_into()
    }

    #[test]
    fn networks_and_single_addresses_are_read() {
        let networks = networks(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]).unwrap();
        for (address, is_in) in [
            ("10.1.2.3", true),
            ("11.1.2.3", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.2.3", true),
            ("2001:db8:1::2", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(
                networks.contains(address.parse().unwrap()),
                is_in,
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "1.2.3.4:80"] {
            let error = networks(&["10.0.0.0/8", text]).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{text:?}")),
                "{error}"
            );
        }
        assert!(Networks::loopback().contains("127.9.9.9".parse().unwrap()));
        assert!(Networks::loopback().contains("::1".parse().unwrap()));
        assert!(!Networks::loopback().contains("128.0.0.1".parse().unwrap()));
    }
}
