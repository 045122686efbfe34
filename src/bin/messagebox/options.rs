//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use messagebox::client::{PageStart, ServerAddress, TransportKind};
use messagebox::documents::Document;
use messagebox::ids::IdentityKey;
use messagebox::overlay::{AdvertisedHost, OverlayNetwork, SlapTracker};

use crate::admin_options::Admin;
use crate::error::EXIT_CODES;
use crate::expiry::Expiry;
use crate::names::{Name, Whom};

/// Sends, lists, acknowledges and listens to messages of any MessageBox server.
///
/// Who you are is a private key: of `MESSAGEBOX_PRIVATE_KEY`, else of a file that `messagebox keygen` makes. Bodies are
/// encrypted for their recipient as the published clients do it. Results go to standard output, for people on a
/// terminal and as JSON otherwise; everything else goes to standard error.
#[derive(Debug, Parser)]
#[command(name = "messagebox", version, after_help = EXIT_CODES)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) general: General,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What all subcommands share.
#[derive(Debug, Args)]
pub(crate) struct General {
    /// The server's address, with its path if it has one.
    #[arg(
        long,
        global = true,
        env = "MESSAGEBOX_SERVER",
        default_value = "http://localhost:8080",
        value_name = "URL"
    )]
    pub(crate) server: ServerAddress,
    /// File with the private key; others must not be able to read it. Before `MESSAGEBOX_PRIVATE_KEY`, which comes before
    /// the default: messagebox/identity.key in the user's configuration folder.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// How long the server may take to answer.
    #[arg(long, global = true, default_value = "30s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
    /// Print JSON, also on a terminal: one document, or a line for each message of `listen`.
    #[arg(long, global = true, conflicts_with = "human")]
    pub(crate) json: bool,
    /// Print for people, also when standard output is no terminal.
    #[arg(long, global = true)]
    pub(crate) human: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a private key and keep it in a file that only you can read.
    Keygen,
    /// Print your identity key: what others send messages to.
    Identity,
    /// Send a message.
    Send(Send),
    /// Print what comes into a box: what waits there, then live, until interrupted. Reconnects by itself.
    Listen(Listen),
    /// Print what waits in a box. Nothing is deleted.
    List(List),
    /// Acknowledge messages: the server deletes them.
    Ack(Ack),
    /// What you ask of those who send to your boxes.
    #[command(subcommand)]
    Permissions(Permissions),
    /// Devices that push notifications go to.
    #[command(subcommand)]
    Devices(Devices),
    /// Names for identity keys: a name stands wherever a key is asked for. They are kept on this machine only.
    #[command(subcommand)]
    Names(NamesCommand),
    /// Make any request to the server, signed with your key, and print the answer.
    Request(Request),
    /// Ask what a message would cost.
    Quote(Quote),
    /// Advertise your host on the overlay network, in place of any before: clients that are told nothing else send what is
    /// for you there. Signed and paid by your wallet, for the identity of the wallet.
    Advertise(Advertise),
    /// Revoke what was advertised for your wallet's identity.
    Revoke(Revoke),
    /// Print the hosts that are advertised for an identity.
    Advertisements(Advertisements),
    /// Say how a server is, for its admins: with the token of `MESSAGEBOX_ADMIN_TOKEN`, else with your key. A server in
    /// development needs neither at its own machine.
    Status(Status),
    /// What a server keeps, and whom it serves, for its admins: asked for as `status` is.
    #[command(subcommand)]
    Admin(Admin),
    /// Check a server from outside: network, protocol, transports, clock, latency.
    Doctor(Doctor),
    #[command(flatten)]
    Document(Document),
}

#[derive(Debug, Args)]
pub(crate) struct InBox {
    /// Which box.
    #[arg(long = "box", default_value = "inbox", value_name = "NAME")]
    pub(crate) message_box: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) from: InBox,
    /// Print this many messages at most, the oldest first. The list then names where the next ones begin.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<NonZeroUsize>,
    /// Begin there: the `next` of a list that ended at its limit.
    #[arg(long, value_name = "NEXT", value_parser = next)]
    pub(crate) after: Option<PageStart>,
}

#[expect(clippy::unnecessary_wraps, reason = "clap takes such a function")]
fn next(text: &str) -> Result<PageStart, std::convert::Infallible> {
    Ok(PageStart::from(text))
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The recipient's identity key (66 hexadecimal characters), or a name that you gave it.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) recipient: Whom,
    /// What to send; without it, or as `-`, what comes from standard input, exactly.
    pub(crate) body: Option<String>,
    #[command(flatten)]
    pub(crate) to: InBox,
    /// The message's id. Sending again with the same id is safe: it is stored once. By default the id follows from
    /// recipient and body, whatever the box, so that the same text is stored once. The same text into another box needs
    /// --new-id: an id that is in use is refused.
    #[arg(long, value_name = "ID", conflicts_with = "new_id")]
    pub(crate) id: Option<String>,
    /// Make a fresh id, so that the same text can be sent again.
    #[arg(long)]
    pub(crate) new_id: bool,
    /// When the server deletes it, acknowledged or not: a time from now on (12h, 7days) or a date (2030-01-31T12:00:00Z).
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<Expiry>,
    /// Do not encrypt: the server can read it.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Send over a socket, and over HTTP if that does not come about.
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) from: InBox,
    /// Acknowledge what was printed. Left alone are messages that cannot be decrypted and, unless the output is JSON,
    /// those with a payment, which would be lost.
    #[arg(long)]
    pub(crate) ack: bool,
    /// What carries the socket.
    #[arg(long, value_parser = transport(), default_value = TransportKind::Websocket.name())]
    pub(crate) transport: TransportKind,
}

#[derive(Debug, Args)]
pub(crate) struct Ack {
    /// Ids, as `list` and `listen` print them.
    #[arg(required_unless_present = "all", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Acknowledge all messages of a box, read or not. Messages with a payment stay, because the payment would be lost. So do
    /// messages too large to be listed, which may have one. Name their ids to delete them.
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Which box, for --all.
    #[arg(
        long = "box",
        default_value = "inbox",
        conflicts_with = "ids",
        value_name = "NAME"
    )]
    pub(crate) message_box: String,
}

#[derive(Debug, Args)]
pub(crate) struct Request {
    /// HTTP method.
    #[arg(value_parser = ["GET", "POST", "PUT", "PATCH", "DELETE"], ignore_case = true)]
    pub(crate) method: String,
    /// Path of the route, with its query if it has one, such as `/permissions/list?limit=5`. It stands behind the path of
    /// --server.
    #[arg(value_parser = route)]
    pub(crate) path: String,
    /// JSON to send; `-` reads it from standard input.
    pub(crate) body: Option<String>,
}

fn route(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err("expected a path, which begins with `/`; --server names the server")
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum NamesCommand {
    /// Give a name to a key, in place of the key that had it before.
    Set {
        /// The name: letters, digits, `.`, `_` and `-`.
        name: Name,
        /// The identity key: 66 hexadecimal characters.
        key: IdentityKey,
    },
    /// Forget a name.
    Remove {
        /// Which name.
        name: Name,
    },
    /// Print all names and their keys.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Permissions {
    /// Ask a fee of everybody, or of one sender, for a box; or let them, or block them.
    Set {
        /// Which box.
        message_box: String,
        /// `block`, `allow`, or a fee in satoshis.
        #[arg(value_parser = fee, allow_hyphen_values = true)]
        fee: i64,
        /// Only for this sender.
        #[arg(long, value_name = "KEY OR NAME")]
        sender: Option<Whom>,
    },
    /// Print what is asked of everybody, or of one sender, for a box.
    Get {
        /// Which box.
        message_box: String,
        /// For this sender.
        #[arg(long, value_name = "KEY OR NAME")]
        sender: Option<Whom>,
    },
    /// Print everything that was set.
    List {
        /// For this box only.
        message_box: Option<String>,
    },
}

fn fee(text: &str) -> Result<i64, String> {
    match text {
        "block" => Ok(-1),
        "allow" => Ok(0),
        number => match number.parse() {
            Ok(fee @ -1..) => Ok(fee),
            _ => Err(String::from("expected block, allow, or a fee in satoshis")),
        },
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Devices {
    /// Register a device.
    Register {
        /// Its Firebase Cloud Messaging token.
        token: String,
        /// Your name for it.
        #[arg(long)]
        name: Option<String>,
        /// What it runs.
        #[arg(long, value_parser = ["ios", "android", "web"])]
        platform: Option<String>,
    },
    /// Print your devices.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct Quote {
    /// The recipient's identity key, or a name that you gave it.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) recipient: Whom,
    #[command(flatten)]
    pub(crate) to: InBox,
}

#[derive(Debug, Args)]
pub(crate) struct Advertise {
    /// The host's public address, such as `https://messagebox.example.org`, with its path if it has one.
    #[arg(long, env = "HOSTING_DOMAIN", value_name = "URL")]
    pub(crate) host: AdvertisedHost,
    #[command(flatten)]
    pub(crate) wallet: Wallet,
    #[command(flatten)]
    pub(crate) overlay: OverlayServices,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Only this host, as it is advertised; by default all.
    #[arg(long, value_name = "URL")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) wallet: Wallet,
    #[command(flatten)]
    pub(crate) overlay: OverlayServices,
}

#[derive(Debug, Args)]
pub(crate) struct Advertisements {
    /// Whose; by default yours.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) identity: Option<Whom>,
    #[command(flatten)]
    pub(crate) overlay: OverlayServices,
}

/// The wallet that signs and pays.
#[derive(Debug, Args)]
pub(crate) struct Wallet {
    /// A BRC-100 wallet that speaks JSON over HTTP.
    #[arg(
        long = "wallet",
        env = "WALLET_URL",
        hide_env_values = true,
        default_value = "http://localhost:3321",
        value_name = "URL"
    )]
    pub(crate) url: String,
}

/// Which overlay services are asked and told.
#[derive(Debug, Args)]
pub(crate) struct OverlayServices {
    /// Which network: mainnet, testnet, or local for a service at `http://localhost:8080`.
    #[arg(
        long,
        env = "BSV_NETWORK",
        default_value = "mainnet",
        value_name = "NAME"
    )]
    pub(crate) network: OverlayNetwork,
    /// Trackers that know the network's services, in place of the known ones.
    #[arg(
        long = "tracker",
        env = "SLAP_TRACKERS",
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub(crate) trackers: Vec<SlapTracker>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show identities in full.
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Signed requests to take the time of.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "COUNT")]
    pub(crate) requests: u16,
}

/// The names of transports.
fn transport() -> impl TypedValueParser<Value = TransportKind> {
    PossibleValuesParser::new(TransportKind::ALL.map(TransportKind::name))
        .try_map(|name| name.parse::<TransportKind>())
}
