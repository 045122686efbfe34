//! The id and the body of a message, encrypted or not (BRC-2), as the published client writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::auth::{AuthError, Counterparty, Identity, KeyError, KeyId, Protocol};
use crate::ids::IdentityKey;

/// The published client uses one key for all messages between two parties.
const KEY_ID: KeyId<'_> = KeyId::One("1");

/// A body after decryption.
#[derive(Debug, Clone)]
pub struct PlainBody {
    /// The text of the sender. A JSON value other than a text stays JSON.
    pub text: String,
    /// Whether the body was encrypted, so that only sender and recipient could read it.
    pub encrypted: bool,
    /// The payment in the message, as JSON for a wallet. Acknowledging the message loses it.
    pub payment: Option<Box<RawValue>>,
}

/// An encrypted body on the wire.
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

/// The id that the published client gives to a text. The same text to the same recipient has the same id, so sending it
/// again stores nothing.
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
    // The id is an HMAC of the text as JSON. A text always serializes.
    let json = serde_json::to_vec(text).unwrap_or_default();
    let keys = identity.pair(Counterparty::Other(recipient))?;
    Ok(hex::encode(keys.hmac(
        &Protocol::MESSAGE_BOX,
        KEY_ID,
        &json,
    )?))
}

/// Encrypts a body so that only sender and recipient can read it.
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
    // Base64 always serializes.
    Ok(serde_json::to_string(&encrypted).unwrap_or_default())
}

/// Reads a body from [`list`](crate::client::MessageBoxClient::list): unwraps what the server added, and decrypts the
/// rest.
///
/// # Errors
/// [`AuthError::Undecryptable`] if it was not encrypted by this sender for this identity, [`AuthError::IdentityKey`] if
/// the sender is not a key.
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

/// Whether a body from [`list`](crate::client::MessageBoxClient::list) has a payment. Acknowledging the message loses
/// it. This works for bodies that do not decrypt, too.
#[must_use]
pub fn has_payment(body: &str) -> bool {
    object::<Wrapped>(body).is_some_and(|wrapped| wrapped.payment.is_some())
}

/// Reads the body of a live event.
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

/// Parses a JSON object of this form.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    // serde would read a struct from an array, too.
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
        // The body as an object, as other clients write it.
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
