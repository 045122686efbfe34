//! The MessageBox operations over authenticated HTTP. This file sends and acknowledges; its submodules do the rest.

pub(super) mod body;
pub(super) mod devices;
pub(super) mod outgoing;
pub(super) mod page;
pub(super) mod permissions;

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::auth::Identity;
use crate::ids::IdentityKey;

use super::brc104::Brc104Client;
use super::error::ClientError;
use super::transport::Connector;
use outgoing::{MessageFields, OutgoingMessage};

/// The boxes of one party on one server.
#[derive(Debug)]
pub struct MessageBoxClient {
    http: Brc104Client,
}

/// The result of sending a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// The server stored the message.
    Stored,
    /// The sender had already sent this id, so the server stored nothing new. Not every server reports this.
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

#[derive(Serialize)]
struct Send<'a> {
    message: MessageFields<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledge<'a> {
    message_ids: &'a [String],
}

impl MessageBoxClient {
    /// A client that connects with its first operation.
    #[must_use]
    pub const fn new(connector: Connector, identity: Arc<Identity>) -> Self {
        Self {
            http: Brc104Client::new(connector, identity),
        }
    }

    /// The identity key of the owner of the boxes.
    #[must_use]
    pub fn identity_key(&self) -> IdentityKey {
        self.http.identity_key()
    }

    /// Completes a handshake, unless there is a session. Every operation does so when needed.
    ///
    /// # Errors
    /// As [`Brc104Client::connect`].
    pub async fn connect(&self) -> Result<(), ClientError> {
        self.http.connect().await
    }

    /// The identity key of the server. Completes a handshake, unless there is a session.
    ///
    /// # Errors
    /// As [`Brc104Client::connect`].
    pub async fn server_key(&self) -> Result<IdentityKey, ClientError> {
        self.http.server_key().await
    }

    /// Sends a message with this body. It returns when the server stored it. Sending the same id again stores nothing.
    ///
    /// ```no_run
    /// # use messagebox::client::{MessageBoxClient, SendOutcome, encrypt_body, message_id};
    /// # async fn example(
    /// #     client: MessageBoxClient, alice: messagebox::auth::Identity, bob: messagebox::ids::IdentityKey,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = message_id(&alice, bob, "hello")?;
    /// let body = encrypt_body(&alice, bob, "hello")?;
    /// if client.send(bob, "inbox", &id, &body).await? == SendOutcome::Already {
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
    ) -> Result<SendOutcome, ClientError> {
        self.send_message(&OutgoingMessage {
            recipient,
            message_box,
            message_id,
            body,
            expires_at: None,
        })
        .await
    }

    /// As [`Self::send`], for a message that may expire.
    ///
    /// # Errors
    /// As [`Self::send`], and [`ClientError::Unexpected`] for a date beyond the year 9999.
    pub async fn send_message(
        &self,
        message: &OutgoingMessage<'_>,
    ) -> Result<SendOutcome, ClientError> {
        let message = message.for_request()?;
        let answer = self.post("/sendMessage", &Send { message }).await?;
        let sent: SentTo = read(&answer, "a malformed response to a message")?;
        let already = sent.results.iter().any(|result| result.already_sent);
        Ok(if already {
            SendOutcome::Already
        } else {
            SendOutcome::Stored
        })
    }

    /// Deletes messages from the caller's own boxes by their ids.
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

    async fn post(&self, route: &str, body: &impl Serialize) -> Result<Bytes, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|_| ClientError::Unexpected("a body that does not serialize"))?;
        Ok(self.http.post(route, body.into()).await?.body)
    }

    async fn get(&self, route: &str, query: &[(&str, &str)]) -> Result<Bytes, ClientError> {
        Ok(self.http.get(route, query).await?.body)
    }
}

/// Parses a response. `otherwise` describes one that does not parse.
fn read<T: DeserializeOwned>(answer: &[u8], otherwise: &'static str) -> Result<T, ClientError> {
    serde_json::from_slice(answer).map_err(|_| ClientError::Unexpected(otherwise))
}
