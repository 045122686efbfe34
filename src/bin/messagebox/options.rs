//! The command line, but for `admin`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use messagebox::client::{PageStart, ServerAddress, TransportKind};
use messagebox::documents::Document;
use messagebox::ids::IdentityKey;
use messagebox::overlay::{AdvertisedHost, OverlayNetwork, SlapTracker};

use crate::admin_options::AdminCommand;
use crate::error::EXIT_CODES;
use crate::local::expiry::Expiry;
use crate::local::names::{KeyOrName, Name};

/// Sends, lists, acknowledges and receives messages of any MessageBox server.
///
/// Your identity is a private key: that of `MESSAGEBOX_PRIVATE_KEY`, or of the file that `messagebox keygen` writes. Bodies
/// are encrypted for their recipient, as in the published clients. Results go to standard output: as text on a terminal,
/// otherwise as JSON. Everything else goes to standard error.
#[derive(Debug, Parser)]
#[command(name = "messagebox", version, after_help = EXIT_CODES)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) general: General,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all subcommands.
#[derive(Debug, Args)]
pub(crate) struct General {
    /// The server's address, with its path if any.
    #[arg(
        long,
        global = true,
        env = "MESSAGEBOX_SERVER",
        default_value = "http://localhost:8080",
        value_name = "URL"
    )]
    pub(crate) server: ServerAddress,
    /// File with the private key; others must not be able to read it. It takes precedence over `MESSAGEBOX_PRIVATE_KEY`,
    /// and that over the default: messagebox/identity.key in the user's configuration folder.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// Maximum wait for an answer of the server.
    #[arg(long, global = true, default_value = "30s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
    /// Print JSON, also on a terminal: one document, or one line per message of `listen`.
    #[arg(long, global = true, conflicts_with = "human")]
    pub(crate) json: bool,
    /// Print text, also when standard output is not a terminal.
    #[arg(long, global = true)]
    pub(crate) human: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate a private key and save it in a file that only you can read.
    Keygen,
    /// Print your identity key, to which others send messages.
    Identity,
    /// Send a message to one recipient.
    Send(Send),
    /// Print the messages of a box: the stored ones, then live ones until interrupted. Reconnects automatically.
    Listen(Listen),
    /// Print the messages of a box, without deleting any.
    List(ListOptions),
    /// Acknowledge messages: the server deletes them.
    Ack(Ack),
    /// Fees and blocks for senders to your boxes.
    #[command(subcommand)]
    Permissions(Permissions),
    /// Devices for push notifications.
    #[command(subcommand)]
    Devices(Devices),
    /// Names for identity keys, which you can use instead of keys. They are saved on this machine only.
    #[command(subcommand)]
    Names(NamesCommand),
    /// Send any request to the server, signed with your key, and print the answer.
    Request(Request),
    /// Print the price of a message.
    Quote(QuoteOptions),
    /// Advertise your host on the overlay network, in place of any earlier one. Clients without another host send your
    /// messages there. Your wallet signs and pays, for its own identity.
    Advertise(Advertise),
    /// Revoke the advertisements of your wallet's identity.
    Revoke(Revoke),
    /// Print the hosts that are advertised for an identity.
    Advertisements(Advertisements),
    /// Print the status of a server, for its admins: with the token of `MESSAGEBOX_ADMIN_TOKEN`, else with your key. A server
    /// in development needs neither on its own machine.
    Status(StatusOptions),
    /// Boxes, identity lists, devices and permissions of a server, for its admins: with a token or key as for `status`.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Diagnose a server from outside: network, protocol, transports, clock, latency.
    Doctor(Doctor),
    #[command(flatten)]
    Document(Document),
}

#[derive(Debug, Args)]
pub(crate) struct InBox {
    /// The name of the box.
    #[arg(long = "box", default_value = "inbox", value_name = "NAME")]
    pub(crate) message_box: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    pub(crate) from: InBox,
    /// Maximum number of messages, oldest first. The list then ends with the cursor of the next ones.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<NonZeroUsize>,
    /// Cursor to continue from: the `next` of a list that reached its limit.
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
    pub(crate) recipient: KeyOrName,
    /// The body; without it, or with `-`, standard input, byte for byte.
    pub(crate) body: Option<String>,
    #[command(flatten)]
    pub(crate) to: InBox,
    /// The message's id. Sending again with the same id is safe: the server stores one message. By default the id derives
    /// from recipient and body, but not from the box, so that the same text is stored once. To send the same text into
    /// another box, use --new-id: the server refuses an id that is in use.
    #[arg(long, value_name = "ID", conflicts_with = "new_id")]
    pub(crate) id: Option<String>,
    /// Use a random id, so that the same text can be sent again.
    #[arg(long)]
    pub(crate) new_id: bool,
    /// When the server deletes the message, acknowledged or not: a duration (12h, 7days) or a date (2030-01-31T12:00:00Z).
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<Expiry>,
    /// Do not encrypt the body: the server can read it.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Send over a socket, or over HTTP if that fails.
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) from: InBox,
    /// Acknowledge printed messages. Messages that cannot be decrypted stay. Unless the output is JSON, so do messages with
    /// a payment, because the payment would be lost.
    #[arg(long)]
    pub(crate) ack: bool,
    /// Transport of the socket.
    #[arg(long, value_parser = transport(), default_value = TransportKind::Websocket.name())]
    pub(crate) transport: TransportKind,
}

#[derive(Debug, Args)]
pub(crate) struct Ack {
    /// Message ids, as `list` and `listen` print them.
    #[arg(required_unless_present = "all", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Acknowledge all messages of a box, read or not. Messages with a payment stay, because the payment would be lost. So do
    /// messages too large to be listed, which may have one. Name their ids to delete them.
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// The box for --all.
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
    /// HTTP method of the request.
    #[arg(value_parser = ["GET", "POST", "PUT", "PATCH", "DELETE"], ignore_case = true)]
    pub(crate) method: String,
    /// Path of the route, with its query if any, such as `/permissions/list?limit=5`. It is appended to the path of --server.
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
    /// Give a name to a key, in place of its earlier key.
    Set {
        /// The name: letters, digits, `.`, `_` and `-`.
        name: Name,
        /// The identity key: 66 hexadecimal characters.
        key: IdentityKey,
    },
    /// Remove a name from its key.
    Remove {
        /// The name to remove.
        name: Name,
    },
    /// Print all names and their keys.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Permissions {
    /// Set a fee for a box, or allow or block it, for everybody or for one sender.
    Set {
        /// The name of your box.
        message_box: String,
        /// `block`, `allow`, or a fee in satoshis.
        #[arg(value_parser = fee, allow_hyphen_values = true)]
        fee: i64,
        /// Only for this sender.
        #[arg(long, value_name = "KEY OR NAME")]
        sender: Option<KeyOrName>,
    },
    /// Print the permission of a box, for everybody or for one sender.
    Get {
        /// The name of your box.
        message_box: String,
        /// The permission for this sender.
        #[arg(long, value_name = "KEY OR NAME")]
        sender: Option<KeyOrName>,
    },
    /// Print the permissions of your boxes.
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
    /// Register a device for push notifications.
    Register {
        /// The Firebase Cloud Messaging token of the device.
        token: String,
        /// A name for the device.
        #[arg(long)]
        name: Option<String>,
        /// The platform of the device.
        #[arg(long, value_parser = ["ios", "android", "web"])]
        platform: Option<String>,
    },
    /// Print your registered devices.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct QuoteOptions {
    /// The recipient's identity key, or a name that you gave it.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) recipient: KeyOrName,
    #[command(flatten)]
    pub(crate) to: InBox,
}

#[derive(Debug, Args)]
pub(crate) struct Advertise {
    /// The host's public address, such as `https://messagebox.example.org`, with its path if any.
    #[arg(long, env = "HOSTING_DOMAIN", value_name = "URL")]
    pub(crate) host: AdvertisedHost,
    #[command(flatten)]
    pub(crate) wallet: Wallet,
    #[command(flatten)]
    pub(crate) overlay: OverlayServices,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The advertised host to revoke; by default all.
    #[arg(long, value_name = "URL")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) wallet: Wallet,
    #[command(flatten)]
    pub(crate) overlay: OverlayServices,
}

#[derive(Debug, Args)]
pub(crate) struct Advertisements {
    /// The identity; by default yours.
    #[arg(value_name = "KEY OR NAME")]
    pub(crate) identity: Option<KeyOrName>,
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

/// The overlay services to use.
#[derive(Debug, Args)]
pub(crate) struct OverlayServices {
    /// The network: mainnet, testnet, or local for a service at `http://localhost:8080`.
    #[arg(
        long,
        env = "BSV_NETWORK",
        default_value = "mainnet",
        value_name = "NAME"
    )]
    pub(crate) network: OverlayNetwork,
    /// Trackers of the network's services, instead of the known ones.
    #[arg(
        long = "tracker",
        env = "SLAP_TRACKERS",
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub(crate) trackers: Vec<SlapTracker>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// Do not shorten identity keys.
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Number of signed requests to time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "COUNT")]
    pub(crate) requests: u16,
}

fn transport() -> impl TypedValueParser<Value = TransportKind> {
    PossibleValuesParser::new(TransportKind::ALL.map(TransportKind::name))
        .try_map(|name| name.parse::<TransportKind>())
}
