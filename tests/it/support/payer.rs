//! Pays like a client with a wallet: derives the payee's key (BRC-29), makes an output for it, and names it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bsv::primitives::hash::hash160;
use messagebox::auth::{Counterparty, Identity, KeyId, Protocol};
use messagebox::ids::IdentityKey;
use serde_json::{Value, json};

use super::minting::Mint;

/// A builder for payments.
#[derive(Default)]
pub struct Payment {
    made: Vec<(Vec<u8>, u64)>,
    named: Vec<Value>,
}

/// The party with private key 1, whose derived keys anyone can derive.
pub fn anyone() -> Identity {
    let mut one = [0; 32];
    one[31] = 1;
    Identity::from_bytes(one).unwrap()
}

fn script(by: &Identity, payee: IdentityKey, prefix: &str, suffix: &str) -> Vec<u8> {
    let pair = by.pair(Counterparty::Other(payee)).unwrap();
    let protocol = Protocol::new(2, "3241645161d8").unwrap();
    let key = pair
        .counterparty_key(&protocol, KeyId::Pair(prefix, suffix))
        .unwrap();
    let hash = hash160(&key.serialize());
    [&[0x76, 0xa9, 0x14], &hash[..], &[0x88, 0xac]].concat()
}

impl Payment {
    /// Adds an output to the key that `by` derives for `payee`.
    pub fn to(mut self, by: &Identity, payee: IdentityKey, satoshis: u64) -> Self {
        let index = self.made.len();
        let prefix = STANDARD.encode(rand::random::<[u8; 16]>());
        let suffix = STANDARD.encode([u8::try_from(index).unwrap()]);
        self.made
            .push((script(by, payee, &prefix, &suffix), satoshis));
        self.named.push(json!({
            "outputIndex": index, "protocol": "wallet payment",
            "paymentRemittance": {
                "derivationPrefix": prefix, "derivationSuffix": suffix,
                "senderIdentityKey": by.identity_key().to_hex(),
            },
        }));
        self
    }

    /// Adds an output with `bytes` bytes of data.
    pub fn with_data(mut self, bytes: usize) -> Self {
        let length = u32::try_from(bytes).unwrap().to_le_bytes();
        // OP_FALSE OP_RETURN OP_PUSHDATA4
        let data = [&[0x00, 0x6a, 0x4e][..], &length, &vec![7; bytes]].concat();
        self.made.push((data, 0));
        self
    }

    /// The `payment` field of a request to send a message.
    pub fn json(&self) -> Value {
        self.minted_by(&Mint::new())
    }

    /// The same, spending the coin of this mint.
    pub fn minted_by(&self, mint: &Mint) -> Value {
        json!({"tx": mint.pay(&self.made), "outputs": self.named, "description": "for a message"})
    }
}

/// The `x-bsv-payment` header that pays for a request.
pub fn header(payer: &Identity, server: IdentityKey, prefix: &str, satoshis: u64) -> String {
    large_header(payer, server, prefix, satoshis, 0)
}

/// The same, with a second output of `bytes` bytes.
pub fn large_header(
    payer: &Identity,
    server: IdentityKey,
    prefix: &str,
    satoshis: u64,
    bytes: usize,
) -> String {
    let suffix = STANDARD.encode(rand::random::<[u8; 8]>());
    let mut payment = Payment::default();
    payment
        .made
        .push((script(payer, server, prefix, &suffix), satoshis));
    if bytes > 0 {
        payment = payment.with_data(bytes);
    }
    let transaction = STANDARD.encode(Mint::new().pay(&payment.made));
    json!({"derivationPrefix": prefix, "derivationSuffix": suffix, "transaction": transaction})
        .to_string()
}

/// Puts a payment and a request's own type and body into one body (BRC-118), as `AuthFetch` does. Returns the new type
/// and body.
pub fn envelope(payment: &str, own: Option<(&str, &str)>) -> (String, String) {
    let boundary = format!("----BsvPayment{}", hex::encode(rand::random::<[u8; 16]>()));
    let part = |name: &str, content_type: &str, content: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\
             Content-Type: {content_type}\r\n\r\n{content}\r\n"
        )
    };
    let mut body = part("x-bsv-payment", "application/json", payment);
    if let Some((content_type, content)) = own {
        body.push_str(&part("body", content_type, content));
    }
    let _ = write!(body, "--{boundary}--\r\n");
    (format!("multipart/form-data; boundary={boundary}"), body)
}
