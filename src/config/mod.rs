//! Configuration: defaults, files, environment variables and flags, in one typed value.
//!
//! Each source takes precedence over the one before: the defaults of `sections.rs`, `config/default.toml`,
//! `config/<environment>.toml`, `.env` in the working folder, environment variables, flags.
#![expect(missing_docs, reason = "names that say it all have no comment")]

mod at_most;
mod certificates;
mod check;
mod cli;
mod database_url;
mod env_file;
mod error;
mod identity_key;
mod keys;
mod layers;
mod lifetime;
mod secret;
mod sections;
mod settings;
mod show;
mod similar;
mod typescript_server;
mod units;
mod values;

pub use cli::{Cli, Identities, Task};
pub use env_file::Variables;
pub use error::ConfigError;
pub use identity_key::{IdentityKeySource, load_identity};
pub use keys::Key;
pub use layers::{Loaded, Sources, load};
pub use lifetime::Lifetime;
pub use secret::Secret;
pub use sections::{
    AuthSection, CertificatesSection, DatabaseSection, FeesSection, IdentitySection, LogSection,
    PushSection, RoomsSection, ServerSection, SocketSection, WalletSection,
};
pub use settings::{KEYS, Settings, differing_keys};
pub use show::show;
pub use values::Values;
