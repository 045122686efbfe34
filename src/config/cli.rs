//! Flags.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::keys::KEYS;
use super::settings::Settings;
use super::values::Values;
use crate::documents::Document;
use crate::ids::IdentityKey;

/// An actor-based, mutually authenticated message router: MessageBox over HTTP, AuthSocket over Socket.IO.
#[derive(Debug, Parser)]
#[command(name = "messagebox-server", version)]
pub struct Cli {
    /// Folder with default.toml and a file for each environment; it may be missing.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help = "Folder with default.toml and a file for each environment; it may be missing [env: CONFIG_DIR] [default: config]"
    )]
    pub config_dir: Option<PathBuf>,
    /// Environment: development, production, or any other name [env: `NODE_ENV`].
    #[arg(long, global = true)]
    pub environment: Option<String>,
    /// Address to listen on [env: HOST].
    #[arg(long, global = true)]
    pub host: Option<String>,
    /// TCP port [env: PORT].
    #[arg(long, global = true)]
    pub port: Option<String>,
    /// Folder of the database and of the key that development makes [env: `DATA_DIR`].
    #[arg(long, global = true)]
    pub data_dir: Option<String>,
    /// Database [env: `DATABASE_URL`].
    #[arg(long, global = true)]
    pub database_url: Option<String>,
    /// Any key, such as `--set socket.ping_interval=10s`; may be given several times.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Check the configuration, print every value with its source, secrets masked, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Print the payments that the server has taken, one line of JSON each, and exit. Only those behind the payment
    /// with this id.
    #[arg(long, value_name = "AFTER", num_args = 0..=1, default_missing_value = "0")]
    pub export_payments: Option<i64>,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What the binary does instead of serving.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Bring the tables of the database up to date, and exit.
    Migrate {
        /// Only print the SQL that would be run; nothing is changed.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write everything that the server keeps, messages and all, as lines of JSON, and exit. Servers may go on working
    /// meanwhile; what they store then is not in it.
    Export {
        /// A file that does not exist yet, made for its owner alone; standard output without it.
        file: Option<PathBuf>,
    },
    /// Read what `export` wrote into an empty database of any kind, all of it or nothing, and exit.
    Import {
        /// The file; standard input without it.
        file: Option<PathBuf>,
    },
    /// Accept a SQLite database that was copied without its log of writes: what is in the file is all that there is, and
    /// health is no longer `degraded`. Servers may run.
    AcceptDatabase,
    /// Block identities: their requests are refused and their sockets ended. Running servers follow within two seconds.
    Block(Identities),
    /// Serve identities again that were blocked.
    Unblock(Identities),
    /// Put identities on the allow list. Where that has any, no others are served; admins can always manage the server.
    Allow(Identities),
    /// Take identities off the allow list. When the last one is gone, everybody is served who is not blocked.
    Disallow(Identities),
    /// Print who is on which list, and since when.
    Lists,
    /// Rewrite the SQLite file without the space that nothing uses, and exit. It says first how much room and time that
    /// takes. No server may run meanwhile.
    Compact {
        /// Only say how much room and time it takes; servers may run.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print completions or the manual page, and exit.
    #[command(flatten)]
    Document(Document),
}

/// Whom a command is about.
#[derive(Debug, clap::Args)]
pub struct Identities {
    /// Identity keys: 66 hexadecimal characters each.
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<IdentityKey>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "expected key=value".to_owned())
}

impl Cli {
    /// Reads the program's arguments. `--help` lists every key with its environment variables.
    ///
    /// # Errors
    /// What clap has to say, help and version included.
    pub fn read(
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Self, clap::Error> {
        let matches = Self::described().try_get_matches_from(arguments)?;
        Self::from_arg_matches(&matches)
    }

    /// The command line with every key in its help.
    #[must_use]
    pub fn described() -> clap::Command {
        Self::command()
            .after_help(
                "`--help` describes every setting, with its environment variables and its default.",
            )
            .after_long_help(describe_keys())
    }

    /// The folder of the files: as the flag says, else as `CONFIG_DIR` does.
    #[must_use]
    pub fn config_folder(&self, variables: &BTreeMap<String, String>) -> PathBuf {
        let variable = variables.get("CONFIG_DIR").filter(|text| !text.is_empty());
        let folder = self.config_dir.clone();
        folder.unwrap_or_else(|| PathBuf::from(variable.map_or("config", String::as_str)))
    }

    /// The flags as keys and texts.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let named = [
            ("environment", &self.environment),
            ("server.host", &self.host),
            ("server.port", &self.port),
            ("identity.data_dir", &self.data_dir),
            ("database.url", &self.database_url),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), text.clone()?)));
        named.chain(self.set.iter().cloned()).collect()
    }
}

fn describe_keys() -> String {
    let mut text =
        "Keys (in files and with --set) and the environment variables that set them:\n".to_owned();
    let defaults = Values::of(&Settings::default()).ok();
    for key in KEYS {
        let variables = key.variables.join(", ");
        let default = defaults
            .as_ref()
            .map_or_else(|| "unset".to_owned(), |all| all.shown(key.path));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n  {} [env: {variables}] [default: {default}]\n      {}\n",
            key.path, key.help
        );
    }
    text.push_str(
        "\nEvery key can also be set as MESSAGEBOX__SECTION__NAME. A file `.env` in the working folder is read below the environment.\n",
    );
    text
}
