//! `X-Forwarded-For`: the address that a request counts for, whatever its sender wrote before the proxies did.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use messagebox::limits::{AddressKey, AddressLimits, AddressSettings, Networks};
use messagebox_fuzz::memory;

fn networks(text: &str) -> Networks {
    vec![text.to_owned()].try_into().expect("a network")
}

fn peer(text: &str) -> SocketAddr {
    SocketAddr::new(text.parse().expect("an address"), 4711)
}

fuzz_target!(|text: &str| {
    let limits = AddressLimits::new(AddressSettings {
        trusted_proxies: networks("10.0.0.0/8"),
        unlimited: networks("127.0.0.0/8"),
        ..AddressSettings::default()
    });
    let (proxy, stranger) = (peer("10.0.0.1"), peer("198.51.100.1"));
    let lines = || text.split('\n');
    let counted = memory::within(text.len(), 1, || limits.client(Some(proxy), lines(), true));

    // A sender that is no proxy counts for itself.
    let himself = Some(AddressKey::of(stranger.ip()));
    assert_eq!(limits.client(Some(stranger), lines(), true), himself);
    // The name that a proxy added last counts, whatever stands before it, in the same line or in another.
    let client = "203.0.113.7";
    let key = Some(AddressKey::of(client.parse().expect("an address")));
    let appended = format!("{text},{client}");
    assert_eq!(limits.client(Some(proxy), appended.split('\n'), true), key);
    assert_eq!(
        limits.client(Some(proxy), lines().chain([client]), true),
        key
    );
    let twice = [client, "10.1.2.3, 10.0.0.2"];
    assert_eq!(limits.client(Some(proxy), lines().chain(twice), true), key);
    // No address is invented: it is the proxy, a named address, or one without limits.
    let named = text.split(['\n', ',']).filter_map(|hop| {
        let hop = hop.trim();
        let bare = hop.trim_start_matches('[').trim_end_matches(']');
        let address = hop.parse().map(|address: SocketAddr| address.ip());
        address.or_else(|_| bare.parse::<IpAddr>()).ok()
    });
    let mut known: Vec<IpAddr> = named.collect();
    known.push(proxy.ip());
    match counted {
        Some(counted) => assert!(
            known
                .iter()
                .any(|address| AddressKey::of(*address) == counted)
        ),
        None => assert!(
            known
                .iter()
                .any(|address| address.to_canonical().is_loopback())
        ),
    }
});
