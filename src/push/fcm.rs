//! Sends a notification to one device, and interprets the answer.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

use crate::outbound;

use super::access_token::AccessToken;
use super::message;
use super::service_account::{ServiceAccount, ServiceAccountError};

/// The code for a token that no device has any more. `NOT_FOUND` alone may also mean a missing project.
const DEAD: &str = "UNREGISTERED";

/// The same codes in the older interface.
const DEAD_BEFORE: [&str; 2] = [
    "registration-token-not-registered",
    "invalid-registration-token",
];

/// Largest answer in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Largest length of a code in characters.
const MAX_CODE_CHARS: usize = 64;

/// The endpoint and time limit of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcmSettings {
    /// The address of Firebase, without a path.
    pub endpoint: String,
    /// The project; `None` means that of the account.
    pub project_id: Option<String>,
    /// The time limit of one request.
    pub request_timeout: Duration,
}

impl Default for FcmSettings {
    fn default() -> Self {
        Self {
            endpoint: "https://fcm.googleapis.com".to_owned(),
            project_id: None,
            request_timeout: Duration::from_secs(5),
        }
    }
}

/// Firebase Cloud Messaging, HTTP v1.
#[derive(Debug)]
pub struct Fcm {
    pub(super) client: reqwest::Client,
    pub(super) token: AccessToken,
    /// The address of `messages:send`.
    pub(super) url: String,
    request_timeout: Duration,
}

/// The result of notifying one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PushOutcome {
    /// Firebase has accepted the notification.
    Sent,
    /// No device has this token any more.
    DeadToken,
    /// A retry may work, after this time if one is given.
    Later(Option<Duration>, String),
    /// A retry is useless for this device or message.
    Failed(String),
    /// Firebase refuses the project or the account. The operator must correct it.
    Refused(String),
}

/// The access token that Firebase refused.
struct TokenRefused(String);

impl Fcm {
    /// Creates a client for this account.
    ///
    /// # Errors
    /// [`ServiceAccountError::Project`] if no project is named.
    pub fn new(
        account: ServiceAccount,
        settings: &FcmSettings,
    ) -> Result<Self, ServiceAccountError> {
        let project = settings
            .project_id
            .clone()
            .or_else(|| account.project_id.clone())
            .ok_or(ServiceAccountError::Project)?;
        let endpoint = settings.endpoint.trim_end_matches('/');
        Ok(Self {
            client: outbound::http::client(),
            token: AccessToken::new(account),
            url: format!("{endpoint}/v1/projects/{project}/messages:send"),
            request_timeout: settings.request_timeout,
        })
    }

    /// Sends once. A refused access token is replaced once.
    pub(super) async fn send(
        &self,
        device: &str,
        message_id: &str,
        originator: &str,
    ) -> PushOutcome {
        let body = message::body(device, message_id, originator);
        let sent = async {
            let TokenRefused(token) = match self.try_send(&body).await {
                Ok(outcome) => return outcome,
                Err(refused) => refused,
            };
            self.token.forget(&token).await;
            let again = self.try_send(&body).await;
            again.unwrap_or_else(|_| PushOutcome::Refused("the access token is refused".into()))
        };
        tokio::time::timeout(self.request_timeout, sent)
            .await
            .unwrap_or_else(|_| PushOutcome::Later(None, "no answer in time".to_owned()))
    }

    async fn try_send(&self, body: &Value) -> Result<PushOutcome, TokenRefused> {
        let token = match self.token.get(&self.client).await {
            Ok(token) => token,
            Err(error) if error.is_final => return Ok(PushOutcome::Refused(error.reason)),
            Err(error) => return Ok(PushOutcome::Later(None, error.reason)),
        };
        let sent = self
            .client
            .post(&self.url)
            .bearer_auth(&token)
            .json(body)
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return Ok(PushOutcome::Later(None, error.without_url().to_string())),
        };
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(TokenRefused(token));
        }
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        // The status alone decides if the body cannot be read.
        let body = outbound::http::read(answer, MAX_ANSWER).await;
        let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        Ok(meaning(status, retry_after, &text))
    }
}

fn meaning(status: StatusCode, retry_after: Option<Duration>, text: &str) -> PushOutcome {
    if status.is_success() {
        return PushOutcome::Sent;
    }
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return PushOutcome::Later(retry_after, status.to_string());
    }
    let code = error_code(text);
    let is_dead = code.as_deref() == Some(DEAD)
        || DEAD_BEFORE.iter().any(|code| text.contains(code))
        || is_about_the_token(text);
    if is_dead {
        return PushOutcome::DeadToken;
    }
    let code = code.unwrap_or_default();
    let reason = format!("{status} {code}").trim_end().to_owned();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            PushOutcome::Refused(reason)
        }
        _ => PushOutcome::Failed(reason),
    }
}

/// The code of FCM if there is one, else the general one.
fn error_code(text: &str) -> Option<String> {
    let json: Value = serde_json::from_str(text).ok()?;
    let error = json.get("error")?;
    let own = error
        .get("details")
        .and_then(Value::as_array)
        .and_then(|details| details.iter().find_map(|detail| detail.get("errorCode")));
    let code = own.or_else(|| error.get("status"));
    let code = code.and_then(Value::as_str)?;
    Some(code.chars().take(MAX_CODE_CHARS).collect())
}

/// Whether an `INVALID_ARGUMENT` names the token. Otherwise the mistake is ours, and the device stays active.
fn is_about_the_token(text: &str) -> bool {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let details = json.pointer("/error/details").and_then(Value::as_array);
    let violations = details
        .into_iter()
        .flatten()
        .filter_map(|detail| detail.get("fieldViolations")?.as_array())
        .flatten();
    violations
        .filter_map(|violation| violation.get("field")?.as_str())
        .any(|field| field == "message.token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_told_apart() {
        let error = |status: &str, details: Value| {
            json!({"error": {"status": status, "details": details}}).to_string()
        };
        let failed = |text: &str| PushOutcome::Failed(text.to_owned());
        let refused = |text: &str| PushOutcome::Refused(text.to_owned());
        let about = |field: &str| json!([{"fieldViolations": [{"field": field}]}]);
        let cases = [
            (200, "{}".to_owned(), PushOutcome::Sent),
            (
                404,
                error("NOT_FOUND", json!([{"errorCode": "UNREGISTERED"}])),
                PushOutcome::DeadToken,
            ),
            // A missing project says nothing about the token.
            (
                404,
                error("NOT_FOUND", json!([])),
                refused("404 Not Found NOT_FOUND"),
            ),
            (
                400,
                error("INVALID_ARGUMENT", json!([{"errorCode": "UNREGISTERED"}])),
                PushOutcome::DeadToken,
            ),
            (
                400,
                "messaging/registration-token-not-registered".to_owned(),
                PushOutcome::DeadToken,
            ),
            (
                400,
                error("INVALID_ARGUMENT", about("message.token")),
                PushOutcome::DeadToken,
            ),
            (
                400,
                error("INVALID_ARGUMENT", about("message.android")),
                failed("400 Bad Request INVALID_ARGUMENT"),
            ),
            (
                403,
                error("PERMISSION_DENIED", json!([])),
                refused("403 Forbidden PERMISSION_DENIED"),
            ),
            // The tokens belong to another project: that of a previous server, or one configured by mistake.
            (
                403,
                error(
                    "PERMISSION_DENIED",
                    json!([{"errorCode": "SENDER_ID_MISMATCH"}]),
                ),
                refused("403 Forbidden SENDER_ID_MISMATCH"),
            ),
            (404, "<html>".to_owned(), refused("404 Not Found")),
            (
                429,
                String::new(),
                PushOutcome::Later(None, "429 Too Many Requests".to_owned()),
            ),
            (
                503,
                String::new(),
                PushOutcome::Later(None, "503 Service Unavailable".to_owned()),
            ),
        ];
        for (status, text, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(meaning(status, None, &text), expected, "{status} {text}");
        }
        let later = Some(Duration::from_secs(7));
        assert_eq!(
            meaning(StatusCode::TOO_MANY_REQUESTS, later, ""),
            PushOutcome::Later(later, "429 Too Many Requests".to_owned())
        );
    }
}
