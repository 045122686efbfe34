//! A payment as a client sends it, before any check.

use bytestring::ByteString;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::auth::Numbers;
use crate::bounded_list::BoundedList;
use crate::ids::IdentityKey;
use crate::json_object;
use crate::json_text::encoded_len;

use super::brc29::Derivation;

/// Maximum outputs of a payment: enough for one per recipient, with a margin.
const MAX_OUTPUTS: usize = 2_000;
/// Maximum bytes of JSON per output.
const MAX_OUTPUT_BYTES: usize = 64 * 1024;
/// Maximum fields of a payment; four are known.
const MAX_FIELDS: usize = 64;

/// A payment's fields in their order, up to the limit.
#[derive(Clone, Default)]
struct Fields(IndexMap<String, Box<RawValue>>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few;

        impl<'de> Visitor<'de> for Few {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with few fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = IndexMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(A::Error::custom("too many fields"));
                    }
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Few)
    }
}

/// `payment` of a `sendMessage` request.
#[derive(Clone, Default)]
pub struct PaymentDraft {
    /// Whether it claims to be a payment.
    offered: bool,
    /// Bytes of its JSON as a string within JSON.
    encoded_len: usize,
    /// The fields in their order. Unknown fields are passed on to the recipient.
    fields: Fields,
    pub(super) transaction: Option<Vec<u8>>,
    pub(super) outputs: Option<Vec<DraftOutput>>,
}

/// Omits the content: payments must not reach the log.
impl std::fmt::Debug for PaymentDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentDraft")
    }
}

type Outputs = BoundedList<Box<RawValue>, MAX_OUTPUTS>;

/// An output that the sender names.
#[derive(Debug, Clone)]
pub(super) struct DraftOutput {
    json: Box<RawValue>,
    /// Its index in the transaction.
    pub(super) index: Option<u32>,
    /// The derivation of its key, for a `wallet payment`.
    pub(super) derivation: Option<Derivation>,
    /// The recipient that it names.
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
    /// Parses a payment. Unreadable and surplus parts are left out.
    #[must_use]
    pub fn parse(json: &str) -> Self {
        let Ok(fields) = serde_json::from_str::<Fields>(json) else {
            return Self {
                // A value that is not an object offers nothing. An object that is too large does.
                offered: json.trim_start().starts_with('{'),
                encoded_len: encoded_len(json),
                ..Self::default()
            };
        };
        let field = |name: &str| fields.0.get(name).map(|raw| raw.get());
        let transaction = field("tx")
            .and_then(|json| serde_json::from_str::<Numbers>(json).ok())
            .map(|numbers| numbers.0);
        let outputs = field("outputs")
            .and_then(|json| serde_json::from_str::<Outputs>(json).ok())
            .and_then(BoundedList::into_all)
            .map(|outputs| outputs.into_iter().map(DraftOutput::parse).collect());
        Self {
            offered: field("tx").is_some_and(|json| json != "null"),
            encoded_len: encoded_len(json),
            fields,
            transaction,
            outputs,
        }
    }

    /// Whether it claims to be a payment: some clients send an empty object.
    #[must_use]
    pub const fn is_offered(&self) -> bool {
        self.offered
    }

    /// Bytes of its JSON as a string within JSON. No part stored with a message is larger.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    /// The number of named outputs; none if they are unreadable.
    #[must_use]
    pub fn named_outputs(&self) -> Option<usize> {
        self.outputs.as_ref().map(Vec::len)
    }

    /// The transaction's bytes, if readable.
    #[must_use]
    pub fn transaction(&self) -> Option<&[u8]> {
        self.transaction.as_deref()
    }

    #[must_use]
    pub fn description(&self) -> Option<String> {
        serde_json::from_str(self.fields.0.get("description")?.get()).ok()
    }

    /// The original payment, reduced to these outputs.
    #[must_use]
    pub fn share(&self, outputs: &[usize]) -> ByteString {
        let chosen: Vec<&str> = outputs
            .iter()
            .filter_map(|index| Some(self.outputs.as_ref()?.get(*index)?.json.get()))
            .collect();
        let mut json = String::from("{");
        for (name, value) in &self.fields.0 {
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
        let text = Some(json.get()).filter(|text| text.len() <= MAX_OUTPUT_BYTES);
        let wire: Option<Wire> = text.and_then(|text| json_object::read(text).ok());
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

/// `customInstructions.recipientIdentityKey`, in any of its places. An unreadable value is no tag.
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
    fn there_may_be_much_and_not_too_much() {
        let outputs =
            |count| PaymentDraft::parse(&json!({"tx": [], "outputs": vec![7; count]}).to_string());
        assert_eq!(outputs(2_000).outputs.unwrap().len(), 2_000);
        assert!(outputs(2_001).outputs.is_none());
        let with_fields = |count: usize| {
            let mut fields = json!({"tx": []});
            for index in 1..count {
                fields[index.to_string()] = json!(0);
            }
            PaymentDraft::parse(&fields.to_string())
        };
        assert!(with_fields(64).transaction.is_some());
        let many = with_fields(65);
        assert!(many.is_offered() && many.transaction.is_none());
        let sized = |size| {
            let output = json!({"outputIndex": 7, "x": "x".repeat(size)});
            let draft = PaymentDraft::parse(&json!({"outputs": [output]}).to_string());
            draft.outputs.unwrap()[0].index
        };
        assert_eq!((sized(65_000), sized(66_000)), (Some(7), None));
    }

    #[test]
    fn an_output_is_an_object() {
        let key = Identity::random().identity_key();
        let remittance = json!({"derivationPrefix": "p", "derivationSuffix": "s", "senderIdentityKey": key.to_hex()});
        let object = json!({"outputIndex": 0, "protocol": "wallet payment", "paymentRemittance": remittance});
        let array = json!([0, "wallet payment", remittance, null, null]);
        let draft = PaymentDraft::parse(&json!({"outputs": [object, array]}).to_string());
        let outputs = draft.outputs.unwrap();
        assert!(outputs[0].index == Some(0) && outputs[0].derivation.is_some());
        assert!(outputs[1].index.is_none() && outputs[1].derivation.is_none());
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
