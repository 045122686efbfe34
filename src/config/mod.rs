//! Configuration: defaults, files, environment variables and flags, in one typed value.
//!
//! Each source takes precedence over the one before: the defaults of `sections.rs`, `config/default.toml`,
//! `config/<environment>.toml`, `.env` in the working folder, environment variables, flags.
#![expect(missing_docs, reason = "names that say it all have no comment")]

mod certificates;
mod check;
mod error;
mod identity_key;
mod keys;
mod scalar;
mod sections;
mod settings;
mod show;
mod sources;
mod values;

pub use error::ConfigError;
pub use identity_key::{IdentityKeySource, load_identity};
pub use keys::Key;
pub use scalar::lifetime::Lifetime;
pub use scalar::secret::Secret;
pub use sections::{
    AuthSection, CertificatesSection, DatabaseSection, FeesSection, IdentitySection, LogSection,
    PushSection, RoomsSection, ServerSection, SocketSection, WalletSection,
};
pub use settings::{KEYS, Settings, differing_keys};
pub use show::show;
pub use sources::cli::{Cli, Identities, Task};
pub use sources::env_file::Variables;
pub use sources::layers::{Loaded, Sources, load};
pub use values::Values;
