//! The MessageBox operations over authenticated HTTP: send, list, acknowledge.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::auth::Identity;
use crate::ids::IdentityKey;

use super::brc104::Brc104Client;
use super::error::ClientError;
use super::transport::Connector;

/// A party's boxes on one server.
#[derive(Debug)]
pub struct MessageBoxClient {
    http: Brc104Client,
}

/// A message in a box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Item")]
pub struct StoredMessage {
    /// The sender's id for it.
    pub message_id: String,
    /// Who sent it, 66 hexadecimal characters.
    pub sender: String,
    /// As it is stored: usually JSON that wraps what was sent. [`read_stored_body`](super::read_stored_body) reads it.
    pub body: String,
    /// When it was stored, ISO 8601; empty where the server does not say.
    pub created_at: String,
}

/// A message as servers list it: with either spelling of the time, or both.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "messageId")]
    message_id: String,
    sender: String,
    body: String,
    created_at: Option<String>,
    #[serde(rename = "createdAt")]
    created_at_camel: Option<String>,
}

impl From<Item> for StoredMessage {
    fn from(item: Item) -> Self {
        Self {
            message_id: item.message_id,
            sender: item.sender,
            body: item.body,
            created_at: item
                .created_at
                .or(item.created_at_camel)
                .unwrap_or_default(),
        }
    }
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is stored.
    Stored,
    /// The sender had sent a message with this id before; nothing new is stored. Servers need not tell.
    Already,
}

#[derive(Deserialize)]
struct SentTo {
    #[serde(default)]
    results: Vec<SentResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentResult {
    #[serde(default)]
    already_sent: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    messages: Vec<StoredMessage>,
    /// There where not everything fits into one list.
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a> {
    recipient: String,
    message_box: &'a str,
    message_id: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Send<'a> {
    message: Outgoing<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    message_box: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledge<'a> {
    message_ids: &'a [String],
}

impl MessageBoxClient {
    /// A client that has not said anything yet.
    #[must_use]
    pub const fn new(connector: Connector, identity: Arc<Identity>) -> Self {
        Self {
            http: Brc104Client::new(connector, identity),
        }
    }

    /// Whose boxes these are.
    #[must_use]
    pub fn identity_key(&self) -> IdentityKey {
        self.http.identity_key()
    }

    /// Shakes hands, unless there is a session. The operations do it by themselves.
    ///
    /// # Errors
    /// As [`Brc104Client::connect`].
    pub async fn connect(&self) -> Result<(), ClientError> {
        self.http.connect().await
    }

    /// Who the server has proven to be: shakes hands, unless there is a session.
    ///
    /// # Errors
    /// As [`Brc104Client::connect`].
    pub async fn server_key(&self) -> Result<IdentityKey, ClientError> {
        self.http.server_key().await
    }

    /// Sends a message with a body as it stands; it is stored when this comes back. The same id again stores nothing.
    ///
    /// ```no_run
    /// # use messagebox::client::{MessageBoxClient, Sent, encrypt_body, message_id};
    /// # async fn example(
    /// #     client: MessageBoxClient, alice: messagebox::auth::Identity, bob: messagebox::ids::IdentityKey,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = message_id(&alice, bob, "hello")?;
    /// let body = encrypt_body(&alice, bob, "hello")?;
    /// if client.send(bob, "inbox", &id, &body).await? == Sent::Already {
    ///     println!("nothing new");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::post`].
    pub async fn send(
        &self,
        recipient: IdentityKey,
        message_box: &str,
        message_id: &str,
        body: &str,
    ) -> Result<Sent, ClientError> {
        let message = Outgoing {
            recipient: recipient.to_hex(),
            message_box,
            message_id,
            body,
        };
        let answer = self.post("/sendMessage", &Send { message }).await?;
        let sent: SentTo = read(&answer, "an answer to a message that cannot be read")?;
        let already = sent.results.iter().any(|result| result.already_sent);
        Ok(if already { Sent::Already } else { Sent::Stored })
    }

    /// Everything in a box, the oldest first where the server keeps an order; of long boxes page by page.
    ///
    /// ```no_run
    /// # use messagebox::client::{MessageBoxClient, read_stored_body};
    /// # async fn example(
    /// #     client: MessageBoxClient, bob: messagebox::auth::Identity,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// for message in client.list("inbox").await? {
    ///     let read = read_stored_body(&bob, &message.sender, &message.body)?;
    ///     println!("{}: {}", message.sender, read.text);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::post`], and [`ClientError::Unexpected`] when the answer is no list.
    pub async fn list(&self, message_box: &str) -> Result<Vec<StoredMessage>, ClientError> {
        let mut messages = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = List {
                message_box,
                cursor: cursor.as_deref(),
            };
            let answer = self.post("/listMessages", &page).await?;
            let listed: Listed = read(&answer, "an answer that is no list of messages")?;
            messages.extend(listed.messages);
            // A server that leads in a circle is not followed.
            match listed.next_cursor {
                Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => return Ok(messages),
            }
        }
    }

    /// Deletes messages of one's own boxes, by their ids.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// client.acknowledge(&[String::from("an id")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::post`].
    pub async fn acknowledge(&self, message_ids: &[String]) -> Result<(), ClientError> {
        let body = Acknowledge { message_ids };
        self.post("/acknowledgeMessage", &body).await.map(drop)
    }

    pub(super) async fn post(
        &self,
        route: &str,
        body: &impl Serialize,
    ) -> Result<Bytes, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|_| ClientError::Unexpected("a body that is no JSON"))?;
        Ok(self.http.post(route, body.into()).await?.body)
    }

    pub(super) async fn get(
        &self,
        route: &str,
        query: &[(&str, &str)],
    ) -> Result<Bytes, ClientError> {
        Ok(self.http.get(route, query).await?.body)
    }
}

/// Reads an answer; what it says it is otherwise.
pub(super) fn read<T: DeserializeOwned>(
    answer: &[u8],
    otherwise: &'static str,
) -> Result<T, ClientError> {
    serde_json::from_slice(answer).map_err(|_| ClientError::Unexpected(otherwise))
}
