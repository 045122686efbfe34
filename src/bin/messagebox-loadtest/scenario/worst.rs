//! `worst`: the costliest request of each route, beside light users.
//!
//! In the first half of the time there are only light users. In the second half, two keys make the costliest requests, four
//! at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use messagebox::auth::Identity;
use messagebox::client::{
    AuthSocket, Brc104Client, ClientError, MessageBoxClient, OutgoingMessage, PageStart,
};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::measure::accounting::DeliveryTally;
use crate::measure::worker_delay;
use crate::options::{MESSAGE_BOX, SendPace, WorstOptions};
use crate::run::{Run, stopped};
use crate::traffic::source::Tick;
use crate::workload::Workload;

/// Operations of light users in the first and in the second half.
pub(super) const IDLE: &str = "idle";
pub(super) const LOADED: &str = "loaded";

/// The costliest request of each route.
pub(super) const REQUESTS: [&str; 7] = [
    "list",
    "message",
    "body",
    "recipients",
    "ids",
    "depth",
    EVENT,
];

/// The request that is an event of a socket.
const EVENT: &str = "event";

/// Keys with costly requests, and concurrent requests per key.
const KEYS: usize = 2;
const EACH: usize = 2;

/// Pause between two requests of a light user.
const THINKING: Duration = Duration::from_millis(50);

/// A box with more than one list of an older client.
const LARGE_BOX: &str = "loadtest-worst";
const LARGE_MESSAGES: usize = 5;
const LARGE_BODY: usize = 3_900_000;

/// Bytes of the largest bodies: below the servers' limit, so that servers read them completely.
const BODY: usize = 31 * 1024 * 1024;
/// Recipients of one message, and bytes of the body for each of them.
const RECIPIENTS: usize = 1_000;
const COPIED: usize = 8_000;
/// Bytes of a body full of ids.
const IDS: usize = 4_000_000;

pub(crate) async fn prepare(
    run: &Arc<Run>,
    options: &WorstOptions,
    users: usize,
) -> Result<Workload, ClientError> {
    let mut workload = Workload::new(run, SendPace::InFlight(1));
    for _ in 0..users {
        let (_, ticks) = workload.ticks(1);
        let client = MessageBoxClient::new(run.connector.clone(), Arc::new(Identity::random()));
        client.connect().await?;
        workload
            .tasks
            .spawn(use_lightly(Arc::clone(run), client, ticks));
    }
    for _ in 0..KEYS {
        let identity = Arc::new(Identity::random());
        fill(run, &identity).await?;
        let client = Brc104Client::new(run.connector.clone(), Arc::clone(&identity));
        client.connect().await?;
        let mut requests = requests(&identity);
        requests.retain(|(name, ..)| options.requests.iter().any(|wanted| wanted == name));
        let (client, requests) = (Arc::new(client), Arc::new(requests));
        let turn = Arc::<AtomicUsize>::default();
        for _ in 0..EACH {
            let (_, ticks) = workload.ticks(1);
            let (run, client) = (Arc::clone(run), Arc::clone(&client));
            let (requests, turn) = (Arc::clone(&requests), Arc::clone(&turn));
            let socket = EventSocket {
                identity: Arc::clone(&identity),
                open: None,
            };
            workload.tasks.spawn(beside(ask_for_much(
                run, client, socket, requests, turn, ticks,
            )));
        }
    }
    let (_, ticks) = workload.ticks(1);
    let (run, token) = (Arc::clone(run), options.admin_token.clone());
    workload.tasks.spawn(watch_workers(run, token, ticks));
    Ok(workload)
}

/// Waits for the traffic, and gives the start of the second half.
async fn half(run: &Run, mut ticks: UnboundedReceiver<Tick>) -> u64 {
    let _ = ticks.recv().await;
    let (from, to) = (run.clock.measured_from(), run.clock.measured_to());
    from + (to - from) / 2
}

async fn sleep_until(run: &Run, at: u64) {
    tokio::time::sleep_until(run.clock.instant(at).into()).await;
}

/// Sends, lists and acknowledges messages with pauses.
async fn use_lightly(
    run: Arc<Run>,
    client: MessageBoxClient,
    ticks: UnboundedReceiver<Tick>,
) -> DeliveryTally {
    let half = half(&run, ticks).await;
    let (idle, loaded) = (run.operation(IDLE), run.operation(LOADED));
    let (shard, own, mut stop) = (idle.shard(), client.identity_key(), run.stopping());
    let mut turn = 0_u64;
    while run.clock.is_running() {
        let id = (turn / 3).to_string();
        let began = run.clock.now();
        let done = match turn % 3 {
            0 => client.send(own, MESSAGE_BOX, &id, "little").await.map(drop),
            1 => {
                let start = PageStart::default();
                let page = client.list_page(MESSAGE_BOX, &start, Some(10));
                page.await.map(drop)
            }
            _ => client.acknowledge(&[id]).await,
        };
        if let Err(error) = done {
            run.errors.note("a user's request", &error);
        }
        let operation = if began < half { &idle } else { &loaded };
        operation.record(shard, began);
        turn += 1;
        tokio::select! {
            () = tokio::time::sleep(THINKING) => {}
            () = stopped(&mut stop) => break,
        }
    }
    DeliveryTally::default()
}

/// Fills the box with more than one list.
async fn fill(run: &Run, identity: &Arc<Identity>) -> Result<(), ClientError> {
    let client = MessageBoxClient::new(run.connector.clone(), Arc::clone(identity));
    let body = "x".repeat(LARGE_BODY);
    for index in 0..LARGE_MESSAGES {
        let own = client.identity_key();
        client
            .send(own, LARGE_BOX, &index.to_string(), &body)
            .await?;
    }
    Ok(())
}

/// A request: its name, its route and its body.
type Request = (&'static str, &'static str, Bytes);

fn requests(identity: &Identity) -> Vec<Request> {
    let own = identity.identity_key().to_hex();
    let message = |fields: serde_json::Value| Bytes::from(json!({ "message": fields }).to_string());
    let large = json!({
        "messageBox": LARGE_BOX, "recipient": own, "messageId": "large", "body": "\"".repeat(900_000),
    });
    let event = Bytes::from("x".repeat(LARGE_BODY));
    let body = json!({
        "messageBox": MESSAGE_BOX, "recipient": own, "messageId": "body", "body": "x".repeat(BODY),
    });
    let ids: Vec<String> = (0..RECIPIENTS).map(|id| format!("copy-{id}")).collect();
    let recipients = json!({
        "messageBox": MESSAGE_BOX, "recipients": vec![own; RECIPIENTS], "messageId": ids, "body": "x".repeat(COPIED),
    });
    let bodies = [
        Bytes::from(json!({ "messageBox": LARGE_BOX }).to_string()),
        message(large),
        message(body),
        message(recipients),
        filled(r#"{"messageIds":[""#, r#"",""#, r#""]}"#, IDS),
        filled(r#"{"message":"#, "[", "", BODY),
        event,
    ];
    let routes = [
        "/listMessages",
        "/sendMessage",
        "/sendMessage",
        "/sendMessage",
        "/acknowledgeMessage",
        "/sendMessage",
        "",
    ];
    let named = REQUESTS.into_iter().zip(routes).zip(bodies);
    named
        .map(|((name, route), body)| (name, route, body))
        .collect()
}

/// Two texts with this many bytes of another between them.
fn filled(before: &str, between: &str, behind: &str, bytes: usize) -> Bytes {
    let times = bytes / between.len().max(1);
    [before, &between.repeat(times), behind].concat().into()
}

/// A socket that opens on demand, and again after a failure.
struct EventSocket {
    identity: Arc<Identity>,
    open: Option<AuthSocket>,
}

impl EventSocket {
    async fn send(&mut self, run: &Run, body: &[u8]) -> Result<(), ClientError> {
        let mut socket = match self.open.take() {
            Some(socket) => socket,
            None => AuthSocket::connect(&run.connector, Arc::clone(&self.identity)).await?,
        };
        let own = self.identity.identity_key();
        let body = String::from_utf8_lossy(body);
        let message = OutgoingMessage {
            recipient: own,
            message_box: LARGE_BOX,
            message_id: EVENT,
            body: &body,
            expires_at: None,
        };
        let sent = socket.send_message(&message).await;
        if matches!(sent, Ok(_) | Err(ClientError::EventRefused { .. })) {
            self.open = Some(socket);
        }
        sent.map(drop)
    }
}

/// Runs `work` on a thread of low priority. Signing a large body takes long in the load test too, and should not delay the
/// light users.
async fn beside(work: impl Future<Output = DeliveryTally> + Send + 'static) -> DeliveryTally {
    let done = tokio::task::spawn_blocking(|| {
        if let Err(error) = rustix::process::nice(10) {
            log::warn!("cannot lower the priority of large requests: {error}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.map(|runtime| runtime.block_on(work))
    });
    match done.await {
        Ok(Ok(tally)) => tally,
        failed => {
            log::error!("cannot make large requests: {failed:?}");
            DeliveryTally::default()
        }
    }
}

/// Makes one request after the other. Refusals are no faults; the latencies of the light users show the effect.
async fn ask_for_much(
    run: Arc<Run>,
    client: Arc<Brc104Client>,
    mut socket: EventSocket,
    requests: Arc<Vec<Request>>,
    turn: Arc<AtomicUsize>,
    ticks: UnboundedReceiver<Tick>,
) -> DeliveryTally {
    let half = half(&run, ticks).await;
    sleep_until(&run, half).await;
    while run.clock.is_running() {
        let index = turn.fetch_add(1, Ordering::Relaxed) % requests.len().max(1);
        let Some((name, route, body)) = requests.get(index) else {
            break;
        };
        let operation = run.operation(name);
        let began = run.clock.now();
        let done = match *name {
            EVENT => socket.send(&run, body).await,
            _ => client.post(route, body.clone()).await.map(drop),
        };
        if let Err(error) = done {
            log::debug!("{name}: {error}");
        }
        operation.record(operation.shard(), began);
    }
    DeliveryTally::default()
}

/// Reads the server's metrics before and after.
async fn watch_workers(
    run: Arc<Run>,
    token: Option<String>,
    ticks: UnboundedReceiver<Tick>,
) -> DeliveryTally {
    let half = half(&run, ticks).await;
    sleep_until(&run, half).await;
    let before = worker_delay::look(&run.connector, token.as_deref()).await;
    sleep_until(&run, run.clock.measured_to()).await;
    let after = worker_delay::look(&run.connector, token.as_deref()).await;
    match (before, after) {
        (Ok(before), Ok(after)) => {
            let _ = run.worker_delay.set(after.since(&before));
        }
        (Err(error), _) | (_, Err(error)) => run.errors.note("the server's metrics", &error),
    }
    DeliveryTally::default()
}
