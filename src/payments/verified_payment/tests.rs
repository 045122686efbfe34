//! Payments checked against their price.

use serde_json::{Value, json};

use super::*;
use crate::auth::Identity;
use crate::minting::Mint;
use crate::payments::beef::verdict_cache::VerdictCache;

/// A server, a payer and recipients, with the means to pay them.
struct World {
    server: Identity,
    payer: Identity,
    recipients: Vec<IdentityKey>,
}

/// An output to create: its payee, its counterparty, and its amount.
struct Pay {
    payee: IdentityKey,
    with: Option<IdentityKey>,
    satoshis: u64,
}

fn anyone() -> IdentityKey {
    let mut one = [0; 32];
    one[31] = 1;
    Identity::from_bytes(one).unwrap().identity_key()
}

impl World {
    fn new(recipients: usize) -> Self {
        Self {
            server: Identity::random(),
            payer: Identity::random(),
            recipients: (0..recipients)
                .map(|_| Identity::random().identity_key())
                .collect(),
        }
    }

    fn to_server(&self, satoshis: u64) -> Pay {
        Pay {
            payee: self.server.identity_key(),
            with: None,
            satoshis,
        }
    }

    fn to_recipient(&self, index: usize, satoshis: u64) -> Pay {
        Pay {
            payee: self.recipients[index],
            with: Some(anyone()),
            satoshis,
        }
    }

    /// The payment as a client would send it.
    fn payment(&self, pays: &[Pay]) -> Value {
        let keys = PaymentKeys::new(&self.server).unwrap();
        let mut made = Vec::new();
        let mut named = Vec::new();
        for (index, pay) in pays.iter().enumerate() {
            let sender = pay.with.unwrap_or(self.payer.identity_key());
            let derivation = Derivation {
                prefix: STANDARD.encode(format!("prefix {index}")),
                suffix: STANDARD.encode("suffix"),
                sender,
            };
            let script = keys.script(&pay.payee, &derivation).unwrap();
            made.push((script.unwrap_or_else(|| vec![0x51]), pay.satoshis));
            named.push(json!({
                "outputIndex": index, "protocol": "wallet payment",
                "paymentRemittance": {
                    "derivationPrefix": derivation.prefix, "derivationSuffix": derivation.suffix,
                    "senderIdentityKey": sender.to_hex(),
                },
            }));
        }
        json!({"tx": Mint::new().pay(&made), "outputs": named, "description": "for a message"})
    }

    fn settle(
        &self,
        payment: &Value,
        delivery: u64,
        fees: &[i64],
    ) -> Result<VerifiedPayment, PaymentError> {
        let quote = FeeQuote {
            delivery_fee: delivery,
            per_recipient: false,
            recipient_fees: fees.to_vec(),
        };
        let keys = PaymentKeys::new(&self.server).unwrap();
        let draft = PaymentDraft::parse(&payment.to_string());
        let parties = Parties {
            payer: self.payer.identity_key(),
            server: self.server.identity_key(),
            recipients: self.recipients.clone(),
        };
        let checks = Checks {
            cache: &VerdictCache::default(),
            max_cost: u64::MAX,
            pause: &|| {},
        };
        let checked = VerifiedPayment::verify(&draft, &quote, &parties, &keys, &checks);
        checked
            .map(|checked| checked.payment)
            .map_err(|error| match error {
                CheckError::Refused(error) => error,
                CheckError::Costly => unreachable!(),
            })
    }
}

#[test]
fn a_payment_to_server_and_recipients_settles() {
    let world = World::new(2);
    let pays = [
        world.to_server(10),
        world.to_recipient(0, 5),
        world.to_recipient(1, 7),
    ];
    let payment = world.payment(&pays);
    let settled = world.settle(&payment, 10, &[5, 6]).unwrap();
    assert_eq!((settled.delivery, settled.recipients), (10, vec![5, 7]));
    let worth: Vec<u64> = settled
        .outputs
        .iter()
        .map(|output| output.satoshis)
        .collect();
    assert_eq!(worth, [10, 5, 7]);
    // The server stores what it needs to spend its own output, and nothing of the other parties.
    let kept: Vec<bool> = settled
        .outputs
        .iter()
        .map(|output| output.transaction.is_some())
        .collect();
    assert_eq!(kept, [true, false, false]);
    let share: Value = serde_json::from_str(settled.shares[1].as_ref().unwrap()).unwrap();
    assert_eq!(share["outputs"], json!([payment["outputs"][2]]));
    assert_eq!(share["tx"], payment["tx"]);
    let server = settled.server.unwrap();
    assert_eq!(
        (server.output.outpoint.index, server.output.satoshis),
        (0, 10)
    );
}

#[test]
fn what_does_not_pay_is_refused_and_says_why() {
    let world = World::new(1);
    let stranger = Identity::random().identity_key();
    let good = world.payment(&[world.to_server(10), world.to_recipient(0, 5)]);
    let changed = |change: fn(&mut Value)| {
        let mut payment = good.clone();
        change(&mut payment);
        payment
    };
    let cases = [
        (
            world.payment(&[world.to_server(9), world.to_recipient(0, 5)]),
            "the server gets 9 of 10",
        ),
        (
            world.payment(&[world.to_server(10), world.to_recipient(0, 4)]),
            "gets 4 of 5",
        ),
        // Derived between two other parties, so the server cannot check it.
        (
            world.payment(&[
                world.to_server(10),
                Pay {
                    payee: world.recipients[0],
                    with: Some(stranger),
                    satoshis: 5,
                },
            ]),
            "derive it with `anyone`",
        ),
        (
            world.payment(&[
                world.to_server(10),
                Pay {
                    payee: world.server.identity_key(),
                    with: None,
                    satoshis: 5,
                },
            ]),
            "derive it with `anyone`",
        ),
        (
            changed(|it| it["outputs"][0]["paymentRemittance"]["derivationPrefix"] = json!("eA==")),
            "another key",
        ),
        // No wallet could spend it.
        (
            changed(|it| it["outputs"][0]["paymentRemittance"]["derivationSuffix"] = json!("a b")),
            "not base64",
        ),
        (
            changed(|it| it["outputs"][0]["protocol"] = json!("basket insertion")),
            "not a wallet payment",
        ),
        (
            changed(|it| it["outputs"][0]["outputIndex"] = json!(7)),
            "does not have",
        ),
        (
            changed(|it| it["outputs"][1]["outputIndex"] = json!(0)),
            "twice",
        ),
        (
            changed(|it| it["outputs"] = json!([])),
            "no outputs were provided",
        ),
        (
            changed(|it| it["outputs"] = json!([it["outputs"][0].clone()])),
            "at least 1 additional",
        ),
        (
            changed(|it| it["outputs"] = json!({})),
            "transaction data is required",
        ),
        (
            changed(|it| it["tx"] = json!("AAA=")),
            "transaction data is required",
        ),
        (changed(|it| it["tx"] = json!([1, 2, 3])), "breaks off"),
    ];
    for (payment, reason) in cases {
        let said = world.settle(&payment, 10, &[5]).unwrap_err().to_string();
        assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    }
}

#[test]
fn a_voluntary_payment_goes_to_its_recipients_if_it_is_one() {
    let world = World::new(1);
    let payment = world.payment(&[Pay {
        payee: world.recipients[0],
        with: None,
        satoshis: 5,
    }]);
    let settled = world.settle(&payment, 0, &[0]).unwrap();
    let share: Value = serde_json::from_str(settled.shares[0].as_ref().unwrap()).unwrap();
    assert_eq!(share, payment);
    // The recipient is unknown, so the output is not claimed: another payer may be about to pay with it.
    assert!(settled.outputs.is_empty() && settled.server.is_none());
    // An output that pays the recipient by its script is claimed, because it can pay nothing else.
    let payment = world.payment(&[world.to_recipient(0, 5)]);
    let settled = world.settle(&payment, 0, &[0]).unwrap();
    assert_eq!((settled.outputs.len(), settled.outputs[0].satoshis), (1, 5));
    for broken in [
        json!({"tx": [1], "outputs": []}),
        json!({"tx": []}),
        json!({"tx": "AAA="}),
    ] {
        let refused = world.settle(&broken, 0, &[0]);
        assert!(matches!(refused, Err(PaymentError::Invalid(_))), "{broken}");
    }
}

/// Some databases cannot store it, whether or not it pays.
#[test]
fn a_derivation_has_no_zero_in_it() {
    let world = World::new(1);
    let keys = PaymentKeys::new(&world.server).unwrap();
    for (prefix, suffix) in [("a\0", "b"), ("a", "\0b")] {
        let derivation = Derivation {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            sender: anyone(),
        };
        let script = keys.script(&world.recipients[0], &derivation).unwrap();
        let payment = json!({"tx": Mint::new().pay(&[(script.unwrap(), 5)]), "outputs": [{
            "outputIndex": 0, "protocol": "wallet payment",
            "paymentRemittance": {
                "derivationPrefix": prefix, "derivationSuffix": suffix,
                "senderIdentityKey": anyone().to_hex(),
            },
        }]});
        for fee in [0, 5] {
            let refused = world.settle(&payment, 0, &[fee]).unwrap_err();
            assert!(
                matches!(&refused, PaymentError::Invalid(reason) if reason.contains("U+0000")),
                "{refused:?}"
            );
        }
    }
}
