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

/// A message that the server keeps and cannot list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OversizedMessage {
    /// The sender's id for it: it can be acknowledged.
    pub message_id: String,
    /// Who sent it, 66 hexadecimal characters.
    pub sender: String,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// When it was stored, ISO 8601.
    pub created_at: String,
}

/// A part of what is in a box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessagePage {
    /// The oldest first where the server keeps an order.
    pub messages: Vec<StoredMessage>,
    /// Those in between that are too large for any page.
    pub oversized: Vec<OversizedMessage>,
    /// Where the next page begins; none at the end.
    pub next: Option<PageStart>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// Behind the first so many messages. Messages that are acknowledged meanwhile move the others up.
    Offset(u64),
    /// Behind the page that gave this cursor, whatever is acknowledged meanwhile.
    Cursor(String),
}

impl Default for PageStart {
    fn default() -> Self {
        Self::Offset(0)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    messages: Vec<StoredMessage>,
    #[serde(default)]
    oversized: Vec<OversizedMessage>,
    next_cursor: Option<String>,
    #[serde(default)]
    has_more: bool,
    next_offset: Option<u64>,
}

impl Listed {
    /// Where the next page begins, by what this server tells of it. One that leads in a circle is not followed.
    fn next(&self, start: &PageStart) -> Option<PageStart> {
        if let Some(next) = &self.next_cursor {
            let next = PageStart::Cursor(next.clone());
            return (next != *start).then_some(next);
        }
        let PageStart::Offset(offset) = start else {
            return None;
        };
        let count = u64::try_from(self.messages.len()).unwrap_or(u64::MAX);
        let next = match self.next_offset {
            Some(next) if next > *offset => next,
            _ => offset.saturating_add(count),
        };
        (self.has_more && next > *offset).then_some(PageStart::Offset(next))
    }
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
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
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
        Ok(self.list_whole(message_box).await?.messages)
    }

    /// As [`Self::list`], with what the server cannot list.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// for message in client.list_whole("inbox").await?.oversized {
    ///     println!("{} has {} bytes", message.message_id, message.body_bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_whole(&self, message_box: &str) -> Result<MessagePage, ClientError> {
        let mut whole = MessagePage::default();
        let mut start = Some(PageStart::default());
        while let Some(from) = start {
            let page = self.list_page(message_box, &from, None).await?;
            whole.messages.extend(page.messages);
            whole.oversized.extend(page.oversized);
            start = page.next;
        }
        Ok(whole)
    }

    /// A page of a box: up to `limit` messages, or as many as the server gives.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient, PageStart};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// let mut start = Some(PageStart::default());
    /// while let Some(from) = start {
    ///     let page = client.list_page("inbox", &from, Some(50)).await?;
    ///     println!("{} messages", page.messages.len());
    ///     start = page.next;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_page(
        &self,
        message_box: &str,
        start: &PageStart,
        limit: Option<u32>,
    ) -> Result<MessagePage, ClientError> {
        let (offset, cursor) = match start {
            PageStart::Offset(offset) => (Some(*offset), None),
            PageStart::Cursor(cursor) => (None, Some(cursor.as_str())),
        };
        let page = List {
            message_box,
            limit,
            offset,
            cursor,
        };
        let answer = self.post("/listMessages", &page).await?;
        let listed: Listed = read(&answer, "an answer that is no list of messages")?;
        Ok(MessagePage {
            next: listed.next(start),
            messages: listed.messages,
            oversized: listed.oversized,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Servers tell in different ways whether there is more.
    #[test]
    fn the_next_page_is_found_in_what_any_server_says() {
        let message = json!({"messageId": "1", "sender": "02", "body": "b"});
        let next = |start: PageStart, fields: serde_json::Value| {
            let mut list = json!({"messages": [message, message]});
            list.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            serde_json::from_value::<Listed>(list).unwrap().next(&start)
        };
        let (offset, cursor) = (PageStart::Offset, |text: &str| {
            PageStart::Cursor(text.to_owned())
        });
        for (start, fields, expected) in [
            // The oldest servers list everything.
            (offset(0), json!({}), None),
            (
                offset(0),
                json!({"hasMore": true, "nextOffset": 7}),
                Some(offset(7)),
            ),
            (offset(0), json!({"hasMore": false, "nextOffset": 7}), None),
            (offset(3), json!({"hasMore": true}), Some(offset(5))),
            (
                offset(3),
                json!({"hasMore": true, "nextOffset": 3}),
                Some(offset(5)),
            ),
            (
                offset(0),
                json!({"hasMore": true, "nextOffset": 2, "nextCursor": "a"}),
                Some(cursor("a")),
            ),
            (
                cursor("a"),
                json!({"hasMore": true, "nextCursor": "b"}),
                Some(cursor("b")),
            ),
            (
                cursor("a"),
                json!({"hasMore": true, "nextCursor": "a"}),
                None,
            ),
            (
                cursor("a"),
                json!({"hasMore": false, "nextCursor": null}),
                None,
            ),
        ] {
            assert_eq!(next(start, fields.clone()), expected, "{fields}");
        }
        let nothing: Listed =
            serde_json::from_value(json!({"messages": [], "hasMore": true})).unwrap();
        assert_eq!(nothing.next(&offset(0)), None);
    }
}
