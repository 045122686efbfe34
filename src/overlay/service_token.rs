//! Tokens of overlay services: an output with a service's address and role. Pure.

use std::io::Cursor;

use bsv::script::templates::push_drop;
use bsv::transaction::Beef;
use url::Url;

use crate::beef_layout::check_any_layout;

use super::answer::{OutputRef, Outputs};

/// Maximum services used. A hostile answer may name more than can be asked in time.
const MAX_HOSTS: usize = 64;

/// The role of an overlay service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceRole {
    /// Takes transactions of a topic: SHIP (BRC-23).
    TakesTopic,
    /// Answers lookups of a service: SLAP (BRC-24).
    AnswersLookups,
}

impl ServiceRole {
    const fn protocol(self) -> &'static [u8] {
        match self {
            Self::TakesTopic => b"SHIP",
            Self::AnswersLookups => b"SLAP",
        }
    }
}

/// Addresses of services with this role for the topic or lookup service `name`, without trailing slashes. Each appears
/// once, in the order of the answers.
pub(super) fn hosts(role: ServiceRole, name: &str, found: &[Outputs]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for host in found.iter().flat_map(|outputs| within(role, name, outputs)) {
        if hosts.len() < MAX_HOSTS && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The bytes are untrusted: unreadable outputs name no service.
fn within(role: ServiceRole, name: &str, outputs: &Outputs) -> Vec<String> {
    if check_any_layout(&outputs.beef).is_err() {
        return Vec::new();
    }
    let Ok(beef) = Beef::from_binary(&mut Cursor::new(&outputs.beef)) else {
        return Vec::new();
    };
    let named = outputs.named.iter();
    named
        .filter_map(|named| host(role, name, &beef, named))
        .collect()
}

fn host(role: ServiceRole, name: &str, beef: &Beef, named: &OutputRef) -> Option<String> {
    // Without an id it is the BEEF's subject, or the last transaction, which may spend all others.
    let entry = match named.txid.as_ref().or(beef.atomic_txid.as_ref()) {
        Some(txid) => beef.find_txid(txid)?,
        None => beef.txs.last()?,
    };
    let outputs = &entry.tx.as_ref()?.outputs;
    let output = outputs.get(usize::try_from(named.index).ok()?)?;
    // Protocol, identity key, address, topic or lookup service, and a signature.
    let fields = push_drop::decode(&output.locking_script).ok()?.fields;
    let [protocol, _, address, of, ..] = fields.as_slice() else {
        return None;
    };
    if protocol != role.protocol() || of != name.as_bytes() {
        return None;
    }
    let address = Url::parse(std::str::from_utf8(address).ok()?).ok()?;
    Some(address.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use bsv::primitives::private_key::PrivateKey;
    use bsv::script::templates::push_drop::{LockPosition, PushDrop};
    use bsv::wallet::proto_wallet::ProtoWallet;
    use bsv::wallet::types::{Counterparty, CounterpartyType, Protocol};
    use futures_util::FutureExt as _;

    use super::*;
    use crate::minting::Mint;

    const ADDRESS: &str = "https://overlay.example.org";

    /// An `AtomicBEEF` whose first output has these fields and a signature.
    fn token(fields: &[&str]) -> Vec<u8> {
        let wallet = ProtoWallet::new(PrivateKey::from_random().unwrap());
        let fields = fields.iter().map(|field| field.as_bytes().to_vec());
        let protocol = Protocol {
            security_level: 2,
            protocol: "service host interconnect".to_owned(),
        };
        let counterparty = Counterparty {
            counterparty_type: CounterpartyType::Self_,
            public_key: None,
        };
        let template = PushDrop::new(&wallet, None);
        let position = LockPosition::Before;
        let locking = template.lock(
            fields.collect(),
            protocol,
            "1",
            counterparty,
            false,
            true,
            position,
        );
        let script = locking.now_or_never().unwrap().unwrap();
        Mint::new().pay(&[(script.to_binary(), 1)])
    }

    fn outputs(beef: &[u8], txid: Option<String>, index: u32) -> Outputs {
        Outputs {
            beef: beef.to_vec(),
            named: vec![OutputRef { txid, index }],
        }
    }

    fn takers(found: &[Outputs]) -> Vec<String> {
        hosts(ServiceRole::TakesTopic, "tm_messagebox", found)
    }

    #[test]
    fn services_are_found_by_role_and_name_and_come_once() {
        let atomic = token(&[
            "SHIP",
            "key",
            "https://overlay.example.org/",
            "tm_messagebox",
        ]);
        let txid = Beef::from_binary(&mut Cursor::new(&atomic))
            .unwrap()
            .atomic_txid;
        let found = [
            outputs(&atomic, None, 0),
            outputs(&atomic, txid.clone(), 0),
            // Without the atomic prefix, it is the last transaction.
            outputs(&atomic[36..], None, 0),
            outputs(&atomic[36..], txid, 0),
        ];
        for found in &found {
            assert_eq!(takers(std::slice::from_ref(found)), [ADDRESS]);
        }
        assert_eq!(takers(&found), [ADDRESS]);
        let as_lookup = hosts(ServiceRole::AnswersLookups, "tm_messagebox", &found);
        assert_eq!(as_lookup, Vec::<String>::new());
        let other_topic = hosts(ServiceRole::TakesTopic, "tm_other", &found);
        assert_eq!(other_topic, Vec::<String>::new());
    }

    #[test]
    fn what_names_no_service_is_passed_over() {
        let atomic = token(&["SHIP", "key", ADDRESS, "tm_messagebox"]);
        let unknown = "00".repeat(32);
        let mut wrong = vec![
            outputs(&atomic, None, 1),
            outputs(&atomic, None, u32::MAX),
            outputs(&atomic, Some(unknown), 0),
            outputs(
                &token(&["SHIP", "key", "no address", "tm_messagebox"]),
                None,
                0,
            ),
            outputs(&token(&["SHIP", "key"]), None, 0),
        ];
        wrong.extend((0..atomic.len()).map(|end| outputs(&atomic[..end], None, 0)));
        assert_eq!(takers(&wrong), Vec::<String>::new());
        wrong.push(outputs(&atomic, None, 0));
        assert_eq!(takers(&wrong), [ADDRESS]);
    }
}
