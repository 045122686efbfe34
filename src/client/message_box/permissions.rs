//! Permissions: the fees that an owner charges senders, and the price of a message to others.

use serde::{Deserialize, Serialize};

use crate::ids::IdentityKey;

use super::{MessageBoxClient, read};
use crate::client::error::ClientError;

/// Permissions per request, which is the most that servers return.
const PAGE: usize = 100;

/// The fee for one sender, or for all, to one box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "PermissionItem")]
pub struct BoxPermission {
    /// The sender's identity key. `None` stands for all senders.
    pub sender: Option<String>,
    /// The name of the box.
    pub message_box: String,
    /// -1 blocks, 0 allows, any other number is a fee in satoshis.
    pub recipient_fee: i64,
}

/// A permission on the wire, with one or both spellings of its fields.
#[derive(Deserialize)]
struct PermissionItem {
    sender: Option<String>,
    message_box: Option<String>,
    #[serde(rename = "messageBox")]
    message_box_camel: Option<String>,
    recipient_fee: Option<i64>,
    #[serde(rename = "recipientFee")]
    recipient_fee_camel: Option<i64>,
}

impl From<PermissionItem> for BoxPermission {
    fn from(item: PermissionItem) -> Self {
        let message_box = item.message_box_camel.or(item.message_box);
        let fee = item.recipient_fee_camel.or(item.recipient_fee);
        Self {
            sender: item.sender,
            message_box: message_box.unwrap_or_default(),
            recipient_fee: fee.unwrap_or_default(),
        }
    }
}

/// The price of a message in satoshis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageQuote {
    /// The fee of the server.
    pub delivery_fee: u64,
    /// The fee of the recipient. -1 means that the recipient blocks the sender.
    pub recipient_fee: i64,
}

impl MessageQuote {
    /// Whether the recipient blocks the sender, so that no fee can buy delivery.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.recipient_fee < 0
    }

    /// The sum of both fees.
    #[must_use]
    pub fn total(&self) -> u64 {
        let recipient = u64::try_from(self.recipient_fee).unwrap_or(0);
        self.delivery_fee.saturating_add(recipient)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Setting<'a> {
    message_box: &'a str,
    recipient_fee: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    permission: Option<BoxPermission>,
}

#[derive(Deserialize)]
struct ListOfPermissions {
    permissions: Vec<BoxPermission>,
}

#[derive(Deserialize)]
struct Quoted {
    quote: MessageQuote,
}

impl MessageBoxClient {
    /// Sets the fee for a sender, or for all (`None`), to one of the caller's boxes: -1 blocks, 0 allows.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// client.set_permission("inbox", None, 100).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::post`](crate::client::Brc104Client::post).
    pub async fn set_permission(
        &self,
        message_box: &str,
        sender: Option<IdentityKey>,
        recipient_fee: i64,
    ) -> Result<(), ClientError> {
        let setting = Setting {
            message_box,
            recipient_fee,
            sender: sender.map(|key| key.to_hex()),
        };
        self.post("/permissions/set", &setting).await.map(drop)
    }

    /// The fee for a sender, or for all (`None`), if one is set.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// let fee = client.permission("inbox", None).await?.map_or(0, |found| found.recipient_fee);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::get`](crate::client::Brc104Client::get), and [`ClientError::Unexpected`] if the response is
    /// no permission.
    pub async fn permission(
        &self,
        message_box: &str,
        sender: Option<IdentityKey>,
    ) -> Result<Option<BoxPermission>, ClientError> {
        let sender = sender.map(|key| key.to_hex());
        let mut query = vec![("messageBox", message_box)];
        query.extend(sender.as_deref().map(|sender| ("sender", sender)));
        let answer = self.get("/permissions/get", &query).await?;
        let found: Found = read(&answer, "a response without a permission")?;
        Ok(found.permission)
    }

    /// Lists all permissions, or those of one box.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// for permission in client.permissions(Some("inbox")).await? {
    ///     println!("{:?}: {}", permission.sender, permission.recipient_fee);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::get`](crate::client::Brc104Client::get), and [`ClientError::Unexpected`] if the response is
    /// no list.
    pub async fn permissions(
        &self,
        message_box: Option<&str>,
    ) -> Result<Vec<BoxPermission>, ClientError> {
        let mut permissions: Vec<BoxPermission> = Vec::new();
        loop {
            let (limit, offset) = (PAGE.to_string(), permissions.len().to_string());
            let mut query = vec![("limit", limit.as_str()), ("offset", offset.as_str())];
            query.extend(message_box.map(|name| ("messageBox", name)));
            let answer = self.get("/permissions/list", &query).await?;
            let page: ListOfPermissions =
                read(&answer, "a response without a list of permissions")?;
            let is_last = page.permissions.len() < PAGE;
            permissions.extend(page.permissions);
            if is_last {
                return Ok(permissions);
            }
        }
    }

    /// Asks for the price of a message to a recipient's box.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(
    /// #     client: MessageBoxClient, bob: messagebox::ids::IdentityKey,
    /// # ) -> Result<(), ClientError> {
    /// let quote = client.quote(bob, "notifications").await?;
    /// println!("{} satoshis", quote.total());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::get`](crate::client::Brc104Client::get), and [`ClientError::Unexpected`] if the response is
    /// no quote.
    pub async fn quote(
        &self,
        recipient: IdentityKey,
        message_box: &str,
    ) -> Result<MessageQuote, ClientError> {
        let recipient = recipient.to_hex();
        let query = [
            ("recipient", recipient.as_str()),
            ("messageBox", message_box),
        ];
        let answer = self.get("/permissions/quote", &query).await?;
        let quoted: Quoted = read(&answer, "a response without a quote")?;
        Ok(quoted.quote)
    }
}
