//! Lays the sources over each other and reads the result, so that a mistake is told with its origin.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::check::check;
use super::database_url;
use super::error::ConfigError;
use super::keys::{KEYS, Key, Kind, REMOVED};
use super::settings::Settings;
use super::similar;
use super::typescript_server;

/// Prefix of the systematic variables: `MESSAGEBOX__SOCKET__PING_INTERVAL`.
const PREFIX: &str = "MESSAGEBOX__";

/// Where each key that is set comes from: a file, a variable or a flag.
pub type Sources = BTreeMap<&'static str, String>;

/// A configuration, and where its values come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// Their sources; a key that is missing here has its default.
    pub sources: Sources,
}

/// Reads the configuration. `variables` is the environment; `flags` are keys and their texts.
///
/// # Errors
/// [`ConfigError`], for the first source that is wrong.
pub fn load(
    folder: &Path,
    variables: &BTreeMap<String, String>,
    flags: &[(String, String)],
) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::default();
    layers.file(&folder.join("default.toml"))?;
    let environment = environment(&layers, variables, flags);
    check_environment(&environment)?;
    layers.file(&folder.join(format!("{environment}.toml")))?;
    // Their own variables go over those.
    layers.typescript_server(variables)?;
    for key in KEYS {
        let systematic = systematic(key.path);
        let names = key.variables.iter().copied().chain([systematic.as_str()]);
        let set = names
            .filter_map(|name| Some((name, variables.get(name)?)))
            .find(|(_, text)| !text.is_empty());
        if let Some((name, text)) = set {
            layers.text(key, text, name)?;
        } else if let Some(warning) = similar::empty_list(key, variables) {
            layers.warnings.push(warning);
        }
    }
    layers.removed_variables(variables);
    layers.database_of_other_servers(variables)?;
    refuse_unknown_variables(variables)?;
    layers.warnings.extend(similar::check(variables)?);
    for (path, text) in flags {
        let origin = format!("flag for {path}");
        let key = KEYS.iter().find(|key| key.path == path);
        let key = key.ok_or_else(|| ConfigError::UnknownKey {
            key: path.clone(),
            origin: origin.clone(),
        })?;
        layers.text(key, text, &origin)?;
    }
    let Layers {
        mut settings,
        mut sources,
        mut warnings,
        ..
    } = layers;
    settings.unread_variables = layers.unread;
    settings.auth.certificates.required()?;
    settings.environment = environment;
    settings.without_effect = layers.without_effect;
    warnings.extend(check(&mut settings, &mut sources)?);
    settings.warnings = warnings;
    Ok(Loaded { settings, sources })
}

/// The environment decides which file is read, so it is looked up ahead of everything else.
fn environment(
    layers: &Layers,
    variables: &BTreeMap<String, String>,
    flags: &[(String, String)],
) -> String {
    let flag = flags
        .iter()
        .find(|(path, _)| path == "environment")
        .map(|(_, text)| text);
    let variable = ["NODE_ENV", "MESSAGEBOX__ENVIRONMENT"]
        .iter()
        .find_map(|name| variables.get(*name).filter(|text| !text.is_empty()));
    flag.or(variable)
        .cloned()
        .unwrap_or_else(|| layers.settings.environment.clone())
}

/// The name becomes that of a file, which must not lie anywhere else.
fn check_environment(name: &str) -> Result<(), ConfigError> {
    let fits = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        return Ok(());
    }
    Err(ConfigError::Value {
        key: "environment".to_owned(),
        origin: "NODE_ENV or --environment".to_owned(),
        expected: format!("expected letters, digits, - and _, not {name:?}"),
    })
}

fn refuse_unknown_variables(variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    for name in variables.keys().filter(|name| name.starts_with(PREFIX)) {
        let path = name
            .trim_start_matches(PREFIX)
            .replace("__", ".")
            .to_lowercase();
        let is_removed = REMOVED.iter().any(|(removed, _)| *removed == path);
        if !is_removed && !KEYS.iter().any(|key| key.path == path) {
            return Err(ConfigError::UnknownKey {
                key: path,
                origin: name.clone(),
            });
        }
    }
    Ok(())
}

#[derive(Default)]
struct Layers {
    table: Table,
    settings: Settings,
    /// Variables of another server that nothing here follows.
    unread: Vec<String>,
    without_effect: Vec<String>,
    warnings: Vec<String>,
    sources: Sources,
}

impl Layers {
    /// Lays a file over what is there; one that does not exist is no mistake.
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
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            failed(error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        for (path, _) in REMOVED {
            if remove(&mut table, path) {
                self.without_effect.push(format!("{path} ({origin})"));
            }
        }
        for key in KEYS {
            if contains(&table, key.path) {
                self.sources.insert(key.path, origin.clone());
            }
        }
        merge(&mut self.table, table);
        self.read(&origin)
    }

    /// Notes variables that have no effect any more.
    fn removed_variables(&mut self, variables: &BTreeMap<String, String>) {
        for (path, variable) in REMOVED {
            let systematic = systematic(path);
            let names = [*variable, systematic.as_str()];
            let given = names
                .into_iter()
                .filter(|name| variables.contains_key(*name));
            self.without_effect.extend(given.map(ToOwned::to_owned));
        }
    }

    /// Lays one value over what is there.
    fn text(&mut self, key: &Key, text: &str, origin: &str) -> Result<(), ConfigError> {
        let value = convert(key, text).map_err(|expected| ConfigError::Value {
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
        self.read(origin)
    }

    /// The variables of the TypeScript server.
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

    /// `DB_DRIVER` and `DB_SOURCE`, then `KNEX_DB_CONNECTION`, where no URL is set.
    fn database_of_other_servers(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        if self.settings.database.url.is_some() {
            return Ok(());
        }
        let Some(key) = KEYS.iter().find(|key| key.path == "database.url") else {
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

    fn read(&mut self, origin: &str) -> Result<(), ConfigError> {
        let value = Value::Table(self.table.clone());
        self.settings = serde_path_to_error::deserialize(value).map_err(|error| {
            let key = error.path().to_string();
            let message = error.inner().message().to_owned();
            match message
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split_once('`'))
            {
                Some((field, _)) => {
                    let key = if key.ends_with(field) || key == "." {
                        key
                    } else {
                        format!("{key}.{field}")
                    };
                    let key = if key == "." { field.to_owned() } else { key };
                    ConfigError::UnknownKey {
                        key,
                        origin: origin.to_owned(),
                    }
                }
                None => ConfigError::Value {
                    key,
                    origin: origin.to_owned(),
                    expected: message.lines().collect::<Vec<_>>().join(" "),
                },
            }
        })?;
        self.settings.auth.certificates.check_values(origin)
    }
}

/// The systematic variable of a key.
fn systematic(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

/// Takes a key out; says whether it was there.
fn remove(table: &mut Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.remove(path).is_some(),
        Some((section, rest)) => match table.get_mut(section) {
            Some(Value::Table(section)) => remove(section, rest),
            _ => false,
        },
    }
}

fn contains(table: &Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.contains_key(path),
        Some((section, rest)) => {
            let section = table.get(section).and_then(Value::as_table);
            section.is_some_and(|section| contains(section, rest))
        }
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

fn convert(key: &Key, text: &str) -> Result<Value, String> {
    let text = text.trim();
    match key.kind {
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
        Kind::Fees => text
            .split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let fee = pair.split_once('=').and_then(|(name, fee)| {
                    let fee = fee.trim().parse().ok().filter(|fee| *fee >= 0)?;
                    Some((name.trim().to_owned(), Value::Integer(fee)))
                });
                fee.ok_or_else(|| format!("expected box=satoshis,box=satoshis, not {pair:?}"))
            })
            .collect::<Result<Table, String>>()
            .map(Value::Table),
        Kind::Lifetimes => text
            .split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let time = pair.split_once('=');
                let time = time.map(|(name, time)| {
                    (
                        name.trim().to_owned(),
                        Value::String(time.trim().to_owned()),
                    )
                });
                time.ok_or_else(|| format!("expected box=duration,box=duration, not {pair:?}"))
            })
            .collect::<Result<Table, String>>()
            .map(Value::Table),
        // Empty text is no text: a variable that is set to nothing counts as not set.
        Kind::List if text == "none" => Ok(Value::Array(Vec::new())),
        Kind::List => Ok(list(text, ',')),
        Kind::FieldsByType => text
            .split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                // The base64 of a type ends with `=` itself.
                let fields = pair.rsplit_once('=');
                let fields =
                    fields.map(|(name, fields)| (name.trim().to_owned(), list(fields, '+')));
                fields.ok_or_else(|| format!("expected type=field+field,type=field, not {pair:?}"))
            })
            .collect::<Result<Table, String>>()
            .map(Value::Table),
    }
}

fn list(text: &str, separator: char) -> Value {
    let items = text.split(separator).map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

#[cfg(test)]
mod tests;
