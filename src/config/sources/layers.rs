//! Lays the sources over each other and reads the result. Every mistake is reported with its origin.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::database_url;
use super::similar;
use super::typescript_server;
use crate::config::check::check;
use crate::config::error::{ConfigError, TOGETHER};
use crate::config::keys::{Key, Kind, REMOVED};
use crate::config::settings::{KEYS, Settings};

/// Prefix of the systematic variables: `MESSAGEBOX__SOCKET__PING_INTERVAL`.
const PREFIX: &str = "MESSAGEBOX__";

/// The origin of each key that is set: a file, a variable or a flag.
pub type Sources = BTreeMap<&'static str, String>;

/// A configuration, and the origins of its values.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    /// A key that is missing here has its default.
    pub sources: Sources,
}

/// Reads the configuration. `variables` is the environment; `flags` are keys and their texts.
///
/// # Errors
/// [`ConfigError`], for the first mistake.
pub fn load(
    folder: &Path,
    variables: &BTreeMap<String, String>,
    flags: &[(String, String)],
) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::default();
    layers.file(&folder.join("default.toml"))?;
    let environment = layers.environment(variables, flags)?;
    layers.file(&folder.join(format!("{environment}.toml")))?;
    layers.typescript_server(variables)?;
    let mut warnings = Vec::new();
    // Our own variables take precedence over those of the TypeScript server.
    for key in KEYS.iter() {
        let systematic = systematic(key.path);
        let names = key.variables.iter().copied().chain([systematic.as_str()]);
        let set = names
            .filter_map(|name| Some((name, variables.get(name)?)))
            .find(|(_, text)| !text.is_empty());
        if let Some((name, text)) = set {
            layers.text(key, text, name)?;
        } else {
            warnings.extend(similar::empty_list(key, variables));
        }
    }
    layers.removed_variables(variables);
    layers.database_of_other_servers(variables)?;
    refuse_unknown_variables(variables)?;
    warnings.extend(similar::check(variables)?);
    for (path, text) in flags {
        let origin = format!("flag for {path}");
        match KEYS.iter().find(|key| key.path == path) {
            Some(key) => layers.text(key, text, &origin)?,
            None => return Err(unknown_key(path.clone(), origin)),
        }
    }
    let mut settings = layers.settings()?;
    settings.auth.certificates.required()?;
    settings.environment = environment;
    warnings.extend(check(&mut settings, &mut layers.sources)?);
    if !layers.without_effect.is_empty() {
        warnings.push(format!(
            "settings of an earlier release have no effect any more, remove them: {}",
            layers.without_effect.join(", ")
        ));
    }
    if !layers.unread.is_empty() {
        warnings.push(format!(
            "the server does not follow these variables of the TypeScript server: {}",
            layers.unread.join(", ")
        ));
    }
    settings.warnings = warnings;
    Ok(Loaded {
        settings,
        sources: layers.sources,
    })
}

fn refuse_unknown_variables(variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    for name in variables.keys() {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let path = rest.replace("__", ".").to_lowercase();
        let is_removed = REMOVED.iter().any(|(removed, _)| *removed == path);
        if !is_removed && !KEYS.iter().any(|key| key.path == path) {
            return Err(unknown_key(path, name.clone()));
        }
    }
    Ok(())
}

fn unknown_key(key: String, origin: String) -> ConfigError {
    ConfigError::UnknownKey { key, origin }
}

#[derive(Default)]
struct Layers {
    table: Table,
    sources: Sources,
    /// Settings of the last release that are set and do nothing.
    without_effect: Vec<String>,
    /// Variables of the TypeScript server that this one does not follow.
    unread: Vec<String>,
}

impl Layers {
    /// Adds a file; it may be missing.
    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let origin = path.display().to_string();
        let failed = |cause: String| ConfigError::File {
            path: origin.clone(),
            cause,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error.to_string())),
        };
        let mut table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| failed(one_line(error.message())))?;
        for (path, _) in REMOVED {
            if remove(&mut table, path) {
                self.without_effect.push(format!("{path} ({origin})"));
            }
        }
        if let Some(key) = self.note_sources(&table, "", &origin) {
            return Err(unknown_key(key, origin));
        }
        merge(&mut self.table, table);
        Ok(())
    }

    /// Notes the origin of each key in a table. Gives the first key that does not exist.
    fn note_sources(&mut self, table: &Table, prefix: &str, origin: &str) -> Option<String> {
        table.iter().find_map(|(name, value)| {
            let path = format!("{prefix}{name}");
            if let Some(key) = KEYS.iter().find(|key| key.path == path) {
                self.sources.insert(key.path, origin.to_owned());
                return None;
            }
            let section = format!("{path}.");
            let is_section = KEYS.iter().any(|key| key.path.starts_with(&section));
            match value {
                Value::Table(inner) if is_section => self.note_sources(inner, &section, origin),
                _ => Some(path),
            }
        })
    }

    /// The environment: it decides which file is read, so it is looked up ahead of everything else.
    fn environment(
        &self,
        variables: &BTreeMap<String, String>,
        flags: &[(String, String)],
    ) -> Result<String, ConfigError> {
        let flag = flags.iter().find(|(path, _)| path == "environment");
        let variable = || {
            ["NODE_ENV", "MESSAGEBOX__ENVIRONMENT"]
                .iter()
                .find_map(|name| variables.get(*name).filter(|text| !text.is_empty()))
        };
        let name = match flag.map(|(_, text)| text).or_else(variable) {
            Some(name) => name.clone(),
            None => match self.table.get("environment") {
                Some(Value::String(name)) => name.clone(),
                _ => Settings::default().environment,
            },
        };
        // It becomes the name of a file, which must lie in the folder.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !name.is_empty() && name.bytes().all(is_plain) {
            return Ok(name);
        }
        Err(ConfigError::Value {
            key: "environment".to_owned(),
            origin: "NODE_ENV or --environment".to_owned(),
            expected: format!("expected letters, digits, - and _, not {name:?}"),
        })
    }

    /// Notes variables that have no effect any more.
    fn removed_variables(&mut self, variables: &BTreeMap<String, String>) {
        for (path, variable) in REMOVED {
            let names = [(*variable).to_owned(), systematic(path)];
            let given = names
                .into_iter()
                .filter(|name| variables.contains_key(name));
            self.without_effect.extend(given);
        }
    }

    /// Sets one key from a text.
    fn text(&mut self, key: &Key, text: &str, origin: &str) -> Result<(), ConfigError> {
        let value = convert(key.kind, text).map_err(|expected| ConfigError::Value {
            key: key.path.to_owned(),
            origin: origin.to_owned(),
            expected,
        })?;
        let nested = key.path.rsplit('.').fold(value, |value, name| {
            Value::Table(Table::from_iter([(name.to_owned(), value)]))
        });
        if let Value::Table(table) = nested {
            merge(&mut self.table, table);
        }
        self.sources.insert(key.path, origin.to_owned());
        Ok(())
    }

    /// Reads the variables of the TypeScript server.
    fn typescript_server(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        let found = typescript_server::read(variables).map_err(|(origin, expected)| {
            ConfigError::Value {
                key: "environment".to_owned(),
                origin,
                expected,
            }
        })?;
        for (key, text, origin) in &found.texts {
            self.text(key, text, origin)?;
        }
        self.unread = found.unread;
        Ok(())
    }

    /// Reads `DB_DRIVER` and `DB_SOURCE`, else `KNEX_DB_CONNECTION`, where no URL is set.
    fn database_of_other_servers(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        let key = KEYS.iter().find(|key| key.path == "database.url");
        let Some(key) = key.filter(|key| !self.sources.contains_key(key.path)) else {
            return Ok(());
        };
        let found = database_url::of_other_servers(variables);
        let wrong = |(origin, expected): database_url::Wrong| ConfigError::Value {
            key: key.path.to_owned(),
            origin: origin.to_owned(),
            expected,
        };
        match found.map_err(wrong)? {
            Some((origin, url)) => self.text(key, &url, origin),
            None => Ok(()),
        }
    }

    /// The settings as the layers have them so far.
    fn settings(&self) -> Result<Settings, ConfigError> {
        let value = Value::Table(self.table.clone());
        let settings: Settings = serde_path_to_error::deserialize(value).map_err(|error| {
            let key = error.path().to_string();
            ConfigError::Value {
                origin: self.origin(&key),
                key,
                expected: one_line(error.inner().message()),
            }
        })?;
        let certificates = &settings.auth.certificates;
        certificates.check_values(|key| self.origin(key))?;
        Ok(settings)
    }

    /// The origin of a key, or of the key that a value belongs to.
    fn origin(&self, path: &str) -> String {
        let is_within = |key: &str| {
            let rest = path.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let source = self.sources.iter().find(|(key, _)| is_within(key));
        source.map_or_else(|| TOGETHER.to_owned(), |(_, origin)| origin.clone())
    }
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(" ")
}

/// The systematic variable of a key.
fn systematic(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

/// Removes a key; says whether the table had it.
fn remove(table: &mut Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.remove(path).is_some(),
        Some((section, rest)) => match table.get_mut(section) {
            Some(Value::Table(section)) => remove(section, rest),
            _ => false,
        },
    }
}

fn merge(below: &mut Table, above: Table) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => drop(below.insert(name, value)),
        }
    }
}

/// The value that a text means, or what was expected.
fn convert(kind: Kind, text: &str) -> Result<Value, String> {
    let text = text.trim();
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Switch => match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err(format!("expected true or false, not {text:?}")),
        },
        Kind::Number => match text.parse() {
            Ok(number) => Ok(Value::Integer(number)),
            Err(_) => Err(format!("expected a whole number, not {text:?}")),
        },
        // A variable without text counts as not set, so an empty list needs a word.
        Kind::List if text == "none" => Ok(Value::Array(Vec::new())),
        Kind::List => Ok(list(text, ',')),
        Kind::Amounts => pairs(text, "box=satoshis,box=satoshis", |pair| {
            let (name, amount) = pair.split_once('=')?;
            let amount = amount.trim().parse().ok().filter(|amount| *amount >= 0)?;
            Some((name, Value::Integer(amount)))
        }),
        Kind::Lifetimes => pairs(text, "box=duration,box=duration", |pair| {
            let (name, time) = pair.split_once('=')?;
            Some((name, Value::String(time.trim().to_owned())))
        }),
        // The base64 of a type ends with `=` itself.
        Kind::FieldsByType => pairs(text, "type=field+field,type=field", |pair| {
            let (name, fields) = pair.rsplit_once('=')?;
            Some((name, list(fields, '+')))
        }),
    }
}

fn pairs(
    text: &str,
    form: &str,
    read: impl Fn(&str) -> Option<(&str, Value)>,
) -> Result<Value, String> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let table: Result<Table, String> = pairs
        .map(|pair| match read(pair) {
            Some((name, value)) => Ok((name.trim().to_owned(), value)),
            None => Err(format!("expected {form}, not {pair:?}")),
        })
        .collect();
    table.map(Value::Table)
}

fn list(text: &str, separator: char) -> Value {
    let items = text.split(separator).map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

#[cfg(test)]
mod tests;
