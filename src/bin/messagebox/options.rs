//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use messagebox::client::{ServerAddress, TransportKind};
use messagebox::documents::Document;
use messagebox::ids::IdentityKey;
use messagebox::overlay::{AdvertisedHost, OverlayNetwork, Tracker};

use crate::error::EXIT_CODES;

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
    List(InBox),
    /// Acknowledge messages: the server deletes them.
    Ack(Ack),
    /// What you ask of those who send to your boxes.
    #[command(subcommand)]
    Permissions(Permissions),
    /// Devices that push notifications go to.
    #[command(subcommand)]
    Devices(Devices),
    /// Ask what a message would cost.
    Quote(Quote),
    /// Advertise your host on the overlay network, in place of any before: clients that are told nothing else send what is
    /// for you there. Signed and paid by your wallet, for the identity of the wallet.
    Advertise(Advertise),
    /// Revoke what was advertised for your wallet's identity.
    Revoke(Revoke),
    /// Print the hosts that are advertised for an identity.
    Advertisements(Advertisements),
    /// Say how a server is, for its admins: with the token of `MESSAGEBOX_ADMIN_TOKEN`, else with your key.
    Status(Status),
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
pub(crate) struct Send {
    /// The recipient's identity key: 66 hexadecimal characters.
    pub(crate) recipient: IdentityKey,
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
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
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
        #[arg(long, value_name = "KEY")]
        sender: Option<IdentityKey>,
    },
    /// Print what is asked of everybody, or of one sender, for a box.
    Get {
        /// Which box.
        message_box: String,
        /// For this sender.
        #[arg(long, value_name = "KEY")]
        sender: Option<IdentityKey>,
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
    /// The recipient's identity key.
    pub(crate) recipient: IdentityKey,
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
    pub(crate) identity: Option<IdentityKey>,
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
    pub(crate) trackers: Vec<Tracker>,
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
