//! Variables that are set and do nothing: misspelled names, and empty lists.

use std::collections::BTreeMap;

use super::typescript_server;
use crate::config::error::ConfigError;
use crate::config::keys::{Key, Kind, REMOVED};
use crate::config::settings::{KEYS, Settings};
use crate::config::values::Values;

/// Variables beside those of the keys that this server or other servers in use read.
const OTHERS: &[&str] = &[
    "CONFIG_DIR",
    "DB_DRIVER",
    "DB_SOURCE",
    "KNEX_DB_CLIENT",
    "KNEX_DB_CONNECTION",
    "FIREBASE_ACCESS_TOKEN",
    "RAILWAY_ENVIRONMENT",
    "RUST_LOG_STYLE",
    "SKIP_NGINX",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// Names of other programs that are one letter away from ours.
const FOREIGN: &[&str] = &["DATADIR", "HOSTNAME", "NODE_HOME"];

/// From this length on, a name with up to two wrong letters is a mistake, and the server does not start.
const LONG: usize = 10;

/// Shorter names are not compared: they resemble too many others.
const SHORT: usize = 6;

/// Looks for variables that resemble ours. Gives warnings for those that may belong to another program.
///
/// # Errors
/// [`ConfigError::Resembles`].
pub(crate) fn check(variables: &BTreeMap<String, String>) -> Result<Vec<String>, ConfigError> {
    let of_keys = KEYS.iter().flat_map(|key| key.variables.iter().copied());
    let removed = REMOVED.iter().map(|(_, variable)| *variable);
    let ours = of_keys.chain(removed).chain(OTHERS.iter().copied());
    let mut known: Vec<String> = ours.map(ToOwned::to_owned).collect();
    known.extend(typescript_server::names());
    let mut warnings = Vec::new();
    for name in variables.keys() {
        // `MESSAGEBOX__` and `MESSAGE_BOX_` have checks of their own.
        let is_checked = name.starts_with("MESSAGEBOX__") || name.starts_with("MESSAGE_BOX_");
        if is_checked || known.contains(name) || FOREIGN.contains(&name.as_str()) {
            continue;
        }
        let Some(nearest) = nearest(name, &known) else {
            continue;
        };
        if nearest.len() >= LONG && !variables.contains_key(nearest) {
            return Err(ConfigError::Resembles {
                name: name.clone(),
                known: nearest.to_owned(),
            });
        }
        warnings.push(format!(
            "the server does not read {name}; if you mean its setting, rename the variable to {nearest}"
        ));
    }
    Ok(warnings)
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let upper = name.to_uppercase();
    let distance = |known: &'a String| {
        let max = match known.len() {
            0..SHORT => return None,
            SHORT..LONG => 1,
            _ => 2,
        };
        let is_near = known.len().abs_diff(upper.len()) <= max;
        let distance = is_near.then(|| strsim::osa_distance(&upper, known))?;
        (distance <= max).then_some((distance, known.as_str()))
    };
    let nearest = known.iter().filter_map(distance).min();
    nearest.map(|(_, known)| known)
}

/// Warns of an empty variable for a list whose default is not empty.
pub(crate) fn empty_list(key: &Key, variables: &BTreeMap<String, String>) -> Option<String> {
    let name = key.variables.iter().find(|name| {
        variables
            .get(**name)
            .is_some_and(|text| text.trim().is_empty())
    })?;
    if key.kind != Kind::List {
        return None;
    }
    let defaults = Values::of(&Settings::default()).ok()?;
    let default = defaults.get(key.path)?.to_string();
    (default != "[]").then(|| {
        format!("{name} is empty, which counts as not set: the default {default} applies; `{name}=none` sets an empty list")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(names: &[&str]) -> Result<Vec<String>, ConfigError> {
        let set = |name: &&str| ((*name).to_owned(), "1".to_owned());
        check(&names.iter().map(set).collect())
    }

    #[test]
    fn a_long_name_with_a_typo_keeps_the_server_from_starting() {
        for (name, known) in [
            ("MAX_RECIPENTS", "MAX_RECIPIENTS"),
            ("SERVER_PRIVAT_KEY", "SERVER_PRIVATE_KEY"),
            ("ADMIN_TOEKN", "ADMIN_TOKEN"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("Database_Url", "DATABASE_URL"),
            ("KNEX_DB_CONECTION", "KNEX_DB_CONNECTION"),
        ] {
            let expected = ConfigError::Resembles {
                name: name.to_owned(),
                known: known.to_owned(),
            };
            assert_eq!(checked(&[name]), Err(expected), "{name}");
        }
    }

    #[test]
    fn what_may_be_of_another_program_is_a_warning() {
        for (names, known) in [
            (&["REDIS_URI"][..], "REDIS_URL"),
            (&["RUSTLOG"], "RUST_LOG"),
            (&["DATABASE_URI", "DATABASE_URL"], "DATABASE_URL"),
        ] {
            let warnings = checked(names).unwrap();
            assert_eq!(warnings.len(), 1, "{names:?}");
            assert!(warnings[0].ends_with(known), "{warnings:?}");
        }
    }

    #[test]
    fn variables_of_other_programs_and_our_own_cause_no_warning() {
        let others = [
            "PATH",
            "HOME",
            "HOSTNAME",
            "POST",
            "PWD",
            "DATADIR",
            "LANG",
            "HTTP_PROXY",
            "NODE_OPTIONS",
            "REDIS_PORT",
            "REDIS_SERVICE_HOST",
            "MESSAGEBOX_PORT",
            "MESSAGEBOX_SERVICE_PORT_HTTP",
            "KUBERNETES_SERVICE_PORT",
            "DATABASE_HOST",
            "FIREBASE_ACCESS_TOKEN",
            "AUTH_RESUME",
        ];
        assert_eq!(checked(&others), Ok(Vec::new()));
        for key in KEYS.iter() {
            assert_eq!(checked(key.variables), Ok(Vec::new()), "{}", key.path);
        }
    }
}
