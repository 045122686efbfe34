//! Devices that want push notifications.

/// A registered device.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// Its row.
    pub id: i64,
    /// Its Firebase token.
    pub fcm_token: String,
    /// Its owner's name for it.
    pub device_id: Option<String>,
    /// `ios`, `android` or `web`.
    pub platform: Option<String>,
    /// Whether its token is believed to work.
    pub active: bool,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub updated_at: String,
    /// When its token last worked; ISO 8601.
    pub last_used: Option<String>,
}

/// Without the token: who has it can write to the device.
impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("id", &self.id)
            .field("platform", &self.platform)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}
