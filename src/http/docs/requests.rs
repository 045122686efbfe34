//! The bodies of requests, for their description. The routes read them field by field, in order to report the first mistake.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A message and its payment.
#[derive(Serialize, ToSchema)]
pub(super) struct SendMessageRequest {
    message: MessageDraft,
    /// Required if the quote is not zero.
    payment: Option<PaymentBody>,
}

/// A message to one or several recipients.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageDraft {
    /// An identity key or a list of identity keys.
    #[schema(value_type = Option<OneOrMany>)]
    recipient: Option<Value>,
    /// Like `recipient`, and read first.
    #[schema(value_type = Option<OneOrMany>)]
    recipients: Option<Value>,
    /// The box's name: at most 128 bytes, without control characters and without those that change the direction of text.
    #[schema(example = "inbox")]
    message_box: String,
    /// The sender's id of the message, at most 256 bytes: one for each recipient, in the same order. Repeating an id to the
    /// same box succeeds as a duplicate. Any other use of it is refused.
    #[schema(value_type = OneOrMany)]
    message_id: Value,
    /// A string, an object or an array; stored as written.
    #[schema(value_type = Value)]
    body: Value,
    /// When the message expires: ISO 8601, or milliseconds since 1970.
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

/// A payment. If the server charges a fee, the first output pays it. The others pay recipients: those that
/// `customInstructions.recipientIdentityKey` names, otherwise in order. The server forwards all other fields.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentBody {
    /// `AtomicBEEF` (BRC-95), one number per byte.
    tx: Vec<u8>,
    outputs: Vec<PaymentOutputBody>,
    description: Option<String>,
}

/// An output of the transaction.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentOutputBody {
    output_index: u32,
    /// `wallet payment`. The payee of a `basket insertion` is unknown.
    protocol: String,
    payment_remittance: Option<Remittance>,
    /// An object or its JSON text.
    #[schema(value_type = Option<Value>)]
    custom_instructions: Option<Value>,
}

/// The derivation of the payee's key (BRC-29).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remittance {
    derivation_prefix: String,
    derivation_suffix: String,
    /// The counterparty of the derivation. For the server's fee: the sender. For a recipient: the public key of private key 1
    /// (`anyone`), so that the server can check the output.
    sender_identity_key: String,
}

/// A page of a box, or the whole box.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMessagesRequest {
    message_box: String,
    /// 1 to 1000, which is the default if one of the next four fields is set. A request with one of these five fields gets a
    /// page of at most 4,100,000 bytes. Its `nextOffset` and `nextCursor` lead to the next page. Other requests get the whole
    /// box, up to the operator's limit (`messages.max_listed_bytes`).
    limit: Option<u32>,
    /// Messages to skip: 0 to 100,000.
    offset: Option<u32>,
    /// Another name of `offset`.
    skip: Option<u32>,
    /// The `nextCursor` of the page before. Skips no message, even if others are acknowledged meanwhile.
    cursor: Option<String>,
    /// Lists only the message with this id.
    message_id: Option<String>,
    /// `asc`, which is the default, or `desc`.
    order: Option<String>,
}

/// Messages that the caller has processed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcknowledgeMessageRequest {
    message_ids: Vec<String>,
}

/// A device that shall receive push notifications.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterDeviceRequest {
    /// The device's Firebase token, at most 500 bytes.
    fcm_token: String,
    /// The caller's name of the device, at most 255 bytes.
    device_id: Option<String>,
    /// `ios`, `android` or `web`.
    platform: Option<String>,
}

/// The caller's setting for one sender or for all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetPermissionRequest {
    message_box: String,
    /// -1 blocks, 0 allows, more is a fee in satoshis.
    recipient_fee: i32,
    /// Identity key; without it the setting is for all senders.
    sender: Option<String>,
}

/// An auth message (BRC-103).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthMessageBody {
    /// The version, always `0.1`.
    version: String,
    /// `initialRequest`, `certificateResponse` or `certificateRequest`; in the reply `initialResponse` or
    /// `certificateResponse`.
    message_type: String,
    /// The sender's key, 66 hexadecimal characters.
    identity_key: String,
    /// The nonce of this message in base64; absent in a handshake.
    nonce: Option<String>,
    /// The session nonce of the message's sender, in base64.
    initial_nonce: Option<String>,
    /// The session nonce of the message's receiver, in base64.
    your_nonce: Option<String>,
    /// Certificates that the sender requires.
    #[schema(value_type = Option<Value>)]
    requested_certificates: Option<Value>,
    /// Certificates of the sender. The server has none.
    #[schema(value_type = Option<Vec<Value>>)]
    certificates: Option<Vec<Value>>,
    /// DER, one number per byte.
    signature: Option<Vec<u8>>,
}
