//! Environment variables of the TypeScript server (1.1). The server reads those that have a setting with the same meaning.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::config::keys::Key;
use crate::config::settings::KEYS;

/// Prefix of nearly all of its variables.
const PREFIX: &str = "MESSAGE_BOX_";

/// How the text of a variable becomes that of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Same,
    Milliseconds,
    /// The same number, where `unlimited` means 0.
    OrZero,
    /// A number of days, where `unlimited` means 0.
    Days,
    /// Requests per window. The named variable has the window in milliseconds.
    RateOf(&'static str),
    /// A JSON object: `{"/route": satoshis}`.
    PricesOfRoutes,
}

struct Variable {
    /// The name without the prefix.
    name: &'static str,
    /// The key of the setting.
    path: &'static str,
    unit: Unit,
}

const fn variable(name: &'static str, path: &'static str, unit: Unit) -> Variable {
    Variable { name, path, unit }
}

/// Variables with a setting.
#[rustfmt::skip]
const READ: &[Variable] = &[
    variable("MAX_BODY_BYTES", "server.max_body_bytes", Unit::Same),
    variable("REQUEST_TIMEOUT_MS", "server.request_timeout", Unit::Milliseconds),
    variable("HEADERS_TIMEOUT_MS", "server.head_timeout", Unit::Milliseconds),
    variable("KEEP_ALIVE_TIMEOUT_MS", "server.keep_alive", Unit::Milliseconds),
    variable("WEBSOCKET_MAX_BODY_BYTES", "socket.max_payload", Unit::Same),
    variable("PRE_AUTH_RATE_LIMIT_MAX", "limits.requests_per_address", Unit::RateOf("PRE_AUTH_RATE_LIMIT_WINDOW_MS")),
    variable("AUTHENTICATED_RATE_LIMIT_MAX", "limits.requests_per_identity", Unit::RateOf("AUTHENTICATED_RATE_LIMIT_WINDOW_MS")),
    variable("MAX_MESSAGE_BODY_BYTES", "messages.max_message_bytes", Unit::OrZero),
    variable("MAX_RECIPIENTS", "messages.max_recipients", Unit::Same),
    variable("LIST_MAX_RESPONSE_BYTES", "messages.max_listed_bytes", Unit::Same),
    variable("MAX_INBOX_MESSAGES", "messages.max_inbox_messages", Unit::OrZero),
    variable("MAX_INBOX_BYTES", "messages.max_inbox_bytes", Unit::OrZero),
    variable("MAX_SENDER_MESSAGES", "messages.max_sender_messages", Unit::OrZero),
    variable("MAX_SENDER_BYTES", "messages.max_sender_bytes", Unit::OrZero),
    variable("RETENTION_DAYS", "messages.ttl", Unit::Days),
    variable("RETENTION_CLEANUP_INTERVAL_MS", "messages.sweep_interval", Unit::Milliseconds),
    variable("RETENTION_CLEANUP_BATCH_SIZE", "messages.sweep_batch", Unit::Same),
    variable("ROUTE_PRICES_JSON", "prices.routes", Unit::PricesOfRoutes),
];

/// Variables without the prefix and without a setting.
const UNPREFIXED: [&str; 6] = [
    "RESOURCE_PROFILE",
    "CORS_MODE",
    "CORS_ALLOWED_ORIGINS",
    "MESSAGE_LIST_BATCH_SIZE",
    "TRUST_PROXY_HOPS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Its variables, with their prefix.
pub(crate) fn names() -> impl Iterator<Item = String> {
    let prefixed = READ.iter().map(|known| format!("{PREFIX}{}", known.name));
    prefixed.chain(UNPREFIXED.map(ToOwned::to_owned))
}

/// A mistake: the variable, and what was expected.
pub(crate) type WrongVariable = (String, String);

/// What the environment has of that server.
#[derive(Default)]
pub(crate) struct Found {
    /// Keys with their texts, and the variables that these come from.
    pub(crate) texts: Vec<(&'static Key, String, String)>,
    /// Variables that are set and that this server does not follow.
    pub(crate) unread: Vec<String>,
}

pub(crate) fn read(variables: &BTreeMap<String, String>) -> Result<Found, WrongVariable> {
    let set = |name: &str| {
        let text = variables.get(&format!("{PREFIX}{name}"))?.trim();
        (!text.is_empty()).then_some(text)
    };
    let is_priced = set("MONETIZATION_ENABLED").is_some_and(|text| text == "true");
    let mut found = Found::default();
    for (name, text) in variables {
        let text = text.trim();
        let known = match name.strip_prefix(PREFIX) {
            _ if text.is_empty() => continue,
            None if !UNPREFIXED.contains(&&**name) => continue,
            // This server always allows every origin.
            None | Some("CORS_MODE") if name.ends_with("CORS_MODE") && text == "public" => continue,
            // Its prices count only with monetization, and part of them has no counterpart here.
            Some("MONETIZATION_ENABLED") if !is_priced => continue,
            Some(price) if price.contains("PRICE") && !is_priced => continue,
            Some(window) if is_window(window, &set) => continue,
            None => None,
            Some(short) => READ.iter().find(|variable| variable.name == short),
        };
        let key = known.and_then(|known| KEYS.iter().find(|key| key.path == known.path));
        let converted = match (known, key) {
            (Some(known), Some(key)) => {
                let wrong = |expected| (name.clone(), expected);
                let converted = convert(known.unit, text, &set).map_err(wrong)?;
                converted.map(|text| (key, text))
            }
            _ => None,
        };
        match converted {
            Some((key, text)) => found.texts.push((key, text, name.clone())),
            None => found.unread.push(name.clone()),
        }
    }
    Ok(found)
}

/// Whether a variable is the window of a rate that is set.
fn is_window<'a>(name: &str, set: &impl Fn(&str) -> Option<&'a str>) -> bool {
    READ.iter().any(|variable| match variable.unit {
        Unit::RateOf(window) => window == name && set(variable.name).is_some(),
        _ => false,
    })
}

/// The text of the setting; `None` if the setting has no such value.
fn convert<'a>(
    unit: Unit,
    text: &str,
    set: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Option<String>, String> {
    if matches!(text, "-1" | "unlimited") {
        let unlimited = matches!(unit, Unit::OrZero | Unit::Days | Unit::RateOf(_));
        return Ok(unlimited.then(|| "0".to_owned()));
    }
    let number = |text: &str| {
        let number = text.parse::<u64>();
        number.map_err(|_| format!("expected a whole number, not {text:?}"))
    };
    Ok(Some(match unit {
        Unit::Same | Unit::OrZero => number(text)?.to_string(),
        Unit::Milliseconds => format!("{}ms", number(text)?),
        Unit::Days => format!("{}days", number(text)?),
        Unit::RateOf(window) => {
            let window = set(window).map_or(Ok(60_000), number)?.max(1);
            // Rounded up, and never 0, which would be no limit.
            let milli = number(text)?.saturating_mul(1_000);
            milli.div_ceil(window).max(1).to_string()
        }
        Unit::PricesOfRoutes => prices(text)
            .ok_or_else(|| format!("expected JSON as {{\"/route\": satoshis}}, not {text:?}"))?,
    }))
}

fn prices(text: &str) -> Option<String> {
    let Json::Object(routes) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let price = |(route, price): (&String, &Json)| Some(format!("{route}={}", price.as_u64()?));
    let prices: Option<Vec<String>> = routes.iter().map(price).collect();
    Some(prices?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys with their texts, and the variables that are not read.
    type Texts = (Vec<(&'static str, String)>, Vec<String>);

    fn found(variables: &[(&str, &str)]) -> Result<Texts, WrongVariable> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let found = read(&variables.iter().map(own).collect())?;
        let texts = found
            .texts
            .into_iter()
            .map(|(key, text, _)| (key.path, text));
        Ok((texts.collect(), found.unread))
    }

    #[test]
    fn what_has_a_setting_is_read_in_its_unit() {
        for (name, text, path, expected) in [
            (
                "MAX_BODY_BYTES",
                "4194304",
                "server.max_body_bytes",
                "4194304",
            ),
            (
                "REQUEST_TIMEOUT_MS",
                "60000",
                "server.request_timeout",
                "60000ms",
            ),
            (
                "HEADERS_TIMEOUT_MS",
                "15000",
                "server.head_timeout",
                "15000ms",
            ),
            (
                "KEEP_ALIVE_TIMEOUT_MS",
                " 5000 ",
                "server.keep_alive",
                "5000ms",
            ),
            (
                "WEBSOCKET_MAX_BODY_BYTES",
                "1048576",
                "socket.max_payload",
                "1048576",
            ),
            (
                "PRE_AUTH_RATE_LIMIT_MAX",
                "301",
                "limits.requests_per_address",
                "6",
            ),
            (
                "PRE_AUTH_RATE_LIMIT_MAX",
                "unlimited",
                "limits.requests_per_address",
                "0",
            ),
            (
                "AUTHENTICATED_RATE_LIMIT_MAX",
                "0",
                "limits.requests_per_identity",
                "1",
            ),
            ("MAX_RECIPIENTS", "100", "messages.max_recipients", "100"),
            (
                "MAX_MESSAGE_BODY_BYTES",
                "1048576",
                "messages.max_message_bytes",
                "1048576",
            ),
            (
                "MAX_MESSAGE_BODY_BYTES",
                "-1",
                "messages.max_message_bytes",
                "0",
            ),
            (
                "LIST_MAX_RESPONSE_BYTES",
                "8388608",
                "messages.max_listed_bytes",
                "8388608",
            ),
            ("RETENTION_DAYS", "30", "messages.ttl", "30days"),
            ("RETENTION_DAYS", "-1", "messages.ttl", "0"),
            (
                "RETENTION_CLEANUP_INTERVAL_MS",
                "900000",
                "messages.sweep_interval",
                "900000ms",
            ),
            (
                "RETENTION_CLEANUP_BATCH_SIZE",
                "1000",
                "messages.sweep_batch",
                "1000",
            ),
        ] {
            let read = found(&[(&format!("{PREFIX}{name}"), text)]);
            assert_eq!(
                read,
                Ok((vec![(path, expected.to_owned())], Vec::new())),
                "{name}"
            );
        }
        let (texts, unread) = found(&[
            ("MESSAGE_BOX_PRE_AUTH_RATE_LIMIT_MAX", "300"),
            ("MESSAGE_BOX_PRE_AUTH_RATE_LIMIT_WINDOW_MS", "10000"),
        ])
        .unwrap();
        assert_eq!(texts, [("limits.requests_per_address", "30".to_owned())]);
        assert!(unread.is_empty());
    }

    #[test]
    fn quotas_are_read_under_its_names() {
        for (name, text, path, expected) in [
            ("INBOX_MESSAGES", "10000", "inbox_messages", "10000"),
            ("INBOX_BYTES", "unlimited", "inbox_bytes", "0"),
            ("SENDER_MESSAGES", "-1", "sender_messages", "0"),
            ("SENDER_BYTES", "1073741824", "sender_bytes", "1073741824"),
        ] {
            let (texts, unread) = found(&[(&format!("{PREFIX}MAX_{name}"), text)]).unwrap();
            let [(key, value)] = &*texts else {
                panic!("{name}: {texts:?}");
            };
            assert_eq!(
                (*key, &**value),
                (&*format!("messages.max_{path}"), expected)
            );
            assert!(unread.is_empty(), "{name}");
        }
    }

    #[test]
    fn prices_count_where_that_server_asks_for_any() {
        let json = r#"{"/sendMessage": 10, "/listMessages": 5}"#;
        let priced = ("MESSAGE_BOX_ROUTE_PRICES_JSON", json);
        let base = ("MESSAGE_BOX_PRICE_BASE_SATOSHIS", "50");
        assert_eq!(found(&[priced, base]), Ok((Vec::new(), Vec::new())));
        let enabled = ("MESSAGE_BOX_MONETIZATION_ENABLED", "true");
        let (texts, unread) = found(&[priced, base, enabled]).unwrap();
        assert_eq!(
            texts,
            [(
                "prices.routes",
                "/listMessages=5,/sendMessage=10".to_owned()
            )]
        );
        let expected = [
            "MESSAGE_BOX_MONETIZATION_ENABLED",
            "MESSAGE_BOX_PRICE_BASE_SATOSHIS",
        ];
        assert_eq!(unread, expected);
        let wrong = ("MESSAGE_BOX_ROUTE_PRICES_JSON", r#"{"/sendMessage": -1}"#);
        assert!(found(&[wrong, enabled]).is_err());
    }

    #[test]
    fn what_has_no_setting_is_named_if_it_says_something_else() {
        let (texts, unread) = found(&[
            ("CORS_MODE", "public"),
            ("MESSAGE_BOX_CORS_MODE", "allowlist"),
            ("MESSAGE_BOX_MAX_BODY_BYTES", "unlimited"),
            ("MESSAGE_BOX_MAX_CONNECTIONS", "10"),
            ("MESSAGE_BOX_MAX_SENDER_BYTES", ""),
            ("RESOURCE_PROFILE", "small"),
            ("TRUST_PROXY_HOPS", "1"),
            ("MESSAGEBOX_FEES", "inbox=1"),
            ("PATH", "/bin"),
        ])
        .unwrap();
        assert!(texts.is_empty());
        let expected = [
            "MESSAGE_BOX_CORS_MODE",
            "MESSAGE_BOX_MAX_BODY_BYTES",
            "MESSAGE_BOX_MAX_CONNECTIONS",
            "RESOURCE_PROFILE",
            "TRUST_PROXY_HOPS",
        ];
        assert_eq!(unread, expected);
        let (name, _) = found(&[("MESSAGE_BOX_RETENTION_DAYS", "many")]).unwrap_err();
        assert_eq!(name, "MESSAGE_BOX_RETENTION_DAYS");
    }
}
