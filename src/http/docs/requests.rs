//! What requests bring, for their description. The routes read them field by field, so that the first mistake is the
//! one that is reported.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A message, and what is paid for it.
#[derive(Serialize, ToSchema)]
pub(super) struct SendMessageRequest {
    message: MessageDraft,
    /// What is paid, where a quote asks for something.
    payment: Option<PaymentBody>,
}

/// A message to one recipient or to many.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageDraft {
    /// An identity key, or a list of them.
    #[schema(value_type = Option<OneOrMany>)]
    recipient: Option<Value>,
    /// The same, and looked at first.
    #[schema(value_type = Option<OneOrMany>)]
    recipients: Option<Value>,
    /// The box's name: at most 128 bytes, no control characters, none that change the direction of text.
    #[schema(example = "inbox")]
    message_box: String,
    /// The sender's id for the message, at most 256 bytes; one for each recipient, in the same order. The same id again, of
    /// the same sender and into the same box, is a duplicate and succeeds; any other use of it is refused.
    #[schema(value_type = OneOrMany)]
    message_id: Value,
    /// A string, an object or an array; it is stored as it is written.
    #[schema(value_type = Value)]
    body: Value,
    /// When it is no longer worth delivering: ISO 8601, or milliseconds since 1970.
    #[schema(value_type = Option<Value>)]
    expires_at: Option<Value>,
}

/// A string or a list of strings.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A payment. The first output pays the server where it asks for a fee, the others pay recipients: those that
/// `customInstructions.recipientIdentityKey` names, else in their order. What else it holds goes on to the recipients.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentBody {
    /// `AtomicBEEF` (BRC-95), one number for each byte.
    tx: Vec<u8>,
    outputs: Vec<PaymentOutputBody>,
    description: Option<String>,
}

/// An output of the transaction.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentOutputBody {
    output_index: u32,
    /// `wallet payment`; of a `basket insertion` it cannot be told whom it pays.
    protocol: String,
    payment_remittance: Option<Remittance>,
    /// An object, or its JSON text.
    #[schema(value_type = Option<Value>)]
    custom_instructions: Option<Value>,
}

/// How the payee's key is derived (BRC-29).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remittance {
    derivation_prefix: String,
    derivation_suffix: String,
    /// With whom the key is shared: the sender where the server is paid; where a recipient is paid, the key that
    /// belongs to private key 1 (`anyone`), so that the server can tell.
    sender_identity_key: String,
}

/// Which box, and how much of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMessagesRequest {
    message_box: String,
    /// 1 to 1000, which is the default where one of the four below is given. A request with one of these five gets a page: at
    /// most 4,100,000 bytes, from which `nextOffset` and `nextCursor` lead on. A request with none gets everything, up to
    /// the bytes that the operator allows for (`messages.max_listed_bytes`).
    limit: Option<u32>,
    /// Leaves the first so many away: 0 to 100,000.
    offset: Option<u32>,
    /// The same as `offset`.
    skip: Option<u32>,
    /// The `nextCursor` of the page before: never misses a message, whatever is acknowledged meanwhile.
    cursor: Option<String>,
    /// Only the message with this id.
    message_id: Option<String>,
    /// `asc`, which is the default, or `desc`.
    order: Option<String>,
}

/// What was dealt with and may be deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcknowledgeMessageRequest {
    message_ids: Vec<String>,
}

/// A device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterDeviceRequest {
    /// Its Firebase token, at most 500 bytes.
    fcm_token: String,
    /// The caller's name for it, at most 255 bytes.
    device_id: Option<String>,
    /// `ios`, `android` or `web`.
    platform: Option<String>,
}

/// What the caller asks of a sender, or of everybody.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetPermissionRequest {
    message_box: String,
    /// -1 blocks, 0 allows, more is a fee in satoshis.
    recipient_fee: i32,
    /// Identity key; without it the setting is for everybody.
    sender: Option<String>,
}

/// An auth message (BRC-103), as JSON.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthMessageBody {
    /// `0.1`.
    version: String,
    /// `initialRequest`, `certificateResponse` or `certificateRequest`; in the reply `initialResponse` or
    /// `certificateResponse`.
    message_type: String,
    /// 66 hexadecimal characters.
    identity_key: String,
    /// The message's own nonce, in base64; not in a handshake.
    nonce: Option<String>,
    /// The session nonce of who sends it, in base64.
    initial_nonce: Option<String>,
    /// The session nonce of who gets it, in base64.
    your_nonce: Option<String>,
    /// What the sender asks for.
    #[schema(value_type = Option<Value>)]
    requested_certificates: Option<Value>,
    /// What the sender shows. The server has none.
    #[schema(value_type = Option<Vec<Value>>)]
    certificates: Option<Vec<Value>>,
    /// DER, one number for each byte.
    signature: Option<Vec<u8>>,
}
