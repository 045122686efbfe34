//! `--check-config`: every effective value with its source, as a file that could be read again, but for its secrets.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use toml::Value;

use super::error::ConfigError;
use super::keys::KEYS;
use super::layers::Loaded;
use super::values::Values;

/// What stands for a secret.
const MASK: &str = "***";

/// Parameters of addresses that are no secrets.
const PLAIN_PARAMETERS: [&str; 7] = [
    "host",
    "ssl-ca",
    "ssl-mode",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "unix-socket",
];

/// The values, a line each. `of_file`: the variables that stand in `.env`.
///
/// # Errors
/// [`ConfigError`], where a value has no form.
pub fn show(loaded: &Loaded, of_file: &BTreeSet<String>) -> Result<String, ConfigError> {
    let settings = &loaded.settings;
    let values = Values::of(settings)?;
    let address = |secret: &Option<super::Secret>| {
        let text = secret.as_ref()?.expose().trim();
        (!text.is_empty()).then(|| Value::String(masked(text)))
    };
    let mut text = String::new();
    let mut last_section = "";
    for key in KEYS {
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let value = match key.path {
            // Both follow from other settings where they are not set.
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

/// An address without what opens it: password, parameters, and parts of a path that look like a key.
fn masked(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // The path of a database file.
        let is_path = !address.contains(['@', ':']);
        return if is_path { address } else { MASK }.to_owned();
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may have any of these characters where nobody has encoded it.
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
    fn an_address_is_shown_without_what_opens_it() {
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
