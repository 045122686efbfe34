//! Devices: where push notifications go.

use serde::{Deserialize, Serialize};

use super::{MessageBoxClient, read};
use crate::client::error::ClientError;

/// A device that hears of messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredDevice {
    /// The server's number for it.
    pub id: i64,
    /// The owner's name for it.
    pub device_id: Option<String>,
    /// `ios`, `android` or `web`.
    pub platform: Option<String>,
    /// The end of its token.
    pub fcm_token: String,
    /// Whether its token is believed to work.
    #[serde(deserialize_with = "truth")]
    pub active: bool,
    /// When it was last used, ISO 8601.
    pub last_used: Option<String>,
}

/// A device to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDevice<'a> {
    /// Its Firebase Cloud Messaging token.
    pub fcm_token: &'a str,
    /// The owner's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<&'a str>,
    /// `ios`, `android` or `web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    device_id: i64,
}

#[derive(Deserialize)]
struct ListOfDevices {
    devices: Vec<RegisteredDevice>,
}

/// Some servers write 1 and 0.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_bool().unwrap_or(value == 1))
}

impl MessageBoxClient {
    /// Registers a device for push notifications; gives the server's number for it.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient, NewDevice};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// let device = NewDevice { fcm_token: "a token", device_id: Some("phone"), platform: Some("ios") };
    /// let number = client.register_device(&device).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::post`](crate::client::Brc104Client::post), and [`ClientError::Unexpected`] when the answer has no
    /// number.
    pub async fn register_device(&self, device: &NewDevice<'_>) -> Result<i64, ClientError> {
        let answer = self.post("/registerDevice", device).await?;
        let registered: Registered = read(&answer, "an answer without a device")?;
        Ok(registered.device_id)
    }

    /// One's own devices, the one that changed last first.
    ///
    /// ```no_run
    /// # use messagebox::client::{ClientError, MessageBoxClient};
    /// # async fn example(client: MessageBoxClient) -> Result<(), ClientError> {
    /// let active = client.devices().await?.iter().filter(|device| device.active).count();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Brc104Client::get`](crate::client::Brc104Client::get), and [`ClientError::Unexpected`] when the answer is no list.
    pub async fn devices(&self) -> Result<Vec<RegisteredDevice>, ClientError> {
        let answer = self.get("/devices", &[]).await?;
        let listed: ListOfDevices = read(&answer, "an answer that is no list of devices")?;
        Ok(listed.devices)
    }
}
