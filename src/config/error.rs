//! Why a configuration is refused: which key, from where, and what was expected. One line each.

use thiserror::Error;

/// The origin of a mistake that no single source made.
pub(super) const TOGETHER: &str = "the configuration as a whole";

/// A configuration that cannot be used. The program exits with code 2.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A key that does not exist. The origin is a file, an environment variable or a flag.
    #[error("{origin}: unknown key `{key}`; `--help` lists all of them")]
    UnknownKey { key: String, origin: String },
    /// A value that does not fit its key.
    #[error("{origin}: `{key}`: {expected}")]
    Value {
        key: String,
        origin: String,
        expected: String,
    },
    /// A variable whose name is nearly that of a setting.
    #[error("{name}: no setting has this name; did you mean {known}? Rename or unset it")]
    Resembles { name: String, known: String },
    /// A file that cannot be read, or that is not TOML.
    #[error("{path}: {cause}")]
    File { path: String, cause: String },
    /// The settings cannot be written as values.
    #[error("the settings cannot be shown: {0}")]
    NoValues(String),
    /// The server's private key is missing or malformed.
    #[error("{0}")]
    IdentityKey(String),
}

impl ConfigError {
    /// A value that does not fit its key, wherever it comes from.
    #[must_use]
    pub fn value(key: &str, expected: String) -> Self {
        Self::Value {
            key: key.to_owned(),
            origin: TOGETHER.to_owned(),
            expected,
        }
    }
}
