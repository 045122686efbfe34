//! Finds the address that a request counts for, and holds the limits of each address.

use std::net::{IpAddr, SocketAddr};

use super::budget::{KeyedBudget, Permit};
use super::networks::Networks;
use super::owner::AddressKey;
use super::rates::KeyedRates;
use super::refusals::LimitExceeded;
use super::token_bucket::Rate;
use crate::live::Live;

/// The limits of each address.
#[derive(Debug, Clone)]
pub struct AddressSettings {
    /// Proxies whose `X-Forwarded-For` the server trusts.
    pub trusted_proxies: Networks,
    pub unlimited: Networks,
    /// Connections for each address.
    pub connections: usize,
    /// Unauthenticated sockets for each address.
    pub unauthenticated_sockets: usize,
    /// Unauthenticated sockets for all addresses together.
    pub all_unauthenticated_sockets: usize,
    /// HTTP requests for each address, including those of polling.
    pub requests: Rate,
    /// Handshakes and new sockets for each address.
    pub handshakes: Rate,
}

impl Default for AddressSettings {
    /// No limits, for tests and examples.
    fn default() -> Self {
        let no_limit = Rate::new(0, std::time::Duration::ZERO);
        Self {
            trusted_proxies: Networks::default(),
            unlimited: Networks::default(),
            connections: usize::MAX,
            unauthenticated_sockets: usize::MAX,
            all_unauthenticated_sockets: usize::MAX,
            requests: no_limit,
            handshakes: no_limit,
        }
    }
}

/// Networks with rules of their own.
#[derive(Debug)]
struct Lists {
    trusted_proxies: Networks,
    unlimited: Networks,
}

impl Lists {
    const fn of(trusted_proxies: Networks, unlimited: Networks) -> Self {
        Self {
            trusted_proxies,
            unlimited,
        }
    }

    fn is_free(&self, address: IpAddr) -> bool {
        self.unlimited.contains(address)
    }
}

/// What each address uses now.
#[derive(Debug)]
pub struct AddressLimits {
    lists: Live<Lists>,
    connections: KeyedBudget<AddressKey>,
    unauthenticated_sockets: KeyedBudget<AddressKey>,
    pub requests: KeyedRates<AddressKey>,
    /// Counts handshakes and new sockets.
    pub handshakes: KeyedRates<AddressKey>,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self::new(AddressSettings::default())
    }
}

impl AddressLimits {
    #[must_use]
    pub fn new(settings: AddressSettings) -> Self {
        Self {
            connections: KeyedBudget::of_places(settings.connections, usize::MAX)
                .named("connections"),
            unauthenticated_sockets: KeyedBudget::of_places(
                settings.unauthenticated_sockets,
                settings.all_unauthenticated_sockets,
            )
            .named("unproven_sockets"),
            requests: KeyedRates::new(settings.requests),
            handshakes: KeyedRates::new(settings.handshakes),
            lists: Live::new(Lists::of(settings.trusted_proxies, settings.unlimited)),
        }
    }

    /// Replaces the lists and the rates. The limits of connections and sockets stay as they are.
    pub fn reload(&self, settings: AddressSettings) {
        self.requests.set(settings.requests);
        self.handshakes.set(settings.handshakes);
        self.lists
            .set(Lists::of(settings.trusted_proxies, settings.unlimited));
    }

    /// Counts a connection, until the permit is dropped. Connections of trusted proxies and unlimited addresses are
    /// free.
    ///
    /// # Errors
    /// [`LimitExceeded::PerKey`].
    pub fn connect(&self, peer: SocketAddr) -> Result<Option<Permit<AddressKey>>, LimitExceeded> {
        let lists = self.lists.get();
        if lists.is_free(peer.ip()) || lists.trusted_proxies.contains(peer.ip()) {
            return Ok(None);
        }
        self.connections
            .take(Some(AddressKey::of(peer.ip())))
            .map(Some)
    }

    /// Counts a socket without an identity, until the permit is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded`].
    pub fn open_socket(
        &self,
        address: Option<AddressKey>,
    ) -> Result<Permit<AddressKey>, LimitExceeded> {
        self.unauthenticated_sockets.take(address)
    }

    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.held()
    }

    /// The address that a request counts for, or `None` if that address has no limits.
    ///
    /// `forwarded` holds the values of `X-Forwarded-For`, in the order of the header lines. Each proxy appends the
    /// address that it saw. `is_relayed` says that a proxy sent the request. A proxy on this machine relays the
    /// requests of others, so requests through it are never unlimited.
    #[must_use]
    pub fn client<'a>(
        &self,
        peer: Option<SocketAddr>,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
        is_relayed: bool,
    ) -> Option<AddressKey> {
        let mut address = peer?.ip();
        let lists = self.lists.get();
        if !lists.trusted_proxies.is_empty() && lists.trusted_proxies.contains(address) {
            let named = forwarded.rev().flat_map(|line| line.rsplit(','));
            for hop in named {
                // An unreadable entry counts for the proxy that wrote it.
                let Some(named) = parse_hop(hop.trim()) else {
                    break;
                };
                address = named;
                if !lists.trusted_proxies.contains(named) {
                    break;
                }
            }
        }
        let is_proxy_here = is_relayed && address.to_canonical().is_loopback();
        (is_proxy_here || !lists.is_free(address)).then(|| AddressKey::of(address))
    }
}

/// Parses an address with or without a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse()
        .or_else(|_| text.parse().map(|address: SocketAddr| address.ip()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        texts.try_into().unwrap()
    }

    fn key(text: &str) -> AddressKey {
        AddressKey::of(text.parse().unwrap())
    }

    fn peer(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn addresses_of_ipv6_count_by_their_network() {
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:9:9:9:9"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn what_is_forwarded_is_believed_of_trusted_proxies_only() {
        let limits = AddressLimits::new(AddressSettings {
            trusted_proxies: networks(&["10.0.0.0/8"]),
            ..AddressSettings::default()
        });
        for (from, forwarded, client) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // The client itself may have written the entries further left.
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9,10.7.7.7"], "203.0.113.9"),
            ("10.0.0.1", &["10.8.8.8, 10.7.7.7"], "10.8.8.8"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["203.0.113.9, unknown, 10.7.7.7"], "10.7.7.7"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ] {
            let counted = limits.client(Some(peer(from)), forwarded.iter().copied(), true);
            assert_eq!(counted, Some(key(client)), "{from} {forwarded:?}");
        }
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_this_machine() {
        let limits = AddressLimits::new(AddressSettings {
            trusted_proxies: networks(&["10.0.0.0/8", "127.0.0.2"]),
            unlimited: networks(&["127.0.0.0/8", "::1", "192.0.2.0/24"]),
            ..AddressSettings::default()
        });
        for (from, forwarded, client) in [
            // The proxy names nobody, or the server does not trust it.
            ("127.0.0.1", &[][..], Some("127.0.0.1")),
            ("::1", &["203.0.113.9"], Some("::1")),
            ("::ffff:127.0.0.1", &["203.0.113.9"], Some("127.0.0.1")),
            ("127.0.0.2", &["203.0.113.9"], Some("203.0.113.9")),
            // A second proxy on the same machine as the first.
            ("127.0.0.2", &["127.0.0.1"], Some("127.0.0.1")),
            ("10.0.0.1", &["127.0.0.1"], Some("127.0.0.1")),
            // The operator made other addresses unlimited, whichever way their requests arrive.
            ("10.0.0.1", &["192.0.2.7"], None),
            ("192.0.2.7", &[], None),
        ] {
            let counted = limits.client(Some(peer(from)), forwarded.iter().copied(), true);
            assert_eq!(counted, client.map(key), "{from} {forwarded:?}");
        }
    }

    #[test]
    fn some_are_not_limited_and_proxies_have_no_connections_of_their_own() {
        let limits = AddressLimits::new(AddressSettings {
            trusted_proxies: networks(&["10.0.0.0/8"]),
            unlimited: Networks::loopback(),
            connections: 1,
            ..AddressSettings::default()
        });
        let local = Some(peer("127.0.0.1"));
        assert_eq!(limits.client(local, [].into_iter(), false), None);
        for free in ["127.0.0.1", "10.0.0.1"] {
            for _ in 0..3 {
                assert!(limits.connect(peer(free)).unwrap().is_none());
            }
        }
        let permit = limits.connect(peer("192.0.2.1")).unwrap();
        assert!(permit.is_some());
        assert!(limits.connect(peer("192.0.2.1")).is_err());
        drop(permit);
        assert!(limits.connect(peer("192.0.2.1")).is_ok());
    }
}
