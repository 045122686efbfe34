//! Checks the settings as a whole: values that cannot work are errors, and probable mistakes are warnings.

use toml::Value;
use url::Url;

use crate::telemetry::{self, FilterReach};

use super::error::{ConfigError, TOGETHER};
use super::settings::Settings;
use super::sources::layers::Sources;
use super::values::Values;

/// Keys for which 0 would refuse every client, or repeat a task without a pause.
const NOT_ZERO: &[&str] = &[
    "server.max_connections",
    "server.max_url_bytes",
    "server.max_headers",
    "server.max_header_bytes",
    "server.max_body_bytes",
    "server.max_buffered_bytes",
    "server.request_timeout",
    "server.head_timeout",
    "database.busy_timeout",
    "database.max_queued_writes",
    "database.max_queued_bytes",
    "database.max_queued_reads",
    "socket.ping_interval",
    "socket.ping_timeout",
    "socket.max_payload",
    "socket.max_outbound_bytes",
    "socket.max_sockets",
    "auth.timeout",
    "auth.certificates.timeout",
    "limits.connections_per_address",
    "limits.unproven_sockets",
    "limits.unproven_sockets_per_address",
    "limits.sockets_per_identity",
    "messages.sweep_interval",
    "messages.max_listed_bytes",
    "wallet.timeout",
    "push.max_queued",
];

/// Names of the networks in servers in use and in their documents.
const NETWORKS: [&str; 7] = [
    "main",
    "mainnet",
    "test",
    "testnet",
    "ttn",
    "teratestnet",
    "local",
];

/// Checks the settings, enables what follows from them, and gives the warnings.
///
/// # Errors
/// [`ConfigError::Value`], for the first value that cannot work.
pub(super) fn check(
    settings: &mut Settings,
    sources: &mut Sources,
) -> Result<Vec<String>, ConfigError> {
    let mut warnings = push(settings, sources);
    let settings = &*settings;
    let wrong = |key: &'static str, expected: String| ConfigError::Value {
        key: key.to_owned(),
        origin: origin(sources, key).to_owned(),
        expected,
    };
    let values = Values::of(settings)?;
    for key in NOT_ZERO {
        if values.get(key).is_some_and(is_zero) {
            return Err(wrong(key, "expected more than 0".to_owned()));
        }
    }
    let wallet = &settings.wallet;
    for (key, address) in [
        ("wallet.url", &wallet.url),
        ("wallet.headers_url", &wallet.headers_url),
    ] {
        let text = address.as_ref().map_or("", |secret| secret.expose().trim());
        if !text.is_empty() && !is_address(text) {
            // The address may hold a secret, so the error does not show it.
            let expected = "expected an address such as https://service.example".to_owned();
            return Err(wrong(key, expected));
        }
    }
    if settings.push.enabled && !is_address(&settings.push.endpoint) {
        let expected = format!("expected an http address, not {:?}", settings.push.endpoint);
        return Err(wrong("push.endpoint", expected));
    }
    let domain = settings
        .server
        .hosting_domain
        .as_deref()
        .unwrap_or("")
        .trim();
    if !domain.is_empty() && !is_address(domain) && !is_host(domain) {
        let expected =
            format!("expected an address such as https://messagebox.example, not {domain:?}");
        return Err(wrong("server.hosting_domain", expected));
    }
    let network = settings.wallet.network.as_str();
    if !NETWORKS.contains(&network) {
        let expected = format!("expected one of {}, not {network:?}", NETWORKS.join(", "));
        return Err(wrong("wallet.network", expected));
    }
    match telemetry::check_filter(&settings.log.level) {
        Ok(FilterReach::Ours) => {}
        Ok(FilterReach::OthersOnly) => warnings.push(format!(
            "{} is {:?}, which logs nothing of this server: its modules begin with messagebox",
            origin(sources, "log.level"),
            settings.log.level
        )),
        Err(error) => {
            let expected = format!("{error}; not {:?}", settings.log.level);
            return Err(wrong("log.level", expected));
        }
    }
    Ok(warnings)
}

/// Enables notifications if there is a service account and no source says otherwise.
fn push(settings: &mut Settings, sources: &mut Sources) -> Vec<String> {
    let push = &mut settings.push;
    let json = push.service_account_json.as_ref();
    let path = push.service_account_path.as_ref();
    let account = if json.is_some_and(|json| !json.expose().trim().is_empty()) {
        Some("push.service_account_json")
    } else {
        path.map(|_| "push.service_account_path")
    };
    if push.enabled {
        return Vec::new();
    }
    // `config/default.toml` has `false` in every installation.
    let source = sources.get("push.enabled");
    let is_explicit = source.is_some_and(|origin| !origin.ends_with("default.toml"));
    match (account, is_explicit) {
        (Some(account), false) => {
            push.enabled = true;
            let reason = format!("{} is set", origin(sources, account));
            sources.insert("push.enabled", reason);
            Vec::new()
        }
        (Some(account), true) => vec![format!(
            "{} is set, but {} disables push notifications",
            origin(sources, account),
            origin(sources, "push.enabled")
        )],
        (None, _) if push.project_id.is_some() => vec![format!(
            "{} is set without a service account: push notifications are off; set FIREBASE_SERVICE_ACCOUNT_JSON or \
             FIREBASE_SERVICE_ACCOUNT_PATH",
            origin(sources, "push.project_id")
        )],
        (None, _) => Vec::new(),
    }
}

fn origin<'a>(sources: &'a Sources, key: &str) -> &'a str {
    let origin = sources.get(key).map(String::as_str);
    origin.unwrap_or(TOGETHER)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Integer(number) => *number == 0,
        // A duration of zero.
        Value::String(text) => text == "0s",
        _ => false,
    }
}

fn is_address(text: &str) -> bool {
    let url = Url::parse(text);
    url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A host with or without a port: some documents of other servers name it so.
fn is_host(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    text.chars().all(is_plain) && Url::parse(&format!("https://{text}")).is_ok()
}
