//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use messagebox::client::{ServerAddress, TransportKind};

const EXAMPLES: &str = "\
Scenarios, each with an example:

  fanout     N sockets of one identity in its room, one sender of another identity: what a delivery costs.
               messagebox-loadtest fanout --sockets 1000 --rate 10 --server-pid $(pgrep messagebox-serv)
  rooms      many rooms with few members each, some senders.
               messagebox-loadtest rooms --sockets 1000 --rooms 250 --senders 8 --rate 400
               messagebox-loadtest rooms --sockets 50 --rooms 50 --rate 50 --members-at http://localhost:8081
  send       each socket sends to a box of its own and waits for acks; --offline: to boxes nobody listens on.
               messagebox-loadtest send --sockets 50 --in-flight 16 --offline
  http       authenticated requests: send, list, acknowledge, each timed by itself.
               messagebox-loadtest http --operations list --messages 100 --body 1024
  handshake  opens a socket until `authenticationSuccess`, closes it, again and again.
               messagebox-loadtest handshake --sockets 32 --duration 20s
  idle       sockets that are held open, each of its own identity: what they cost in memory.
               messagebox-loadtest idle --sockets 10000 --duration 60s --server-pid PID
  worst      the costliest request of each route beside users who want little: what one key can do to the others. In the
             first half of the time there are only the users.
               messagebox-loadtest worst --duration 40s --admin-token TOKEN --server-pid PID
  soak       a mix of rooms, send, http and sockets that come and go, for minutes.
               messagebox-loadtest soak --sockets 200 --duration 20m --server-pid PID

With --rate, messages are sent on a schedule and times count from when a message should have been sent, so a server
that stalls is charged for all that it held up (coordinated omission is accounted for). With --in-flight, so many are
under way for each room, sender or client, and the next is sent when one is done: that finds the throughput, and its
times are those of a client that waits. Without either, --in-flight has the default of the scenario.

Ctrl-C ends the measuring early and reports what there is.

Exit code: 0 when nothing was lost, duplicated, out of order or failed; 1 when something was; 2 for a usage mistake.";

/// Puts load on a server of the MessageBox and AuthSocket protocols, and says what that costs it.
#[derive(Debug, Clone, Parser)]
#[command(name = "messagebox-loadtest", version, after_long_help = EXAMPLES, after_help = "--help has examples.")]
pub(crate) struct Options {
    /// What to do.
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
    /// The server's address; a path is put in front of the HTTP routes.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://localhost:8080"
    )]
    pub(crate) server: ServerAddress,
    /// Another server of the same database, which the members of rooms connect to while the senders are at --server:
    /// what crossing costs [fanout, rooms, soak; default: the same].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) members_at: Option<ServerAddress>,
    /// What carries Socket.IO.
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
    /// Messages or operations each second, all together, on a schedule.
    #[arg(long, global = true, value_parser = rate, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Messages under way for each room, sender or client, instead of a schedule [default: fanout 4, rooms 1, send 8,
    /// http and handshake 1].
    #[arg(long, global = true, value_parser = positive)]
    pub(crate) in_flight: Option<usize>,
    /// Bytes of a message's body; at least what its mark takes.
    #[arg(long, global = true, value_name = "BYTES", default_value_t = 200)]
    pub(crate) body: usize,
    /// How long to measure [default: 10s; worst 40s; soak 5m].
    #[arg(long, global = true, value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Traffic before the measuring begins.
    #[arg(long, global = true, value_parser = duration, default_value = "2s")]
    pub(crate) warm_up: Duration,
    /// What is outstanding at the end counts as lost when nothing came for so long, or after ten times as long.
    #[arg(long, global = true, value_parser = duration, default_value = "10s")]
    pub(crate) drain: Duration,
    /// Share of the incoming events whose signature is verified, from 0 to 1. Every handshake and every HTTP answer is.
    #[arg(long, global = true, value_name = "SHARE", value_parser = share, default_value = "0.01")]
    pub(crate) verify: f64,
    /// Sockets that are being opened at a time.
    #[arg(long, global = true, value_parser = positive, default_value = "64")]
    pub(crate) connecting: usize,
    /// Threads of the load test [default: one for each core].
    #[arg(long, global = true, value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Process id of the server, on this machine: what it spends is measured (Linux). Memory for each socket means
    /// something on a server that was just started only: later, it has memory to reuse.
    #[arg(long, global = true, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Write the results there as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report with plots there, one HTML file that needs nothing else.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Show no progress.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

/// The scenarios.
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
    /// Holds sockets open.
    Idle,
    /// The costliest requests beside users who want little.
    Worst(WorstOptions),
    /// A mix of the others.
    Soak,
}

/// Of `worst`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorstOptions {
    /// The server's admin token: its metrics say how late its workers are. Not needed where the metrics are public.
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// Which requests to make, in turn.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "list,message,body,recipients,ids,depth,event"
    )]
    pub(crate) requests: Vec<String>,
}

/// Of `rooms`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RoomsOptions {
    /// Rooms; `--sockets` are spread over them.
    #[arg(long, value_parser = positive, default_value = "250")]
    pub(crate) rooms: usize,
    /// Sockets that send.
    #[arg(long, value_parser = positive, default_value = "8")]
    pub(crate) senders: usize,
}

/// Of `send`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SendOptions {
    /// Send to boxes of identities that are not connected, so that nothing is delivered: acks alone.
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Of `http`.
#[derive(Debug, Clone, Args)]
pub(crate) struct HttpOptions {
    /// Which to do, in turn. `acknowledge` without `send` needs a message each time, which is sent before and not
    /// timed, though the server's CPU has it.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "send,list,acknowledge"
    )]
    pub(crate) operations: Vec<HttpOperation>,
    /// Messages in the box that is listed.
    #[arg(long, default_value_t = 10)]
    pub(crate) messages: u64,
}

/// An operation of `http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HttpOperation {
    /// `POST /sendMessage`
    Send,
    /// `POST /listMessages`
    List,
    /// `POST /acknowledgeMessage`
    Acknowledge,
}

/// When the next message is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// On a schedule, so many each second, all together.
    Rate(f64),
    /// When one is done, so many under way for each source.
    InFlight(usize),
}

impl Scenario {
    /// Its name on the command line.
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

impl Options {
    /// Sockets, or parallel clients.
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

    /// How long to measure.
    pub(crate) fn duration(&self) -> Duration {
        let default = match self.scenario {
            Scenario::Soak => Duration::from_secs(300),
            Scenario::Worst(_) => Duration::from_secs(40),
            _ => Duration::from_secs(10),
        };
        self.duration.unwrap_or(default)
    }

    /// When the next message is sent.
    pub(crate) fn pace(&self) -> Pace {
        let default = match self.scenario {
            Scenario::Fanout => 4,
            Scenario::Send(_) => 8,
            _ => 1,
        };
        match (self.rate, self.in_flight, &self.scenario) {
            (Some(rate), _, _) => Pace::Rate(rate),
            // A soak is to last, not to find the limit.
            (None, None, Scenario::Soak) => Pace::Rate(100.0),
            (None, in_flight, _) => Pace::InFlight(in_flight.unwrap_or(default)),
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

/// The names of transports.
fn transport() -> impl TypedValueParser<Value = TransportKind> {
    PossibleValuesParser::new(TransportKind::ALL.map(TransportKind::name))
        .try_map(|name| name.parse::<TransportKind>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(std::iter::once("x").chain(arguments.split_whitespace()))
    }

    #[test]
    fn options_may_stand_on_either_side_of_the_scenario() {
        Options::command().debug_assert();
        for arguments in ["--sockets 10000 idle", "idle --sockets 10000"] {
            assert_eq!(parse(arguments).unwrap().sockets(), 10_000);
        }
        assert_eq!(parse("idle").unwrap().sockets(), 1_000);
        assert_eq!(parse("soak").unwrap().pace(), Pace::Rate(100.0));
        assert_eq!(parse("fanout").unwrap().pace(), Pace::InFlight(4));
        assert_eq!(parse("send --rate 2.5").unwrap().pace(), Pace::Rate(2.5));
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
