//! `--check-config`: every effective value with its source. A file could have it, except that secrets are masked.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use toml::Value;

use super::error::ConfigError;
use super::settings::KEYS;
use super::sources::layers::Loaded;
use super::values::Values;

/// Shown in place of a secret.
const MASK: &str = "***";

/// Query parameters of addresses that are not secret.
const PLAIN_PARAMETERS: [&str; 7] = [
    "host",
    "ssl-ca",
    "ssl-mode",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "unix-socket",
];

/// One line per value. `of_file` names the variables that come from `.env`.
///
/// # Errors
/// [`ConfigError::NoValues`].
pub fn show(loaded: &Loaded, of_file: &BTreeSet<String>) -> Result<String, ConfigError> {
    let settings = &loaded.settings;
    let values = Values::of(settings)?;
    let address = |secret: &Option<super::Secret>| {
        let text = secret.as_ref()?.expose().trim();
        (!text.is_empty()).then(|| Value::String(masked(text)))
    };
    let mut text = String::new();
    let mut last_section = "";
    for key in KEYS.iter() {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let value = match key.path {
            // Both have a default that depends on other settings.
            "server.port" => Some(Value::Integer(settings.port().into())),
            "database.url" => Some(Value::String(masked(&settings.database_url()))),
            "cluster.redis_url" => address(&settings.cluster.redis_url),
            "wallet.url" => address(&settings.wallet.url),
            "wallet.headers_url" => address(&settings.wallet.headers_url),
            path => values.get(path).cloned(),
        };
        let Some(value) = value else {
            continue;
        };
        if section != last_section {
            last_section = section;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n[{section}]");
        }
        let source = match loaded.sources.get(key.path) {
            Some(name) if of_file.contains(name) => format!("{name} in .env"),
            Some(origin) => origin.clone(),
            None => "default".to_owned(),
        };
        let _ = writeln!(text, "{name} = {value} # {source}");
    }
    Ok(text)
}

/// An address with its secrets masked: the password, the parameters, and parts of the path that look like a key.
fn masked(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // The path of a database file.
        let is_path = !address.contains(['@', ':']);
        return if is_path { address } else { MASK }.to_owned();
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password that is not percent-encoded may have any of these characters.
    let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = match user.split_once(':') {
        Some((name, _)) => format!("{name}:{MASK}@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let is_file = scheme == "sqlite" || scheme == "file";
    let segment = |text: &str| {
        let is_key = !is_file && text.len() >= 16 && !text.contains(['.', ':', ',']);
        if is_key {
            MASK.to_owned()
        } else {
            text.to_owned()
        }
    };
    let (host, path) = place
        .split_once('/')
        .map_or((place, None), |(host, path)| (host, Some(path)));
    let mut shown = format!("{scheme}://{user}{host}");
    if let Some(path) = path {
        let path: Vec<String> = path.split('/').map(segment).collect();
        shown = format!("{shown}/{}", path.join("/"));
    }
    let parameter = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = if PLAIN_PARAMETERS.contains(&name) {
            value
        } else {
            MASK
        };
        format!("{name}={value}")
    };
    if !query.is_empty() {
        let query: Vec<String> = query.split('&').map(parameter).collect();
        shown = format!("{shown}?{}", query.join("&"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_an_address_are_masked() {
        for (address, shown) in [
            ("sqlite://data/messagebox.db", "sqlite://data/messagebox.db"),
            ("mysql://u:hunter2@h:3306/d", "mysql://u:***@h:3306/d"),
            ("mysql://u:hunt@er/2@h/d", "mysql://u:***@h/d"),
            (
                "postgres://u:p@a:1,b:2/d?sslmode=require&password=x",
                "postgres://u:***@a:1,b:2/d?sslmode=require&password=***",
            ),
            ("rediss://:hunter2@h:6379/0", "rediss://:***@h:6379/0"),
            (
                "https://h.example/v1/0123456789abcdef0123?k=v",
                "https://h.example/v1/***?k=***",
            ),
            ("data/messagebox.db", "data/messagebox.db"),
            ("u:hunter2@h/d", "***"),
        ] {
            assert_eq!(masked(address), shown);
        }
    }
}
