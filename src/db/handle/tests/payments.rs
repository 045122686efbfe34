//! Payments.

use super::*;

fn output(txid: &str, payee: IdentityKey) -> PaymentOutput {
    PaymentOutput {
        outpoint: Outpoint {
            txid: txid.to_owned(),
            index: 0,
        },
        satoshis: 5,
        payee,
        sender_identity_key: payee,
        derivation_prefix: "p".to_owned(),
        derivation_suffix: "s".to_owned(),
        transaction: Some("AAA=".to_owned()),
    }
}

/// A payment by transaction `txid`, which spends output 0 of `coin`.
fn payment(payer: IdentityKey, purpose: &str, txid: &str, coin: &str) -> Payment {
    Payment {
        payer,
        purpose: purpose.to_owned(),
        outputs: vec![output(txid, payer)],
        spends: vec![SpentOutput {
            outpoint: Outpoint {
                txid: coin.to_owned(),
                index: 0,
            },
            by: txid.to_owned(),
        }],
    }
}

const FRESH: ClaimOutcome = ClaimOutcome::Claimed {
    internalized: false,
};

const INTERNALIZED: ClaimOutcome = ClaimOutcome::Claimed { internalized: true };

impl Store {
    async fn claim(&self, payment: &Payment, settled: bool) -> ClaimOutcome {
        let claimed = PaymentState::Claimed;
        self.db
            .claim_payment(payment.clone(), claimed, settled)
            .await
            .unwrap()
    }

    async fn release(&self, payment: &Payment, state: Option<PaymentState>) {
        self.db
            .release_payment(payment.clone(), state)
            .await
            .unwrap();
    }
}

fn outpoint(txid: &str) -> Outpoint {
    Outpoint {
        txid: txid.to_owned(),
        index: 0,
    }
}

fn spent(txid: &str) -> ClaimOutcome {
    ClaimOutcome::Spent(SpentPart::Output(outpoint(txid)))
}

fn coin_spent(coin: &str) -> ClaimOutcome {
    ClaimOutcome::Spent(SpentPart::Coin(outpoint(coin)))
}

#[actix::test]
async fn what_came_to_nothing_is_its_payers_and_what_is_settled_is_nobodys() {
    let store = store();
    let (alice, bob) = (key(), key());
    let one = payment(alice, "one", "t", "c");
    let two = payment(alice, "two", "t", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    assert_eq!(store.claim(&one, false).await, FRESH, "a retry");
    assert_eq!(store.claim(&two, false).await, spent("t"));
    store.release(&one, Some(PaymentState::Internalized)).await;
    let stolen = payment(bob, "one", "t", "c");
    assert_eq!(store.claim(&stolen, false).await, spent("t"));
    assert_eq!(store.claim(&two, false).await, INTERNALIZED);
    // Releasing a payment has no effect if another purpose has claimed its outputs.
    store.release(&one, None).await;
    assert_eq!(store.claim(&two, true).await, INTERNALIZED);
    store.release(&two, None).await;
    assert_eq!(store.claim(&two, true).await, spent("t"));
}

#[actix::test]
async fn a_claim_that_was_left_behind_is_its_payers_after_an_hour() {
    let store = store();
    let alice = key();
    let (one, two) = (
        payment(alice, "one", "t", "c"),
        payment(alice, "two", "t", "c"),
    );
    assert_eq!(store.claim(&one, false).await, FRESH);
    let age = |minutes: i64| {
        let time = OffsetDateTime::now_utc() - time::Duration::minutes(minutes);
        store.set_time("payments", "updated_at", &clock::text(time), "TRUE");
    };
    age(55);
    assert_eq!(store.claim(&two, false).await, spent("t"));
    age(65);
    assert_eq!(store.claim(&two, false).await, FRESH);
}

#[actix::test]
async fn a_coin_is_spent_by_one_transaction_unless_nobody_took_that() {
    let store = store();
    let alice = key();
    let one = payment(alice, "one", "t", "c");
    let other = payment(alice, "other", "u", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    assert_eq!(store.claim(&other, false).await, coin_spent("c"));
    // A refused payment is rolled back completely.
    store.release(&one, None).await;
    assert_eq!(store.claim(&other, true).await, FRESH);
    assert_eq!(store.claim(&one, false).await, coin_spent("c"));
    // A second payment from the same transaction does not free the coin when it is released.
    let mut second = payment(alice, "second", "u", "c");
    second.outputs[0].outpoint.index = 1;
    assert_eq!(store.claim(&second, false).await, FRESH);
    store.release(&second, None).await;
    assert_eq!(store.claim(&one, false).await, coin_spent("c"));
}

/// A wallet that did not answer, and then refused another purpose.
#[actix::test]
async fn a_coin_is_free_once_whoever_claimed_it_last_is_refused() {
    let store = store();
    let alice = key();
    let one = payment(alice, "one", "t", "c");
    let two = payment(alice, "two", "t", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    store.release(&one, Some(PaymentState::Claimed)).await;
    assert_eq!(store.claim(&two, false).await, FRESH);
    // The first purpose does not free what another purpose has claimed since.
    store.release(&one, None).await;
    let other = payment(alice, "other", "u", "c");
    assert_eq!(store.claim(&other, false).await, coin_spent("c"));
    store.release(&two, None).await;
    assert_eq!(store.claim(&other, true).await, FRESH);
}

/// The wallet holds output 0. Then output 1 pays the server, and output 0 is named for another party.
#[actix::test]
async fn each_output_has_a_state_of_its_own() {
    let store = store();
    let alice = key();
    let one = payment(alice, "one", "t", "c");
    assert_eq!(store.claim(&one, false).await, FRESH);
    store.release(&one, Some(PaymentState::Internalized)).await;
    let mut two = payment(alice, "two", "t", "c");
    two.outputs[0].outpoint.index = 1;
    two.outputs.push(PaymentOutput {
        transaction: None,
        payee: key(),
        ..output("t", alice)
    });
    assert_eq!(
        store.claim(&two, false).await,
        FRESH,
        "no wallet has output 1"
    );
    // The wallet refuses it: output 1 is free, output 0 stays in the wallet, and the coin stays spent.
    store.release(&two, None).await;
    let bob = payment(key(), "bob", "t", "c");
    assert_eq!(store.claim(&bob, false).await, spent("t"));
    let other = payment(alice, "other", "u", "c");
    assert_eq!(store.claim(&other, false).await, coin_spent("c"));
    assert_eq!(store.claim(&one, true).await, INTERNALIZED);
}

/// An output pays one party. A claim for another party, made on the sender's word, was not the sender's to make.
#[actix::test]
async fn what_pays_the_server_by_its_script_is_the_servers() {
    let store = store();
    let (alice, mallory, bob) = (key(), key(), key());
    let mut stolen = payment(mallory, "stolen", "t", "c");
    stolen.outputs[0].transaction = None;
    stolen.outputs[0].payee = bob;
    assert_eq!(store.claim(&stolen, true).await, FRESH);
    let own = payment(alice, "own", "t", "c");
    assert_eq!(store.claim(&own, false).await, FRESH);
    assert_eq!(store.claim(&stolen, true).await, spent("t"));
    assert_eq!(store.claim(&own, true).await, FRESH);
    let kept = store.db.payments(alice, 0, 10).await.unwrap();
    assert_eq!((kept.len(), &kept[0].payer), (1, &alice.to_hex()));
    assert_eq!(store.db.payments(bob, 0, 10).await.unwrap(), []);
    let late = payment(mallory, "late", "t", "c");
    assert_eq!(store.claim(&late, false).await, spent("t"));
}
