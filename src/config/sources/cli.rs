//! The command line of `messagebox-server`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::settings::{KEYS, Settings};
use crate::config::values::Values;
use crate::documents::Document;
use crate::ids::IdentityKey;

/// An actor-based, mutually authenticated message router: MessageBox over HTTP, AuthSocket over Socket.IO.
#[derive(Debug, Parser)]
#[command(name = "messagebox-server", version)]
pub struct Cli {
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help = "Folder with default.toml and one file per environment; it may be missing [env: CONFIG_DIR] [default: config]"
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
    /// Folder of the SQLite database and of the generated development key [env: `DATA_DIR`].
    #[arg(long, global = true)]
    pub data_dir: Option<String>,
    /// URL of the database [env: `DATABASE_URL`].
    #[arg(long, global = true)]
    pub database_url: Option<String>,
    /// Set any key, such as `--set socket.ping_interval=10s`; may be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Check the configuration, print every value with its source, secrets masked, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Print the payments that the server keeps, one line of JSON each, and exit. With an id, only the payments after that
    /// one.
    #[arg(long, value_name = "AFTER", num_args = 0..=1, default_missing_value = "0")]
    pub export_payments: Option<i64>,
    /// A task to run instead of serving.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// A task that the binary runs instead of serving.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Apply pending migrations to the database, and exit.
    Migrate {
        /// Only print the SQL; change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the whole database, messages included, as lines of JSON, and exit. Servers may run meanwhile; the archive does
    /// not have what they store then.
    Export {
        /// A new file, readable by its owner only; standard output without it.
        file: Option<PathBuf>,
    },
    /// Read an archive of `export` into an empty database of any kind, all or nothing, and exit.
    Import {
        /// The archive; standard input without it.
        file: Option<PathBuf>,
    },
    /// Accept a SQLite database that was copied without its write-ahead log, and exit. Messages in the log are lost;
    /// health is no longer `degraded`. Servers may run.
    AcceptDatabase,
    /// Block identities: servers refuse their requests and close their sockets, within two seconds.
    Block(Identities),
    /// Unblock identities, on all servers.
    Unblock(Identities),
    /// Put identities on the allow list. If the list has any, servers serve no others; admins can always manage the server.
    Allow(Identities),
    /// Take identities off the allow list. An empty list allows all identities that are not blocked.
    Disallow(Identities),
    /// Print both lists, with the time since when each identity is listed.
    Lists,
    /// Rewrite the SQLite file without its unused space, and exit. It first prints the disk space and time that this takes.
    /// No server may run meanwhile.
    Compact {
        /// Only print the disk space and time; servers may run.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print completions or the manual page, and exit.
    #[command(flatten)]
    Document(Document),
}

/// The identities that a task changes.
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
    /// clap's message, help and version included.
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

    /// The folder of the files: of the flag, else of `CONFIG_DIR`.
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
    for key in KEYS.iter() {
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
