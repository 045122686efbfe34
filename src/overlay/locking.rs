//! The locking script of an advertisement: a key, and fields that are pushed and dropped (BRC-48, `PushDrop`). Pure.

const CHECKSIG: u8 = 0xac;
const DROP: u8 = 0x75;
const TWO_DROP: u8 = 0x6d;
const PUSH_1: u8 = 0x4c;
const PUSH_2: u8 = 0x4d;
const PUSH_4: u8 = 0x4e;

/// Builds the script that only this key unlocks. Each field must have at least two bytes.
pub(super) fn push_drop(key: &[u8], fields: &[Vec<u8>]) -> Vec<u8> {
    let mut script = Vec::new();
    push(&mut script, key);
    script.push(CHECKSIG);
    for field in fields {
        push(&mut script, field);
    }
    script.extend(std::iter::repeat_n(TWO_DROP, fields.len() / 2));
    if fields.len() % 2 == 1 {
        script.push(DROP);
    }
    script
}

/// Pushes bytes in the shortest form. The special forms for one byte and for none are not needed here.
fn push(script: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len().to_le_bytes();
    let [one, two, three, four, ..] = length;
    match bytes.len() {
        0..0x4c => script.push(one),
        0x4c..0x100 => script.extend([PUSH_1, one]),
        0x100..0x1_0000 => script.extend([PUSH_2, one, two]),
        _ => script.extend([PUSH_4, one, two, three, four]),
    }
    script.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use bsv::primitives::private_key::PrivateKey;
    use bsv::script::templates::push_drop::{LockPosition, PushDrop, decode};
    use bsv::wallet::proto_wallet::ProtoWallet;
    use bsv::wallet::types::{Counterparty, CounterpartyType, Protocol};
    use futures_util::FutureExt as _;

    use super::push_drop;

    /// The SDK's script with these fields, with or without a signature.
    fn of_the_sdk(fields: Vec<Vec<u8>>, is_signed: bool) -> bsv::script::LockingScript {
        let wallet = ProtoWallet::new(PrivateKey::from_random().unwrap());
        let protocol = Protocol {
            security_level: 1,
            protocol: "messagebox advertisement".to_owned(),
        };
        let anyone = Counterparty {
            counterparty_type: CounterpartyType::Anyone,
            public_key: None,
        };
        let template = PushDrop::new(&wallet, None);
        let position = LockPosition::Before;
        let locking = template.lock(fields, protocol, "1", anyone, true, is_signed, position);
        locking.now_or_never().unwrap().unwrap()
    }

    #[test]
    fn the_script_is_that_of_the_sdk() {
        for length in [2, 75, 76, 255, 256, 65_535, 65_536] {
            for count in 1..=3 {
                for is_signed in [false, true] {
                    let script = of_the_sdk(vec![vec![0xab; length]; count], is_signed);
                    let read = decode(&script).unwrap();
                    let key = read.locking_public_key.to_der();
                    let own = push_drop(&key, &read.fields);
                    assert!(own == script.to_binary(), "{count} of {length} bytes");
                }
            }
        }
    }
}
