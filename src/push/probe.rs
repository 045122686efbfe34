//! Checks that Firebase would accept a notification, without sending one.

use reqwest::StatusCode;
use serde_json::json;
use time::OffsetDateTime;

use crate::outbound::{ClockOffset, Probed};

use super::fcm::Fcm;

/// A topic without devices, because a message needs an address.
const TOPIC: &str = "messagebox-health";

impl Fcm {
    /// Asks Firebase to validate a message without sending it. The check uses the credentials and the project of
    /// notifications. The caller bounds the time.
    pub(super) async fn probe(&self) -> Probed {
        let token = match self.token.get(&self.client).await {
            Ok(token) => token,
            Err(error) => return Probed::failed(&error.reason),
        };
        let body = json!({ "validate_only": true, "message": { "topic": TOPIC } });
        let asked = OffsetDateTime::now_utc();
        let request = self.client.post(&self.url).bearer_auth(&token).json(&body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Probed::failed(&error.without_url()),
        };
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            self.token.forget(&token).await;
        }
        Probed {
            failure: (!status.is_success()).then(|| format!("it answered with status {status}")),
            clock: ClockOffset::of_headers(answer.headers(), asked),
        }
    }
}
