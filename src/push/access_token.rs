//! OAuth 2 access tokens: requested with a signed assertion (RFC 7523) and reused until shortly before they expire.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::outbound::http::read;

use super::service_account::ServiceAccount;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Largest answer in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The lifetime of an assertion in seconds.
const ASSERTION_SECONDS: i64 = 3_600;
/// A token is replaced so long before it expires.
const SLACK: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

/// Why there is no token.
pub(super) struct NoToken {
    /// The reason as text for the log.
    pub(super) reason: String,
    /// Whether the account is refused, so that a retry is useless.
    pub(super) is_final: bool,
}

impl NoToken {
    fn later(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_final: false,
        }
    }
}

struct Kept {
    token: String,
    until: Instant,
}

/// The token of an account. Concurrent callers share one request.
pub(super) struct AccessToken {
    account: ServiceAccount,
    kept: Mutex<Option<Kept>>,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AccessToken").field(&self.account).finish()
    }
}

impl AccessToken {
    pub(super) const fn new(account: ServiceAccount) -> Self {
        Self {
            account,
            kept: Mutex::const_new(None),
        }
    }

    /// The current token, or a new one if it has expired.
    pub(super) async fn get(&self, client: &reqwest::Client) -> Result<String, NoToken> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > Instant::now()) {
            return Ok(kept.token.clone());
        }
        let granted = self.ask(client).await?;
        let lives = Duration::from_secs(granted.expires_in).saturating_sub(SLACK);
        *kept = Some(Kept {
            token: granted.access_token.clone(),
            until: Instant::now() + lives,
        });
        Ok(granted.access_token)
    }

    /// Drops this token, which was refused. A newer one stays.
    pub(super) async fn forget(&self, token: &str) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.token == token) {
            *kept = None;
        }
    }

    async fn ask(&self, client: &reqwest::Client) -> Result<Granted, NoToken> {
        let account = &self.account;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        });
        let header = match &account.key_id {
            Some(key_id) => json!({ "typ": "JWT", "alg": "RS256", "kid": key_id }),
            None => json!({ "typ": "JWT", "alg": "RS256" }),
        };
        let unsigned = || NoToken::later("the assertion could not be signed");
        let assertion = signed(&header, &claims, &account.key).ok_or_else(unsigned)?;
        let answer = client
            .post(&account.token_uri)
            .form(&[("grant_type", GRANT), ("assertion", &assertion)])
            .send()
            .await
            .map_err(|error| NoToken::later(error.without_url().to_string()))?;
        let status = answer.status();
        if !status.is_success() {
            // Google answers 400 or 401 for a deleted account or key.
            let may_pass = status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::REQUEST_TIMEOUT
                || !status.is_client_error();
            return Err(NoToken {
                reason: format!("no access token: {status}"),
                is_final: !may_pass,
            });
        }
        let unreadable = || NoToken::later("the access token could not be read");
        let body = read(answer, MAX_ANSWER).await.map_err(|_| unreadable())?;
        serde_json::from_slice(&body).map_err(|_| unreadable())
    }
}

/// Header, claims and signature, each in base64url, with dots between (RFC 7515 §3.1).
fn signed(header: &Value, claims: &Value, key: &RsaKeyPair) -> Option<String> {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let mut text = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .ok()?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Some(text)
}
