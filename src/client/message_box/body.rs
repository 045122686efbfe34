//! What clients make of a message: its id, and its body, encrypted or not (BRC-2), as the published client has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::auth::{AuthError, Counterparty, Identity, KeyError, KeyId, Protocol};
use crate::ids::IdentityKey;

/// The published client has one key for all messages between two parties.
const KEY_ID: KeyId<'_> = KeyId::One("1");

/// A body that was read.
#[derive(Debug, Clone)]
pub struct PlainBody {
    /// What was sent: a text as it was, anything else as its JSON.
    pub text: String,
    /// Whether only sender and recipient could read it.
    pub encrypted: bool,
    /// What was paid with it: the JSON that a wallet takes it from. Lost once the message is acknowledged.
    pub payment: Option<Box<RawValue>>,
}

/// A body as it goes over the wire when it is encrypted.
#[derive(Serialize, Deserialize)]
struct Encrypted {
    #[serde(rename = "encryptedMessage")]
    base64: String,
}

/// A body as servers store it.
#[derive(Deserialize)]
struct Wrapped {
    message: Box<RawValue>,
    payment: Option<Box<RawValue>>,
}

/// The id that the published client gives to a text: the same text to the same recipient has the same id, so that
/// sending it again stores nothing.
///
/// ```
/// use messagebox::auth::Identity;
/// use messagebox::client::message_id;
///
/// let (alice, bob) = (Identity::random(), Identity::random());
/// let id = message_id(&alice, bob.identity_key(), "hello")?;
/// assert_eq!(id, message_id(&alice, bob.identity_key(), "hello")?);
/// assert_eq!(id.len(), 64);
/// # Ok::<(), messagebox::auth::KeyError>(())
/// ```
///
/// # Errors
/// [`KeyError::Derivation`], once in 2^127.
pub fn message_id(
    identity: &Identity,
    recipient: IdentityKey,
    text: &str,
) -> Result<String, KeyError> {
    // It signs the text as JSON; writing a text as JSON cannot fail.
    let json = serde_json::to_vec(text).unwrap_or_default();
    let keys = identity.pair(Counterparty::Other(recipient))?;
    Ok(hex::encode(keys.hmac(
        &Protocol::MESSAGE_BOX,
        KEY_ID,
        &json,
    )?))
}

/// A body that only the recipient, and the sender, can read.
///
/// ```
/// use messagebox::auth::Identity;
/// use messagebox::client::{encrypt_body, read_live_body};
///
/// let (alice, bob) = (Identity::random(), Identity::random());
/// let body = encrypt_body(&alice, bob.identity_key(), "hello")?;
/// let read = read_live_body(&bob, &alice.identity_key().to_hex(), &body)?;
/// assert_eq!((read.text.as_str(), read.encrypted), ("hello", true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`KeyError::Derivation`], once in 2^127.
pub fn encrypt_body(
    identity: &Identity,
    recipient: IdentityKey,
    text: &str,
) -> Result<String, KeyError> {
    let keys = identity.pair(Counterparty::Other(recipient))?;
    let encrypted = Encrypted {
        base64: STANDARD.encode(keys.encrypt(&Protocol::MESSAGE_BOX, KEY_ID, text.as_bytes())?),
    };
    // Writing base64 as JSON cannot fail.
    Ok(serde_json::to_string(&encrypted).unwrap_or_default())
}

/// Reads a body as [`list`](crate::client::MessageBoxClient::list) gives it: out of what servers wrap around it.
///
/// # Errors
/// [`AuthError::Undecryptable`] when it is encrypted, but not by this sender for us; [`AuthError::IdentityKey`] when
/// the sender is no key.
pub fn read_stored_body(
    identity: &Identity,
    sender: &str,
    body: &str,
) -> Result<PlainBody, AuthError> {
    match object::<Wrapped>(body) {
        Some(wrapped) => {
            let json = wrapped.message.get();
            let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
            let read = read_live_body(identity, sender, &text)?;
            Ok(PlainBody {
                payment: wrapped.payment,
                ..read
            })
        }
        None => read_live_body(identity, sender, body),
    }
}

/// Whether a body as [`list`](crate::client::MessageBoxClient::list) gives it came with a payment, which is lost once the message
/// is acknowledged. That can be told of a message that cannot be decrypted too.
#[must_use]
pub fn has_payment(body: &str) -> bool {
    object::<Wrapped>(body).is_some_and(|wrapped| wrapped.payment.is_some())
}

/// Reads a body as a live event brings it.
///
/// # Errors
/// As [`read_stored_body`].
pub fn read_live_body(
    identity: &Identity,
    sender: &str,
    body: &str,
) -> Result<PlainBody, AuthError> {
    let Some(encrypted) = object::<Encrypted>(body) else {
        return Ok(PlainBody {
            text: body.to_owned(),
            encrypted: false,
            payment: None,
        });
    };
    let sender = sender.parse().map_err(|_| AuthError::IdentityKey)?;
    let keys = identity.pair(Counterparty::Other(sender))?;
    let ciphertext = STANDARD.decode(&encrypted.base64);
    let ciphertext = ciphertext.map_err(|_| AuthError::Undecryptable)?;
    let plaintext = keys.decrypt(&Protocol::MESSAGE_BOX, KEY_ID, &ciphertext)?;
    Ok(PlainBody {
        text: String::from_utf8(plaintext).map_err(|_| AuthError::Undecryptable)?,
        encrypted: true,
        payment: None,
    })
}

/// A JSON object of this form.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    // A list would be taken for an object's fields in their order.
    let is_object = text.trim_start().starts_with('{');
    is_object.then(|| serde_json::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(key: u8) -> Identity {
        Identity::from_hex(&format!("{key:064x}")).unwrap()
    }

    #[test]
    fn ids_are_those_of_the_published_client() {
        let id = message_id(&golden(11), golden(5).identity_key(), "hello").unwrap();
        assert_eq!(
            id,
            "a4e9325d1a0be6de1c1c4a93c9ca4c01ce13fe4086a3829fb198eb07d72205c0"
        );
    }

    #[test]
    fn an_encrypted_body_is_read_stored_and_live() {
        let (alice, bob) = (Identity::random(), Identity::random());
        let body = encrypt_body(&alice, bob.identity_key(), "hello €").unwrap();
        assert!(body.starts_with(r#"{"encryptedMessage":""#) && !body.contains("hello"));
        let sender = alice.identity_key().to_hex();
        let stored = serde_json::json!({"message": body, "payment": {"tx": [1]}}).to_string();
        let read = read_stored_body(&bob, &sender, &stored).unwrap();
        assert_eq!((read.text.as_str(), read.encrypted), ("hello €", true));
        assert_eq!(read.payment.unwrap().get(), r#"{"tx":[1]}"#);
        assert!(has_payment(&stored));
        let unreadable = r#"{"message":"{\"encryptedMessage\":\"AAAA\"}","payment":{"tx":[1]}}"#;
        assert!(has_payment(unreadable));
        for free in [body.as_str(), r#"{"message":"a","payment":null}"#] {
            assert!(!has_payment(free), "{free}");
        }
        assert_eq!(
            read_live_body(&bob, &sender, &body).unwrap().text,
            "hello €"
        );
        // An object, as other clients write it.
        let stored = format!(r#"{{"message":{body}}}"#);
        assert_eq!(
            read_stored_body(&bob, &sender, &stored).unwrap().text,
            "hello €"
        );
    }

    #[test]
    fn a_note_to_oneself_is_read() {
        let alice = Identity::random();
        let own = alice.identity_key();
        let body = encrypt_body(&alice, own, "remember").unwrap();
        let read = read_live_body(&alice, &own.to_hex(), &body).unwrap();
        assert_eq!(read.text, "remember");
    }

    #[test]
    fn what_is_not_encrypted_stays_as_it_is() {
        let reader = Identity::random();
        let sender = Identity::random().identity_key().to_hex();
        for (stored, text) in [
            (r#"{"message":"hello"}"#, "hello"),
            (r#"{"message":{"a":[1,2.50]}}"#, r#"{"a":[1,2.50]}"#),
            (
                r#"{"message":["encryptedMessage"]}"#,
                r#"["encryptedMessage"]"#,
            ),
            ("not JSON", "not JSON"),
            (r#"["a"]"#, r#"["a"]"#),
        ] {
            let read = read_stored_body(&reader, &sender, stored).unwrap();
            assert_eq!((read.text.as_str(), read.encrypted), (text, false));
        }
    }

    #[test]
    fn what_was_meant_for_another_is_told_as_such() {
        let (alice, bob) = (Identity::random(), Identity::random());
        let sender = alice.identity_key().to_hex();
        let body = encrypt_body(&alice, Identity::random().identity_key(), "hello").unwrap();
        let undecryptable = AuthError::Undecryptable;
        assert_eq!(
            read_live_body(&bob, &sender, &body).unwrap_err(),
            undecryptable
        );
        let garbled = r#"{"encryptedMessage":"!"}"#;
        assert_eq!(
            read_live_body(&bob, &sender, garbled).unwrap_err(),
            undecryptable
        );
        assert_eq!(
            read_live_body(&bob, "nobody", &body).unwrap_err(),
            AuthError::IdentityKey
        );
    }
}
