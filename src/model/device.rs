//! Devices that receive push notifications.

/// A device that is registered for push notifications.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    pub id: i64,
    /// The device's Firebase token.
    pub fcm_token: String,
    /// The owner's name for it.
    pub device_id: Option<String>,
    /// `ios`, `android` or `web`.
    pub platform: Option<String>,
    /// Whether its token is believed to work.
    pub active: bool,
    pub created_at: String,
    pub updated_at: String,
    /// The last time its token worked; ISO 8601.
    pub last_used: Option<String>,
}

/// Omits the token: its holder can write to the device.
impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("id", &self.id)
            .field("platform", &self.platform)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}
