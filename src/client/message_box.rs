//! The MessageBox operations over authenticated HTTP: send, list, acknowledge.

use std::sync::Arc;

use bytes::Bytes;
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
pub struct StoredMessage {
    /// The sender's id for it.
    #[serde(rename = "messageId")]
    pub message_id: String,
    /// Who sent it, 66 hexadecimal characters.
    pub sender: String,
    /// As it is stored: usually JSON that wraps what was sent.
    pub body: String,
}

#[derive(Deserialize)]
struct Listed {
    messages: Vec<StoredMessage>,
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

    /// Sends a message; it is stored when this comes back.
    ///
    /// # Errors
    /// As [`Brc104Client::post`].
    pub async fn send(
        &self,
        recipient: IdentityKey,
        message_box: &str,
        message_id: &str,
        body: &str,
    ) -> Result<(), ClientError> {
        let message = Outgoing {
            recipient: recipient.to_hex(),
            message_box,
            message_id,
            body,
        };
        self.post("/sendMessage", &Send { message }).await.map(drop)
    }

    /// Everything in a box.
    ///
    /// # Errors
    /// As [`Brc104Client::post`], and [`ClientError::Unexpected`] when the answer is no list.
    pub async fn list(&self, message_box: &str) -> Result<Vec<StoredMessage>, ClientError> {
        let answer = self.post("/listMessages", &List { message_box }).await?;
        let listed: Listed = serde_json::from_slice(&answer)
            .map_err(|_| ClientError::Unexpected("an answer that is no list of messages"))?;
        Ok(listed.messages)
    }

    /// Deletes messages of one's own boxes.
    ///
    /// # Errors
    /// As [`Brc104Client::post`].
    pub async fn acknowledge(&self, message_ids: &[String]) -> Result<(), ClientError> {
        let body = Acknowledge { message_ids };
        self.post("/acknowledgeMessage", &body).await.map(drop)
    }

    async fn post(&self, route: &str, body: &impl Serialize) -> Result<Bytes, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|_| ClientError::Unexpected("a body that is no JSON"))?;
        Ok(self.http.post(route, body.into()).await?.body)
    }
}
