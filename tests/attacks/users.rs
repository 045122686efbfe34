//! Light users beside an attack: each does one small thing at a time, over HTTP or on a socket, and times it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{Client, LIST, message};
use crate::crew::{Crew, Stop};
use crate::member::Member;
use crate::outcome::Outcome;

/// How long a light user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two requests of one user.
const PAUSE: Duration = Duration::from_millis(20);
/// How long users are measured without an attack.
const IDLE: Duration = Duration::from_millis(1_500);
/// The largest factor between the p99 beside an attack and the p99 of idle users in the same run. Attackers, users and
/// server share the cores of one machine.
const RATIO: u32 = 20;
/// A faster idle p99 counts as this, because a commit to a disk takes as long now and then.
const LEAST_IDLE: Duration = Duration::from_millis(8);

/// The answers and times of light users in one period.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    times: Vec<Duration>,
    refused: BTreeMap<String, usize>,
}

impl Figures {
    fn percentile(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).copied().unwrap_or_default()
    }
}

#[derive(Debug)]
struct Group {
    name: &'static str,
    from: Ipv4Addr,
    met: Mutex<Figures>,
}

impl Group {
    fn met<T>(&self, of: impl FnOnce(&mut Figures) -> T) -> T {
        of(&mut self.met.lock().expect("the lock is not poisoned"))
    }

    fn served(&self, since: Instant) {
        self.met(|met| met.times.push(since.elapsed()));
    }

    fn refused(&self, what: String) {
        self.met(|met| *met.refused.entry(what).or_default() += 1);
    }
}

/// Users at one or several addresses. Each address is judged by itself.
pub struct Users {
    groups: Vec<Arc<Group>>,
    idle: Vec<Figures>,
    crew: Crew<()>,
}

impl Users {
    /// At the attacker's address and at one that takes no part in the attack.
    pub async fn at_both(server: SocketAddr) -> Self {
        let attacker = ("at its address", crate::target::ATTACKER);
        Self::at(server, &[attacker, ("elsewhere", crate::target::OTHERS)]).await
    }

    /// At an address that takes no part in the attack.
    pub async fn elsewhere(server: SocketAddr) -> Self {
        Self::at(server, &[("elsewhere", crate::target::OTHERS)]).await
    }

    /// Connects two users over HTTP and one on a socket at each address. Measures them while nothing else happens.
    pub async fn at(server: SocketAddr, addresses: &[(&'static str, Ipv4Addr)]) -> Self {
        let group = |(name, from): &(&'static str, Ipv4Addr)| {
            Arc::new(Group {
                name,
                from: *from,
                met: Mutex::default(),
            })
        };
        let groups: Vec<Arc<Group>> = addresses.iter().map(group).collect();
        let (sender, ready) = tokio::sync::oneshot::channel();
        let own = groups.clone();
        let crew = Crew::start(move |stop| async move {
            let (mut clients, mut members) = (Vec::new(), Vec::new());
            for group in own {
                for _ in 0..2 {
                    let client = Client::proven(server, group.from).await;
                    clients.push((client, Arc::clone(&group)));
                }
                members.push((Member::connect(server, group.from).await, group));
            }
            let _ = sender.send(());
            let clients = clients.into_iter();
            let over_http = clients.map(|(client, group)| over_http(client, group, stop.clone()));
            let members = members.into_iter();
            let on_sockets = members.map(|(member, group)| on_socket(member, group, stop.clone()));
            tokio::join!(join_all(over_http), join_all(on_sockets));
        });
        ready.await.expect("the light users could not connect");
        let mut users = Self {
            groups,
            idle: Vec::new(),
            crew,
        };
        // The first requests include one-time work.
        tokio::time::sleep(Duration::from_millis(300)).await;
        users.take();
        tokio::time::sleep(IDLE).await;
        users.idle = users.take();
        users
    }

    fn take(&self) -> Vec<Figures> {
        let take = |group: &Arc<Group>| group.met(std::mem::take);
        self.groups.iter().map(take).collect()
    }

    /// Starts a new period: the attack begins.
    pub fn attack_begins(&self) {
        self.take();
    }

    /// Stops the users after their last answers. Compares the period of the attack with the idle one.
    pub async fn judge(self, outcome: &mut Outcome) {
        self.end(outcome, true).await;
    }

    /// Checks only that every request was answered. Used where waiting times are not the subject or no promise, as with
    /// many addresses.
    pub async fn judge_answers(self, outcome: &mut Outcome) {
        self.end(outcome, false).await;
    }

    async fn end(self, outcome: &mut Outcome, is_timed: bool) {
        let groups = self.groups.clone();
        self.crew.stopped().await;
        for (group, idle) in groups.iter().zip(&self.idle) {
            let met = group.met(std::mem::take);
            let (p50, p99) = (met.percentile(50), met.percentile(99));
            let idle = idle.percentile(99);
            let ratio = p99.as_secs_f64() / idle.as_secs_f64().max(0.000_1);
            let name = group.name;
            let refused: usize = met.refused.values().sum();
            outcome.measured(format!(
                "{name} {} answered, {refused} refused, p50 {} ms, p99 {} ms, {ratio:.1} x idle ({} ms)",
                met.times.len(),
                p50.as_millis(),
                p99.as_millis(),
                idle.as_millis(),
            ));
            outcome.holds(refused == 0, format!("{name} refused: {:?}", met.refused));
            outcome.holds(!met.times.is_empty(), format!("{name} nobody was answered"));
            let bound = idle.max(LEAST_IDLE) * RATIO;
            let what = format!("{name} p99 {p99:?}, over {bound:?}");
            outcome.holds(p99 <= bound || !is_timed, what);
        }
    }
}

async fn over_http(mut client: Client, group: Arc<Group>, stop: Stop) {
    let mut number = 0;
    while !stop.is_set() {
        number += 1;
        let id = number.to_string();
        let ids = json!({ "messageIds": [id] }).to_string();
        let requests = [
            ("/sendMessage", message(client.key(), "inbox", &id, "hello")),
            ("/listMessages", LIST.to_owned()),
            ("/acknowledgeMessage", ids),
        ];
        for (target, body) in requests {
            let since = Instant::now();
            let answer = tokio::time::timeout(PATIENCE, client.post(target, body)).await;
            match answer {
                Ok(Ok(reply)) if reply.status == 200 => group.served(since),
                Ok(Ok(reply)) => {
                    group.refused(format!("{target} {} {}", reply.status, reply.code()));
                }
                Ok(Err(error)) => group.refused(format!("{target} {error}")),
                Err(_) => group.refused(format!("{target} no answer in {PATIENCE:?}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn on_socket(mut member: Member, group: Arc<Group>, stop: Stop) {
    let room = member.room("inbox").as_str().to_owned();
    let mut number = 0;
    while !stop.is_set() {
        number += 1;
        let since = Instant::now();
        let id = format!("s{number}");
        let ack = member.send_message(&room, &id, "hello");
        match tokio::time::timeout(PATIENCE, ack).await {
            Ok(Some(data)) if data["status"] == "success" => group.served(since),
            Ok(Some(data)) => group.refused(format!("socket {}", data["code"])),
            Ok(None) => {
                group.refused("socket ended".to_owned());
                return;
            }
            Err(_) => {
                group.refused(format!("socket no ack in {PATIENCE:?}"));
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
