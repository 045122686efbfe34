//! `soak`: a mix of the other scenarios at a modest rate, with short-lived sockets.

use std::sync::Arc;
use std::time::Duration;

use messagebox::client::ClientError;

use super::{handshake, http, rooms, send};
use crate::options::{HttpOperation, HttpOptions, SendPace};
use crate::run::Run;
use crate::workload::Workload;

const MEMBERS: usize = 5;
/// Lifetime of a short-lived socket.
const STAY: Duration = Duration::from_secs(5);
/// Shares of the rate; short-lived sockets have a pace of their own.
const ROOMS_SHARE: f64 = 0.3;
const SEND_SHARE: f64 = 0.5;
const HTTP_SHARE: f64 = 0.2;

/// Half of the sockets are in rooms, a quarter sends, and a quarter is short-lived.
pub(crate) async fn prepare(run: &Arc<Run>) -> Result<Vec<Workload>, ClientError> {
    let sockets = run.options.sockets();
    let quarter = (sockets / 4).max(1);
    let share = |share: f64| match run.options.pace() {
        SendPace::Rate(rate) => SendPace::Rate(rate * share),
        in_flight @ SendPace::InFlight(_) => in_flight,
    };
    let plan = rooms::RoomsPlan {
        rooms: (quarter * 2).div_ceil(MEMBERS),
        sockets: quarter * 2,
        senders: 4,
        pace: share(ROOMS_SHARE),
    };
    let requests = HttpOptions {
        operations: vec![
            HttpOperation::Send,
            HttpOperation::List,
            HttpOperation::Acknowledge,
        ],
        messages: 10,
    };
    let clients = quarter.min(8);
    Ok(vec![
        rooms::prepare(run, plan).await?,
        send::prepare(run, quarter, false, share(SEND_SHARE)).await?,
        http::prepare(run, &requests, clients, share(HTTP_SHARE)).await?,
        handshake::prepare(
            run,
            quarter,
            handshake::Hold::For(STAY),
            SendPace::InFlight(1),
        ),
    ])
}
