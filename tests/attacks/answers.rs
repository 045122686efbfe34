//! Lists: many at once, hardly read, and of boxes that take long to write.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use messagebox::auth::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Client, LIST, connect_small, wire};
use crate::crew::{Crew, Stop};
use crate::outcome::{Attack, Outcome, attack};
use crate::support::brc104::Request;
use crate::target::{ATTACKER, OTHERS, Target};
use crate::users::Users;

const TIME: Duration = Duration::from_secs(5);
const MIB: usize = 1 << 20;

pub fn attacks() -> Vec<Attack> {
    vec![
        attack!(
            "A3",
            "reading large lists at 13 KB/s, from one address",
            slow_from_one
        ),
        attack!(
            "A3",
            "the same from 24 addresses, which fills all memory for lists",
            slow_from_many
        ),
        attack!("A4", "120 large lists at once", many_lists),
        attack!(
            "A5",
            "requests that are costly to read or to answer",
            costly_requests
        ),
    ]
}

/// Connects clients from these addresses. Each has a box of `mib` MiB.
async fn with_boxes(target: &Target, addresses: &[Ipv4Addr], mib: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for from in addresses {
        let identity = Arc::new(Identity::random());
        target.fill(identity.identity_key(), "inbox", mib, MIB);
        let client = Client::connect_as(target.address, *from, identity).await;
        clients.push(client.unwrap());
    }
    clients
}

fn addresses(count: u8) -> Vec<Ipv4Addr> {
    (0..count)
        .map(|n| Ipv4Addr::new(127, 0, 1, 10 + n))
        .collect()
}

/// Asks for a list and reads 1,300 bytes of it ten times per second. Returns whether the server ended the connection.
async fn read_slowly(server: SocketAddr, from: Ipv4Addr, request: &Request, stop: &Stop) -> bool {
    let Ok(mut stream) = connect_small(from, server).await else {
        return true;
    };
    if stream.write_all(&wire(request)).await.is_err() {
        return true;
    }
    let mut bytes = [0; 1_300];
    while !stop.is_set() {
        // The server sends nothing until it gives this client a turn.
        let read = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut bytes));
        match read.await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(_) => {}
        }
    }
    false
}

/// Starts a new list whenever the server ends one. Returns how many it has ended.
async fn read_slowly_again(
    client: &Client,
    from: Ipv4Addr,
    server: SocketAddr,
    stop: Stop,
) -> usize {
    let mut ended = 0;
    while !stop.is_set() {
        let request = client.request("POST", "/listMessages", LIST);
        ended += usize::from(read_slowly(server, from, &request, &stop).await);
    }
    ended
}

/// Lists 12 MiB from another address. Measures the time until the answer and counts the refusals before it.
async fn large_list_elsewhere(client: &mut Client, outcome: &mut Outcome) {
    let (begun, mut refused) = (Instant::now(), 0);
    let length = loop {
        match client.post("/listMessages", LIST).await {
            Ok(reply) if reply.status == 200 => break reply.length,
            _ if begun.elapsed() > Duration::from_secs(20) => break 0,
            _ => refused += 1,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let took = begun.elapsed().as_millis();
    outcome.measured(format!(
        "a list of {} MiB elsewhere came after {took} ms, {refused} times refused",
        length / MIB
    ));
    outcome.holds(length > 12 * MIB, "no large list elsewhere within 20 s");
}

async fn slow_readers(target: Target, from: Vec<Ipv4Addr>, each: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let clients = with_boxes(&target, &from, 18).await;
    let mut other = with_boxes(&target, &[OTHERS], 12).await.remove(0);
    let users = Users::at_both(target.address).await;
    let address = target.address;
    let from_one = from.iter().all(|address| *address == ATTACKER);
    let did = format!(
        "{} identities read on {each} connections each",
        clients.len()
    );
    let crew = Crew::start(move |stop| async move {
        let clients = clients.iter().zip(&from);
        let readers = clients.flat_map(|(client, from)| {
            let again = |_| read_slowly_again(client, *from, address, stop.clone());
            (0..each).map(again).collect::<Vec<_>>()
        });
        join_all(readers).await.into_iter().sum::<usize>()
    });
    // The lists are open and hardly read.
    tokio::time::sleep(Duration::from_secs(2)).await;
    users.attack_begins();
    large_list_elsewhere(&mut other, &mut outcome).await;
    tokio::time::sleep(TIME).await;
    if from_one {
        users.judge(&mut outcome).await;
    } else {
        users.judge_answers(&mut outcome).await;
    }
    let ended = crew.stopped().await;
    outcome.did(format!("{did}, {ended} refused or cut"));
    target.is_within_budget(&mut outcome).await;
    outcome
}

async fn slow_from_one() -> Outcome {
    slow_readers(Target::start(), vec![ATTACKER; 2], 3).await
}

async fn slow_from_many() -> Outcome {
    slow_readers(Target::start(), addresses(24), 1).await
}

async fn many_lists() -> Outcome {
    let (target, mut outcome) = (Target::with(&[("WORKERS", "8")]), Outcome::default());
    let clients = with_boxes(&target, &addresses(12), 17).await;
    let users = Users::at_both(target.address).await;
    let before = target.resident_mib();
    let crew = Crew::start(move |_| async move {
        // Ten connections of each identity ask before any of them reads.
        let mut streams = Vec::new();
        for client in &clients {
            for _ in 0..10 {
                let request = client.request("POST", "/listMessages", LIST);
                streams.push(client.write(&wire(&request)).await.unwrap());
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let reading = streams.iter_mut().map(crate::client::read_reply);
        let replies = join_all(reading).await.into_iter().flatten();
        replies.filter(|reply| reply.status == 200).count()
    });
    users.attack_begins();
    let listed = crew.done().await;
    outcome.did(format!(
        "12 identities at 12 addresses, 8 workers, {listed} of 120 lists of 16 MiB answered"
    ));
    outcome.measured(format!("RSS before {before} MiB"));
    users.judge(&mut outcome).await;
    target.is_within_budget(&mut outcome).await;
    outcome
}

async fn costly_requests() -> Outcome {
    let (target, mut outcome) = (Target::start(), Outcome::default());
    let mut client = with_boxes(&target, &[ATTACKER], 64).await.remove(0);
    let users = Users::at_both(target.address).await;
    let address = target.address;
    let crew = Crew::start(move |stop| async move {
        let identity = client.signer.identity.clone();
        let ids = format!(r#"{{"messageIds":[{}""]}}"#, r#""","#.repeat(1_300_000));
        let recipients = format!(
            r#"{{"message":{{"recipients":[{}""],"messageBox":"inbox","messageId":"1","body":"x"}}}}"#,
            r#""","#.repeat(10_000_000)
        );
        let (ids, recipients) = (ids.into_bytes(), recipients.into_bytes());
        let unsigned = vec![b'['; 32 * MIB];
        let mut other = Client::connect_as(address, ATTACKER, identity)
            .await
            .unwrap();
        let lists = async {
            let mut count = 0;
            while !stop.is_set() {
                let _ = client.post("/listMessages", LIST).await;
                count += 1;
                stop.within(Duration::from_millis(250)).await;
            }
            count
        };
        let bodies = async {
            let mut statuses = BTreeMap::<(&str, u16), usize>::new();
            while !stop.is_set() {
                for (name, path, body) in [
                    ("ids", "/acknowledgeMessage", &ids),
                    ("recipients", "/sendMessage", &recipients),
                    ("not signed", "/sendMessage", &unsigned),
                ] {
                    let mut request = other.request("POST", path, "");
                    if !std::ptr::eq(body, &raw const unsigned) {
                        request = other.request("POST", path, body.clone());
                    }
                    request.body.clone_from(body);
                    let reply = other.send(&request).await;
                    let status = reply.map_or(0, |reply| reply.status);
                    *statuses.entry((name, status)).or_default() += 1;
                }
            }
            statuses
        };
        tokio::join!(lists, bodies)
    });
    users.attack_begins();
    tokio::time::sleep(TIME).await;
    users.judge(&mut outcome).await;
    let (lists, statuses) = crew.stopped().await;
    outcome.did(format!(
        "{lists} lists of a box of 64 MiB; 1.3 M ids, 10 M recipients and 32 MiB with a wrong signature in a loop: {statuses:?}"
    ));
    for answer in [("ids", 400), ("recipients", 400), ("not signed", 401)] {
        outcome.holds(statuses.contains_key(&answer), format!("never {answer:?}"));
    }
    target.is_within_budget(&mut outcome).await;
    outcome
}
