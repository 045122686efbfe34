//! A payment as a client sends it, before anything of it is believed.

use bytestring::ByteString;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::auth::Numbers;
use crate::ids::IdentityKey;

use super::brc29::Derivation;

type Fields = IndexMap<String, Box<RawValue>>;

/// `payment` of a `sendMessage` request.
#[derive(Clone, Default)]
pub struct PaymentDraft {
    /// As they came, in their order: what is not understood goes on to the recipient.
    fields: Fields,
    /// The transaction's bytes.
    pub(super) transaction: Option<Vec<u8>>,
    /// The outputs that are named.
    pub(super) outputs: Option<Vec<DraftOutput>>,
}

/// Without its content: payments stay out of the log.
impl std::fmt::Debug for PaymentDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentDraft")
    }
}

/// An output that the sender names.
#[derive(Debug, Clone)]
pub(super) struct DraftOutput {
    json: Box<RawValue>,
    /// Which one of the transaction.
    pub(super) index: Option<u32>,
    /// How its key was derived, where it is a `wallet payment`.
    pub(super) derivation: Option<Derivation>,
    /// For which recipient it says it is.
    pub(super) tag: Option<IdentityKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    output_index: Value,
    #[serde(default)]
    protocol: Value,
    #[serde(default)]
    payment_remittance: Value,
    #[serde(default)]
    insertion_remittance: Value,
    #[serde(default)]
    custom_instructions: Value,
}

impl PaymentDraft {
    /// Reads a payment. What cannot be read is missing from the result.
    #[must_use]
    pub fn parse(json: &str) -> Self {
        // A map would be read from nothing else, but null is no mistake.
        let fields: Fields = serde_json::from_str(json).unwrap_or_default();
        let transaction = fields
            .get("tx")
            .and_then(|raw| serde_json::from_str::<Numbers>(raw.get()).ok())
            .map(|numbers| numbers.0);
        let outputs = fields
            .get("outputs")
            .and_then(|raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok())
            .map(|outputs| outputs.into_iter().map(DraftOutput::parse).collect());
        Self {
            fields,
            transaction,
            outputs,
        }
    }

    /// Whether it claims to be a payment at all: some clients send an empty object.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.fields.get("tx").is_some_and(|raw| raw.get() != "null")
    }

    /// What it is for, in the sender's words.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        serde_json::from_str(self.fields.get("description")?.get()).ok()
    }

    /// The payment as it came, with these outputs only.
    pub(super) fn share(&self, outputs: &[usize]) -> ByteString {
        let chosen: Vec<&str> = outputs
            .iter()
            .filter_map(|index| Some(self.outputs.as_ref()?.get(*index)?.json.get()))
            .collect();
        let mut json = String::from("{");
        for (name, value) in &self.fields {
            if json.len() > 1 {
                json.push(',');
            }
            // A string always serializes.
            json.push_str(&serde_json::to_string(name).unwrap_or_default());
            json.push(':');
            if name == "outputs" {
                json.push('[');
                json.push_str(&chosen.join(","));
                json.push(']');
            } else {
                json.push_str(value.get());
            }
        }
        json.push('}');
        json.into()
    }
}

impl DraftOutput {
    fn parse(json: Box<RawValue>) -> Self {
        let wire: Option<Wire> = serde_json::from_str(json.get()).ok();
        let index = wire
            .as_ref()
            .and_then(|wire| u32::try_from(wire.output_index.as_u64()?).ok());
        Self {
            index,
            derivation: wire.as_ref().and_then(derivation),
            tag: wire.as_ref().and_then(tag),
            json,
        }
    }
}

fn derivation(wire: &Wire) -> Option<Derivation> {
    if wire.protocol != "wallet payment" {
        return None;
    }
    let part = |name: &str| wire.payment_remittance.get(name)?.as_str();
    Some(Derivation {
        prefix: part("derivationPrefix")?.to_owned(),
        suffix: part("derivationSuffix")?.to_owned(),
        sender: part("senderIdentityKey")?.parse().ok()?,
    })
}

/// `customInstructions.recipientIdentityKey`, wherever the instructions are; what cannot be read is no tag.
fn tag(wire: &Wire) -> Option<IdentityKey> {
    let places = [
        wire.insertion_remittance.get("customInstructions"),
        wire.payment_remittance.get("customInstructions"),
        Some(&wire.custom_instructions),
    ];
    places.into_iter().flatten().find_map(|instructions| {
        let parsed;
        let instructions = match instructions {
            Value::String(text) => {
                parsed = serde_json::from_str::<Value>(text).ok()?;
                &parsed
            }
            other => other,
        };
        instructions
            .get("recipientIdentityKey")?
            .as_str()?
            .trim()
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use serde_json::json;

    #[test]
    fn what_is_not_understood_goes_on_unchanged() {
        let json = r#"{"description":"d","tx":[1, 2],"x":{"b":1.0,"a":"\u0041"},"outputs":[{"n":0},{"n": 1}]}"#;
        let draft = PaymentDraft::parse(json);
        assert_eq!(draft.transaction, Some(vec![1, 2]));
        assert_eq!(draft.description().as_deref(), Some("d"));
        assert_eq!(
            draft.share(&[1]),
            r#"{"description":"d","tx":[1, 2],"x":{"b":1.0,"a":"\u0041"},"outputs":[{"n": 1}]}"#
        );
    }

    #[test]
    fn what_cannot_be_read_is_missing() {
        for json in [
            "null",
            "7",
            "[]",
            "{}",
            r#"{"tx":null}"#,
            r#"{"outputs":[]}"#,
        ] {
            let draft = PaymentDraft::parse(json);
            assert!(!draft.is_offered() && draft.transaction.is_none(), "{json}");
        }
        let draft = PaymentDraft::parse(r#"{"tx":"AAA=","outputs":{}}"#);
        assert!(draft.is_offered() && draft.transaction.is_none() && draft.outputs.is_none());
    }

    #[test]
    fn a_tag_is_found_wherever_it_is() {
        let key = Identity::random().identity_key();
        let instructions = json!({"recipientIdentityKey": key.to_hex()});
        let text = instructions.to_string();
        let cases = [
            json!({"insertionRemittance": {"customInstructions": instructions}}),
            json!({"insertionRemittance": {"customInstructions": text}}),
            json!({"paymentRemittance": {"customInstructions": text}}),
            json!({"customInstructions": instructions}),
            json!({"insertionRemittance": {"customInstructions": "no json"}, "customInstructions": text}),
        ];
        for output in cases {
            let draft = PaymentDraft::parse(&json!({"outputs": [output]}).to_string());
            assert_eq!(draft.outputs.unwrap()[0].tag, Some(key), "{output}");
        }
        for output in [json!({}), json!(7), json!({"customInstructions": "{}"})] {
            let draft = PaymentDraft::parse(&json!({"outputs": [output]}).to_string());
            assert_eq!(draft.outputs.unwrap()[0].tag, None, "{output}");
        }
    }
}
