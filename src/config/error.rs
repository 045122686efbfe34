//! Why a configuration is refused: which key, from where, and what was expected. One line each.

use thiserror::Error;

/// A configuration that cannot be used. The program ends with code 2.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`; `--help` lists all of them")]
    UnknownKey {
        /// The key.
        key: String,
        /// File, environment variable or flag.
        origin: String,
    },
    /// A value that does not fit its key.
    #[error("{origin}: `{key}`: {expected}")]
    Value {
        /// The key.
        key: String,
        /// File, environment variable or flag.
        origin: String,
        /// What was expected.
        expected: String,
    },
    /// A variable whose name is nearly that of a setting.
    #[error("{name}: no setting has this name; did you mean {known}? Rename or unset it")]
    Resembles {
        /// The variable.
        name: String,
        /// The variable that it resembles.
        known: String,
    },
    /// A file that cannot be read or is no TOML.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        cause: String,
    },
    /// The settings cannot be written as values.
    #[error("the settings: {0}")]
    NoValues(String),
    /// The identity key is missing or malformed.
    #[error("{0}")]
    IdentityKey(String),
}
