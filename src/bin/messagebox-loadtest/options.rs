//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use messagebox::client::{ServerAddress, TransportKind};

/// The box for messages.
pub(crate) const MESSAGE_BOX: &str = "loadtest";

const EXAMPLES: &str = "\
Scenarios, each with an example:

  fanout     N sockets of one identity in its room, and one sender of another: the cost of a delivery.
               messagebox-loadtest fanout --sockets 1000 --rate 10 --server-pid $(pgrep messagebox-serv)
  rooms      many rooms with few members each, and some senders.
               messagebox-loadtest rooms --sockets 1000 --rooms 250 --senders 8 --rate 400
               messagebox-loadtest rooms --sockets 50 --rooms 50 --rate 50 --members-at http://localhost:8081
  send       each socket sends to its own box and waits for acks; --offline: to boxes without listeners.
               messagebox-loadtest send --sockets 50 --in-flight 16 --offline
  http       authenticated requests: send, list and acknowledge, each timed.
               messagebox-loadtest http --operations list --messages 100 --body 1024
  handshake  opens a socket until `authenticationSuccess` and closes it, repeatedly.
               messagebox-loadtest handshake --sockets 32 --duration 20s
  idle       open sockets, each of its own identity: their cost in memory.
               messagebox-loadtest idle --sockets 10000 --duration 60s --server-pid PID
  worst      the costliest request of each route beside light users: how much one key can slow down others. In the
             first half of the time there are only light users.
               messagebox-loadtest worst --duration 40s --admin-token TOKEN --server-pid PID
  soak       a mix of rooms, send, http and short-lived sockets, for minutes.
               messagebox-loadtest soak --sockets 200 --duration 20m --server-pid PID

With --rate, messages are sent on a schedule, and latencies count from when a message should have been sent. So a stalled
server is charged for every message that it delayed (no coordinated omission). With --in-flight, each room, sender or
client has that many messages in flight, and sends the next when one is done. That finds the throughput; the latencies
are those of a client that waits. Without either, --in-flight has the default of the scenario.

Ctrl-C stops the measurement early and reports the figures so far.

Exit code: 0 if nothing was lost, duplicated, out of order or failed; 1 otherwise; 2 for a usage mistake.";

/// Puts load on a server of the MessageBox and AuthSocket protocols, and reports latencies, losses and costs.
#[derive(Debug, Clone, Parser)]
#[command(name = "messagebox-loadtest", version, after_long_help = EXAMPLES, after_help = "--help has examples.")]
pub(crate) struct LoadOptions {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
    /// The server's address; its path becomes the prefix of the HTTP routes.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://localhost:8080"
    )]
    pub(crate) server: ServerAddress,
    /// Another server with the same database, for the members of rooms; senders use --server. It shows the cost of crossing
    /// servers [fanout, rooms, soak; default: --server].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) members_at: Option<ServerAddress>,
    /// Transport of the Socket.IO connections.
    #[arg(
        long,
        global = true,
        value_parser = transport(),
        default_value = TransportKind::Websocket.name()
    )]
    pub(crate) transport: TransportKind,
    /// Sockets, or parallel clients [default: fanout, rooms, idle 1000; soak 200; handshake 32; send 50; http 16; worst 20].
    #[arg(long, global = true, value_parser = positive)]
    pub(crate) sockets: Option<usize>,
    /// Messages or operations per second in total, on a schedule.
    #[arg(long, global = true, value_parser = rate, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Messages in flight per room, sender or client, without a schedule [default: fanout 4, send 8, others 1].
    #[arg(long, global = true, value_parser = positive)]
    pub(crate) in_flight: Option<usize>,
    /// Bytes of a message's body; at least those of its marker.
    #[arg(long, global = true, value_name = "BYTES", default_value_t = 200)]
    pub(crate) body: usize,
    /// Length of the measurement [default: 10s; worst 40s; soak 5m].
    #[arg(long, global = true, value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Traffic before the measurement begins.
    #[arg(long, global = true, value_parser = duration, default_value = "2s")]
    pub(crate) warm_up: Duration,
    /// Outstanding messages count as lost if none arrives for this long, or after ten times as long.
    #[arg(long, global = true, value_parser = duration, default_value = "10s")]
    pub(crate) drain: Duration,
    /// Share of incoming events to verify, from 0 to 1. Every handshake and every HTTP answer is verified.
    #[arg(long, global = true, value_name = "SHARE", value_parser = share, default_value = "0.01")]
    pub(crate) verify: f64,
    /// Sockets to open concurrently.
    #[arg(long, global = true, value_parser = positive, default_value = "64")]
    pub(crate) connecting: usize,
    /// Threads of the load test [default: one per core].
    #[arg(long, global = true, value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Process id of the server on this machine, to measure its CPU and memory (Linux). Memory per socket is meaningful only
    /// for a newly started server: later, it reuses memory.
    #[arg(long, global = true, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Write the results to this file as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report with plots to this file, as self-contained HTML.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Show no progress on standard error.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Scenario {
    /// N sockets in one room, one sender.
    Fanout,
    /// Many rooms with few members each.
    Rooms(RoomsOptions),
    /// Each socket sends to its own box and waits for acks.
    Send(SendOptions),
    /// Authenticated requests over HTTP.
    Http(HttpOptions),
    /// Opens and closes sockets.
    Handshake,
    /// Open sockets without traffic.
    Idle,
    /// The costliest requests beside light users.
    Worst(WorstOptions),
    /// A mix of the others.
    Soak,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorstOptions {
    /// The server's admin token, to read its worker delays from the metrics. Not needed if the metrics are public.
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// The requests to make, in turn.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "list,message,body,recipients,ids,depth,event"
    )]
    pub(crate) requests: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RoomsOptions {
    /// Number of rooms, over which `--sockets` are spread.
    #[arg(long, value_parser = positive, default_value = "250")]
    pub(crate) rooms: usize,
    /// Number of sending sockets.
    #[arg(long, value_parser = positive, default_value = "8")]
    pub(crate) senders: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SendOptions {
    /// Send to identities that are not connected, so that there are only acks and no deliveries.
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HttpOptions {
    /// The operations, in turn. `acknowledge` without `send` sends a message each time, which is not timed but adds to the
    /// server's CPU.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "send,list,acknowledge"
    )]
    pub(crate) operations: Vec<HttpOperation>,
    /// Messages in the box to list.
    #[arg(long, default_value_t = 10)]
    pub(crate) messages: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HttpOperation {
    /// Sends messages: `POST /sendMessage`.
    Send,
    /// Lists messages: `POST /listMessages`.
    List,
    /// Acknowledges messages: `POST /acknowledgeMessage`.
    Acknowledge,
}

impl HttpOperation {
    /// Its name in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::List => "list",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// When to send the next message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SendPace {
    /// On a schedule: messages per second in total.
    Rate(f64),
    /// When one is done: messages in flight per source.
    InFlight(usize),
}

impl Scenario {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Rooms(_) => "rooms",
            Self::Send(_) => "send",
            Self::Http(_) => "http",
            Self::Handshake => "handshake",
            Self::Idle => "idle",
            Self::Worst(_) => "worst",
            Self::Soak => "soak",
        }
    }
}

impl LoadOptions {
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.unwrap_or(match self.scenario {
            Scenario::Fanout | Scenario::Rooms(_) | Scenario::Idle => 1_000,
            Scenario::Soak => 200,
            Scenario::Handshake => 32,
            Scenario::Send(_) => 50,
            Scenario::Http(_) => 16,
            Scenario::Worst(_) => 20,
        })
    }

    pub(crate) fn duration(&self) -> Duration {
        let default = match self.scenario {
            Scenario::Soak => Duration::from_secs(300),
            Scenario::Worst(_) => Duration::from_secs(40),
            _ => Duration::from_secs(10),
        };
        self.duration.unwrap_or(default)
    }

    /// When to send the next message.
    pub(crate) fn pace(&self) -> SendPace {
        let default = match self.scenario {
            Scenario::Fanout => 4,
            Scenario::Send(_) => 8,
            _ => 1,
        };
        match (self.rate, self.in_flight, &self.scenario) {
            (Some(rate), _, _) => SendPace::Rate(rate),
            // A soak runs below the limit.
            (None, None, Scenario::Soak) => SendPace::Rate(100.0),
            (None, in_flight, _) => SendPace::InFlight(in_flight.unwrap_or(default)),
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(String::from("expected a whole number above 0")),
        Ok(number) => Ok(number),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=10_000_000.0).contains(&rate) => Ok(rate),
        _ => Err(String::from("expected a number above 0")),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(String::from("expected a number from 0 to 1")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let bare = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = bare.or_else(|| humantime::parse_duration(text).ok());
    duration
        .filter(|duration| *duration <= Duration::from_secs(7 * 86_400))
        .ok_or_else(|| {
            String::from("expected a duration such as 10s, 300ms or 20m, a week at most")
        })
}

fn transport() -> impl TypedValueParser<Value = TransportKind> {
    PossibleValuesParser::new(TransportKind::ALL.map(TransportKind::name))
        .try_map(|name| name.parse::<TransportKind>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(arguments: &str) -> Result<LoadOptions, clap::Error> {
        LoadOptions::try_parse_from(std::iter::once("x").chain(arguments.split_whitespace()))
    }

    #[test]
    fn options_may_stand_on_either_side_of_the_scenario() {
        LoadOptions::command().debug_assert();
        for arguments in ["--sockets 10000 idle", "idle --sockets 10000"] {
            assert_eq!(parse(arguments).unwrap().sockets(), 10_000);
        }
        assert_eq!(parse("idle").unwrap().sockets(), 1_000);
        assert_eq!(parse("soak").unwrap().pace(), SendPace::Rate(100.0));
        assert_eq!(parse("fanout").unwrap().pace(), SendPace::InFlight(4));
        assert_eq!(
            parse("send --rate 2.5").unwrap().pace(),
            SendPace::Rate(2.5)
        );
    }

    #[test]
    fn mistakes_are_refused() {
        for arguments in [
            "",
            "fly",
            "fanout --sockets 0",
            "fanout --transport pigeon",
            "fanout --rate 0",
            "fanout --rate 1 --in-flight 1",
            "fanout --verify 2",
            "fanout --duration soon",
            "fanout --server localhost",
            "http --operations send,fly",
        ] {
            assert_eq!(parse(arguments).unwrap_err().exit_code(), 2, "{arguments}");
        }
    }
}
