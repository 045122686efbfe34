//! Who is asking, as far as an address tells, and what each address may have.

use std::net::{IpAddr, SocketAddr};

use super::budget::{KeyedBudget, Permit};
use super::networks::Networks;
use super::owner::AddressKey;
use super::rates::KeyedRates;
use super::refusals::LimitExceeded;
use super::token_bucket::Rate;
use crate::live::Live;

/// What each address may have.
#[derive(Debug, Clone)]
pub struct AddressSettings {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    /// Addresses that are not limited.
    pub unlimited: Networks,
    /// Connections of one address.
    pub connections: usize,
    /// Sockets of one address that have proven no identity.
    pub unproven_sockets: usize,
    /// As many of all.
    pub all_unproven_sockets: usize,
    /// HTTP requests of one address, with those of polling.
    pub requests: Rate,
    /// Handshakes and new sockets of one address.
    pub handshakes: Rate,
}

impl Default for AddressSettings {
    /// Without limits, for applications that have none.
    fn default() -> Self {
        let no_limit = Rate::new(0, std::time::Duration::ZERO);
        Self {
            trusted_proxies: Networks::default(),
            unlimited: Networks::default(),
            connections: usize::MAX,
            unproven_sockets: usize::MAX,
            all_unproven_sockets: usize::MAX,
            requests: no_limit,
            handshakes: no_limit,
        }
    }
}

/// Whose addresses are special.
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

/// What each address has, held against what it may have.
#[derive(Debug)]
pub struct AddressLimits {
    lists: Live<Lists>,
    connections: KeyedBudget<AddressKey>,
    unproven_sockets: KeyedBudget<AddressKey>,
    /// HTTP requests.
    pub requests: KeyedRates<AddressKey>,
    /// Handshakes and new sockets.
    pub handshakes: KeyedRates<AddressKey>,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self::new(AddressSettings::default())
    }
}

impl AddressLimits {
    /// Nobody has anything yet.
    #[must_use]
    pub fn new(settings: AddressSettings) -> Self {
        Self {
            connections: KeyedBudget::of_places(settings.connections, usize::MAX)
                .named("connections"),
            unproven_sockets: KeyedBudget::of_places(
                settings.unproven_sockets,
                settings.all_unproven_sockets,
            )
            .named("unproven_sockets"),
            requests: KeyedRates::new(settings.requests),
            handshakes: KeyedRates::new(settings.handshakes),
            lists: Live::new(Lists::of(settings.trusted_proxies, settings.unlimited)),
        }
    }

    /// Takes the lists and the rates of these settings from now on; bounds of what is held stay.
    pub fn reload(&self, settings: AddressSettings) {
        self.requests.set(settings.requests);
        self.handshakes.set(settings.handshakes);
        self.lists
            .set(Lists::of(settings.trusted_proxies, settings.unlimited));
    }

    /// A connection from this address, which may be a proxy's: those are not counted.
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

    /// A socket that has proven nothing, until the place is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded`].
    pub fn open_socket(
        &self,
        address: Option<AddressKey>,
    ) -> Result<Permit<AddressKey>, LimitExceeded> {
        self.unproven_sockets.take(address)
    }

    /// Connections that are counted.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.held()
    }

    /// Whom a request counts for; nobody, where its address is not limited. `forwarded` are the values of
    /// `X-Forwarded-For`, in the order of its lines: each proxy puts behind them whom it heard. `is_relayed` tells that a
    /// proxy has sent the request. A proxy on this machine asks for others, so its address is no reason for having no limits.
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
                // What cannot be read leaves the proxy that wrote it.
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

/// An address, with or without a port.
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
            // A client may have written what is further left.
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
            // It names nobody, or is not trusted.
            ("127.0.0.1", &[][..], Some("127.0.0.1")),
            ("::1", &["203.0.113.9"], Some("::1")),
            ("::ffff:127.0.0.1", &["203.0.113.9"], Some("127.0.0.1")),
            ("127.0.0.2", &["203.0.113.9"], Some("203.0.113.9")),
            // Another in front of it, on its own machine.
            ("127.0.0.2", &["127.0.0.1"], Some("127.0.0.1")),
            ("10.0.0.1", &["127.0.0.1"], Some("127.0.0.1")),
            // Other addresses have no limits because the operator says so, from wherever their requests come.
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
        let place = limits.connect(peer("192.0.2.1")).unwrap();
        assert!(place.is_some());
        assert!(limits.connect(peer("192.0.2.1")).is_err());
        drop(place);
        assert!(limits.connect(peer("192.0.2.1")).is_ok());
    }
}
