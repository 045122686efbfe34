//! How an overlay service makes itself known: an output that names its address and what it does. Pure.

use std::io::Cursor;

use bsv::script::templates::push_drop;
use bsv::transaction::Beef;
use url::Url;

use crate::beef_layout::check_any_layout;

use super::answer::{Named, Outputs};

/// Services that are asked or told. A hostile answer may name more than anybody could ask in time.
const MAX_HOSTS: usize = 64;

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Takes transactions of a topic: SHIP (BRC-23).
    TakesTopic,
    /// Answers look-ups of a service: SLAP (BRC-24).
    AnswersLookups,
}

impl Role {
    const fn protocol(self) -> &'static [u8] {
        match self {
            Self::TakesTopic => b"SHIP",
            Self::AnswersLookups => b"SLAP",
        }
    }
}

/// The addresses of the services that have this role for the topic or look-up service `name`, without a trailing slash.
/// Each comes once, in the order in which they came.
pub(super) fn hosts(role: Role, name: &str, found: &[Outputs]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for host in found.iter().flat_map(|outputs| within(role, name, outputs)) {
        if hosts.len() < MAX_HOSTS && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Bytes of others: what cannot be read names no service.
fn within(role: Role, name: &str, outputs: &Outputs) -> Vec<String> {
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

fn host(role: Role, name: &str, beef: &Beef, named: &Named) -> Option<String> {
    // Without a name it is the transaction that the BEEF is about, or the last one, which may spend all others.
    let entry = match named.txid.as_ref().or(beef.atomic_txid.as_ref()) {
        Some(txid) => beef.find_txid(txid)?,
        None => beef.txs.last()?,
    };
    let outputs = &entry.tx.as_ref()?.outputs;
    let output = outputs.get(usize::try_from(named.index).ok()?)?;
    // Protocol, identity key, address, topic or look-up service, and a signature.
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
            named: vec![Named { txid, index }],
        }
    }

    fn takers(found: &[Outputs]) -> Vec<String> {
        hosts(Role::TakesTopic, "tm_messagebox", found)
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
            // Without what says that it is atomic, it is the last transaction.
            outputs(&atomic[36..], None, 0),
            outputs(&atomic[36..], txid, 0),
        ];
        for found in &found {
            assert_eq!(takers(std::slice::from_ref(found)), [ADDRESS]);
        }
        assert_eq!(takers(&found), [ADDRESS]);
        let as_lookup = hosts(Role::AnswersLookups, "tm_messagebox", &found);
        assert_eq!(as_lookup, Vec::<String>::new());
        let other_topic = hosts(Role::TakesTopic, "tm_other", &found);
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
