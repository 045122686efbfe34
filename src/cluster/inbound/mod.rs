//! What goes on while Redis is there.

pub(super) mod catch_up;
pub(super) mod subscriptions;

use std::time::{Duration, Instant};

use crate::rooms::RemoteEvents;

use catch_up::live;
use super::channel::{GREETINGS, channel};
use super::counters::add;
use super::envelope::{NodeId, Opened};
use super::link::{PushedMessages, RedisLink, LinkError};
use super::node::Node;
use super::peers::GREETING_INTERVAL;
use subscriptions::Arrived;

/// Channels that one command names.
const CHANNELS: usize = 500;

/// Messages that are handled together.
const BATCH: usize = 256;

/// How often Redis is asked whether it is there: nothing else tells of one that has vanished.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);

/// How long a node that others do not hear stays connected before it tries another connection once more.
const UNHEARD_PAUSE: Duration = Duration::from_secs(60);

impl Node {
    /// Serves until the connection ends, and says why it did.
    pub(super) async fn session(&self, link: &RedisLink, mut incoming: PushedMessages) -> LinkError {
        self.resubscribed.set(false);
        tokio::select! {
            ended = self.receive(&mut incoming) => ended,
            ended = self.follow_interest(link) => ended,
            ended = self.catch_up() => ended,
            ended = self.publish(link) => ended,
            ended = self.greet(link) => ended,
            ended = self.keep_alive(link) => ended,
        }
    }

    /// Subscribes to what is wanted, and no longer to what is not.
    async fn follow_interest(&self, link: &RedisLink) -> LinkError {
        loop {
            let unwanted = self.take_interest();
            for topics in unwanted.chunks(CHANNELS) {
                let channels = topics.iter().map(channel);
                if let Err(error) = link.unsubscribe(channels.collect()).await {
                    return error;
                }
            }
            loop {
                let topics = self.subscriptions.borrow_mut().subscribe(CHANNELS);
                if topics.is_empty() {
                    break;
                }
                let channels = topics.iter().map(channel);
                if let Err(error) = link.subscribe(channels.collect()).await {
                    return error;
                }
                self.subscriptions.borrow_mut().subscribed(&topics);
            }
            // All at once: what was missed is read in one go.
            self.resubscribed.set(true);
            self.behind.notify_one();
            self.interest_changed().await;
        }
    }

    /// Delivers what comes.
    async fn receive(&self, incoming: &mut PushedMessages) -> LinkError {
        loop {
            let messages = match incoming.next(BATCH).await {
                Ok(messages) => messages,
                Err(error) => {
                    if error == LinkError::Overflow {
                        add(&self.shared.counters.dropped, 1);
                    }
                    return error;
                }
            };
            let mut events = Vec::with_capacity(messages.len());
            for message in messages {
                let opened = self.opener.borrow_mut().open(&message);
                let event = match opened {
                    Ok(Opened::Event(event)) => event,
                    Ok(Opened::Own) => continue,
                    Ok(Opened::Greeting(node, greeting)) => {
                        self.greeted(node, &greeting);
                        continue;
                    }
                    Err(refused) => {
                        self.refuse(refused);
                        continue;
                    }
                };
                let arrived = self.subscriptions.borrow_mut().arrived(event);
                match arrived {
                    Arrived::Deliver(event) => events.push(live(event)),
                    Arrived::Held | Arrived::Unwanted => {}
                    Arrived::Overflow(topic) => {
                        self.cut_off([topic].into(), "they fall behind faster than they catch up");
                    }
                }
            }
            if events.is_empty() {
                continue;
            }
            add(&self.shared.counters.received, events.len());
            // The next ones wait until these are delivered.
            let delivered = self.registry.send(RemoteEvents(events)).await.unwrap_or(0);
            add(&self.shared.counters.delivered, delivered);
        }
    }

    /// Counts what is no event of a node, and logs the first of each second.
    fn refuse(&self, refused: super::envelope::Refused) {
        add(&self.shared.counters.refused, 1);
        let now = Instant::now();
        let is_quiet = self
            .refused_at
            .get()
            .is_some_and(|at| now - at < PING_INTERVAL);
        if !is_quiet {
            self.refused_at.set(Some(now));
            log::warn!("Redis: refused what is no event of a node of this server: {refused}");
        }
    }

    /// Tells the other nodes now and then that this one is there, and hears them.
    async fn greet(&self, link: &RedisLink) -> LinkError {
        if let Err(error) = link.subscribe(vec![GREETINGS.to_owned()]).await {
            return error;
        }
        let mut is_first = true;
        loop {
            let greeting = self.greeting(Instant::now());
            let sealed = self.sealer.borrow_mut().seal_greeting(&greeting);
            if let Err(error) = link.publish(&[(GREETINGS.to_owned(), sealed)]).await {
                return error;
            }
            if std::mem::take(&mut is_first) {
                self.shared.peers().greeted(Instant::now());
            }
            // A node that has just come has missed what was said before.
            let newcomer = self.newcomer.notified();
            let _ = tokio::time::timeout(GREETING_INTERVAL, newcomer).await;
        }
    }

    fn greeted(&self, node: NodeId, greeting: &[u8]) {
        let first = self.shared.peers().hear(node, greeting, Instant::now());
        if let Some(first) = first {
            let (name, version) = (first.name, first.version);
            log::info!("Redis: another node is there: {name:?}, version {version:?}");
            self.newcomer.notify_one();
        }
    }

    async fn keep_alive(&self, link: &RedisLink) -> LinkError {
        loop {
            let asked = Instant::now();
            if let Err(error) = link.ping().await {
                return error;
            }
            // Its answer came behind everything that was published before it was asked.
            self.heard.set(asked);
            let clock = link.clock().await;
            *self.shared.clock() = clock;
            if self.shall_leave_unheard(asked) {
                return LinkError::Unheard;
            }
            tokio::time::sleep(PING_INTERVAL).await;
        }
    }

    /// Whether another node does not hear this one and a new connection may help.
    fn shall_leave_unheard(&self, now: Instant) -> bool {
        let has_left = self.left_unheard.get();
        if has_left.is_some_and(|at| now.saturating_duration_since(at) < UNHEARD_PAUSE)
            || !self.shared.peers().is_unheard(now)
        {
            return false;
        }
        self.left_unheard.set(Some(now));
        true
    }
}
