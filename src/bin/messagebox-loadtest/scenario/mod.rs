//! The scenarios.

mod handshake;
mod http;
mod idle;
mod rooms;
mod send;
mod soak;
mod worst;

use std::sync::Arc;

use messagebox::client::ClientError;

use super::options::{HttpOperation, Scenario};
use super::run::Run;
use super::workload::Workload;

/// The operations that a scenario records. Costs are per operation of the first kind.
pub(crate) fn operations(scenario: &Scenario) -> Vec<&'static str> {
    match scenario {
        Scenario::Fanout | Scenario::Rooms(_) => vec!["delivery", "ack"],
        Scenario::Send(_) => vec!["ack", "delivery"],
        Scenario::Http(options) => {
            let mut operations = options.operations.clone();
            operations.dedup();
            operations.into_iter().map(HttpOperation::name).collect()
        }
        Scenario::Handshake => vec!["handshake"],
        Scenario::Idle => Vec::new(),
        Scenario::Worst(_) => {
            let users = [worst::LOADED, worst::IDLE];
            users.into_iter().chain(worst::REQUESTS).collect()
        }
        Scenario::Soak => vec![
            "delivery",
            "ack",
            "send",
            "list",
            "acknowledge",
            "handshake",
        ],
    }
}

/// Connects everything that the scenario needs.
pub(crate) async fn prepare(run: &Arc<Run>) -> Result<Vec<Workload>, ClientError> {
    let sockets = run.options.sockets();
    let pace = run.options.pace();
    let workload = match &run.options.scenario {
        Scenario::Fanout => {
            let plan = rooms::RoomsPlan {
                rooms: 1,
                sockets,
                senders: 1,
                pace,
            };
            rooms::prepare(run, plan).await?
        }
        Scenario::Rooms(options) => {
            let plan = rooms::RoomsPlan {
                rooms: options.rooms.min(sockets),
                sockets,
                senders: options.senders,
                pace,
            };
            rooms::prepare(run, plan).await?
        }
        Scenario::Send(options) => send::prepare(run, sockets, options.offline, pace).await?,
        Scenario::Http(options) => http::prepare(run, options, sockets, pace).await?,
        Scenario::Handshake => handshake::prepare(run, sockets, handshake::Hold::No, pace),
        Scenario::Idle => idle::prepare(run, sockets).await?,
        Scenario::Worst(options) => worst::prepare(run, options, sockets).await?,
        Scenario::Soak => return soak::prepare(run).await,
    };
    Ok(vec![workload])
}
