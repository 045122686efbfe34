//! Listing a box, whole or page by page.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MessageBoxClient, read};
use crate::client::error::ClientError;

/// Maximum messages of one page.
const MAX_LIMIT: u32 = 1_000;

/// A message in a box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Item")]
pub struct BoxMessage {
    /// The sender's id for the message.
    pub message_id: String,
    /// The sender's identity key, 66 hexadecimal characters.
    pub sender: String,
    /// The stored body, usually JSON that wraps the sender's body.
    /// [`read_stored_body`](crate::client::read_stored_body) reads it.
    pub body: String,
    /// When the server stored the message, ISO 8601. Empty if the server does not say.
    pub created_at: String,
}

/// A listed message on the wire, with one or both spellings of the time.
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

impl From<Item> for BoxMessage {
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

/// A message that is too large for the server to list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OversizedBoxMessage {
    /// The sender's id for the message, which can be acknowledged.
    pub message_id: String,
    /// The sender's identity key, 66 hexadecimal characters.
    pub sender: String,
    /// The size of the body in bytes.
    pub body_bytes: u64,
    /// When the server stored the message, ISO 8601.
    pub created_at: String,
}

/// A page of a box.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BoxPage {
    /// The messages, oldest first if the server keeps an order.
    pub messages: Vec<BoxMessage>,
    /// Messages in this range that are too large to list.
    pub oversized: Vec<OversizedBoxMessage>,
    /// The start of the next page, if there is one.
    pub next: Option<PageStart>,
}

/// The start of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// After this many messages. Acknowledging messages shifts the others.
    Offset(u64),
    /// After the page that returned this cursor. Acknowledging messages shifts nothing.
    Cursor(String),
}

impl Default for PageStart {
    fn default() -> Self {
        Self::Offset(0)
    }
}

/// The prefix of an offset as text, which tells it from a cursor.
const OFFSET: &str = "offset:";

/// Writes the text that [`PageStart::from`] parses.
impl fmt::Display for PageStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "{OFFSET}{offset}"),
            Self::Cursor(cursor) => f.write_str(cursor),
        }
    }
}

impl From<&str> for PageStart {
    fn from(text: &str) -> Self {
        let offset = text.strip_prefix(OFFSET).and_then(|text| text.parse().ok());
        offset.map_or_else(|| Self::Cursor(text.to_owned()), Self::Offset)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    messages: Vec<BoxMessage>,
    #[serde(default)]
    oversized: Vec<OversizedBoxMessage>,
    next_cursor: Option<String>,
    #[serde(default)]
    has_more: bool,
    next_offset: Option<u64>,
}

impl Listed {
    /// The start of the next page, in whichever form this server reports it. A repeated cursor ends the listing.
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
struct List<'a> {
    message_box: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

impl MessageBoxClient {
    /// Lists a whole box, oldest first if the server keeps an order. Long boxes take several requests.
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
    /// As [`Brc104Client::post`](crate::client::Brc104Client::post), and [`ClientError::Unexpected`] if the response is
    /// no list.
    pub async fn list(&self, message_box: &str) -> Result<Vec<BoxMessage>, ClientError> {
        Ok(self.list_whole(message_box).await?.messages)
    }

    /// As [`Self::list`], including the messages that are too large to list.
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
    pub async fn list_whole(&self, message_box: &str) -> Result<BoxPage, ClientError> {
        self.list_from(message_box, PageStart::default(), None)
            .await
    }

    /// Lists up to `limit` messages from a start, in as many requests as needed. The result contains the next start.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient, PageStart};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// let oldest = client.list_from("inbox", PageStart::default(), Some(5_000)).await?;
    /// if let Some(next) = oldest.next {
    ///     println!("there are more from {next} on");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_from(
        &self,
        message_box: &str,
        start: PageStart,
        limit: Option<usize>,
    ) -> Result<BoxPage, ClientError> {
        let mut whole = BoxPage {
            next: Some(start),
            ..BoxPage::default()
        };
        while let Some(from) = &whole.next {
            let left = limit.map(|limit| limit.saturating_sub(whole.messages.len()));
            if left == Some(0) {
                break;
            }
            let wanted = left.map(|left| u32::try_from(left).unwrap_or(MAX_LIMIT).min(MAX_LIMIT));
            let page = self.list_page(message_box, from, wanted).await?;
            whole.messages.extend(page.messages);
            whole.oversized.extend(page.oversized);
            whole.next = page.next;
        }
        // The oldest servers ignore the limit.
        whole.messages.truncate(limit.unwrap_or(usize::MAX));
        Ok(whole)
    }

    /// Lists one page: up to `limit` messages, or as many as the server returns.
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
    ) -> Result<BoxPage, ClientError> {
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
        let listed: Listed = read(&answer, "a response without a list of messages")?;
        Ok(BoxPage {
            next: listed.next(start),
            messages: listed.messages,
            oversized: listed.oversized,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Servers report in different ways whether more messages follow.
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
            // The oldest servers list everything at once.
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
        for start in [offset(7), cursor("41"), cursor("offset:x"), cursor("")] {
            assert_eq!(PageStart::from(start.to_string().as_str()), start);
        }
        let nothing: Listed =
            serde_json::from_value(json!({"messages": [], "hasMore": true})).unwrap();
        assert_eq!(nothing.next(&offset(0)), None);
    }
}
