//! The settings as a tree of values, looked up by key.

use toml::Value;

use super::error::ConfigError;
use super::settings::Settings;

/// The values as a file would have them; secrets are masked.
#[derive(Debug, Clone)]
pub struct Values(Value);

impl Values {
    /// # Errors
    /// [`ConfigError::NoValues`].
    pub fn of(settings: &Settings) -> Result<Self, ConfigError> {
        let values = Value::try_from(settings);
        let values = values.map_err(|error| ConfigError::NoValues(error.to_string()))?;
        Ok(Self(values))
    }

    /// The value of a key (`section.name`), if it is set.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        path.split('.')
            .try_fold(&self.0, |value, name| value.get(name))
    }

    /// The value as a file would have it, or `unset`.
    #[must_use]
    pub fn shown(&self, path: &str) -> String {
        let value = self.get(path);
        value.map_or_else(|| "unset".to_owned(), ToString::to_string)
    }
}
