//! Devices that receive push notifications.

use serde::{Deserialize, Serialize};

use super::{MessageBoxClient, read};
use crate::client::error::ClientError;

/// A device that the caller has registered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredDevice {
    /// The server's number of the device.
    pub id: i64,
    /// The owner's name for the device.
    pub device_id: Option<String>,
    /// The platform: `ios`, `android` or `web`.
    pub platform: Option<String>,
    /// The end of the device's token.
    pub fcm_token: String,
    /// Whether push notifications to the token work, as far as the server knows.
    #[serde(deserialize_with = "truth")]
    pub active: bool,
    /// When the device was last used, ISO 8601.
    pub last_used: Option<String>,
}

/// A device to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDevice<'a> {
    /// The Firebase Cloud Messaging token of the device.
    pub fcm_token: &'a str,
    /// The owner's name for the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<&'a str>,
    /// The platform: `ios`, `android` or `web`.
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

/// Some servers write 1 and 0 for true and false.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_bool().unwrap_or(value == 1))
}

impl MessageBoxClient {
    /// Registers a device for push notifications. Returns the server's number of the device.
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
    /// As [`Brc104Client::post`](crate::client::Brc104Client::post), and [`ClientError::Unexpected`] if the response
    /// has no number.
    pub async fn register_device(&self, device: &NewDevice<'_>) -> Result<i64, ClientError> {
        let answer = self.post("/registerDevice", device).await?;
        let registered: Registered = read(&answer, "a response without a device")?;
        Ok(registered.device_id)
    }

    /// Lists the caller's devices, the most recently changed first.
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
    /// As [`Brc104Client::get`](crate::client::Brc104Client::get), and [`ClientError::Unexpected`] if the response is
    /// no list.
    pub async fn devices(&self) -> Result<Vec<RegisteredDevice>, ClientError> {
        let answer = self.get("/devices", &[]).await?;
        let listed: ListOfDevices = read(&answer, "a response without a list of devices")?;
        Ok(listed.devices)
    }
}
