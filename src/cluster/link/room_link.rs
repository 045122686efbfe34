//! A connection to Redis for room events: one for both directions, with pushed messages (RESP3). Here and below is all that
//! knows the library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, PushKind, Value};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::outbound::ClockOffset;

use super::address::{Reached, config, where_it_is};
use super::role::{refuse_replica, role_command};

pub(super) use super::address::RedisAddress;

/// Messages that may wait to be handled, beside the bound of their bytes.
const MAX_WAITING: usize = 65_536;

/// What Redis or the way to it did. Says nothing of the address, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The address cannot be used.
    #[error("not an address of Redis; expected redis://host:port or rediss://host:port")]
    Address,
    /// It refuses, or is not there.
    #[error("{0}")]
    Refused(String),
    /// It was there.
    #[error("the connection ended")]
    Ended,
    /// It is a replica, or has become one: what is published there reaches nobody at the server that takes writes.
    #[error("it is a replica; REDIS_URL must lead to the server that takes writes")]
    Replica,
    /// Another node says that it does not hear this one.
    #[error("another node does not hear what this one publishes")]
    Unheard,
    /// Messages came faster than they were delivered.
    #[error("messages came faster than they could be delivered")]
    Overflow,
}

impl From<redis::RedisError> for LinkError {
    fn from(error: redis::RedisError) -> Self {
        // The kind and the server's own words, which name no address.
        let detail = error.detail().map(|detail| format!(": {detail}"));
        Self::Refused(format!("{:?}{}", error.kind(), detail.unwrap_or_default()))
    }
}

/// What waits to be handled.
#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    overflown: AtomicBool,
    /// Channels of a shard that we are about to leave.
    leaving: AtomicUsize,
}

impl Waiting {
    /// A channel of a shard has ended: whether we wanted that.
    fn is_expected(&self) -> bool {
        let leave = |leaving: usize| leaving.checked_sub(1);
        let left = self
            .leaving
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, leave);
        left.is_ok()
    }
}

/// The messages that come.
#[derive(Debug)]
pub(super) struct PushedMessages {
    messages: mpsc::Receiver<Option<Bytes>>,
    waiting: Arc<Waiting>,
}

/// How events pass. Every node finds the same, because every one asks the server that has the slot of our names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channels {
    /// Any server; those of a cluster pass all messages on to each other.
    Plain,
    /// Of one shard of a cluster: nothing is passed on to the others.
    Sharded,
}

/// A connection that works.
#[derive(Clone)]
pub(super) struct RedisLink {
    connection: MultiplexedConnection,
    prefix: String,
    channels: Channels,
    /// Whether it is a server of a cluster, which may give our slot to another.
    is_cluster: bool,
    waiting: Arc<Waiting>,
}

impl RedisAddress {
    /// Connects. Up to `max_bytes` of messages may wait to be handled.
    pub(super) async fn connect(&self, max_bytes: usize) -> Result<(RedisLink, PushedMessages), LinkError> {
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let waiting = Arc::new(Waiting::default());
        let counted = Arc::clone(&waiting);
        let config = config().set_push_sender(move |info: PushInfo| -> Result<(), LinkError> {
            let message = match info.kind {
                PushKind::SUnsubscribe if counted.is_expected() => return Ok(()),
                // A channel that we did not leave has moved to another server.
                PushKind::Disconnection | PushKind::SUnsubscribe => None,
                PushKind::Message | PushKind::SMessage => match info.data.into_iter().nth(1) {
                    Some(Value::BulkString(bytes)) => Some(Bytes::from(bytes)),
                    _ => return Ok(()),
                },
                _ => return Ok(()),
            };
            let bytes = message.as_ref().map_or(0, Bytes::len);
            let before = counted.bytes.fetch_add(bytes, Ordering::AcqRel);
            if before.saturating_add(bytes) > max_bytes || sender.try_send(message).is_err() {
                counted.overflown.store(true, Ordering::Release);
                return Err(LinkError::Overflow);
            }
            Ok(())
        });
        let reached = self.reach(&config, where_it_is).await?;
        let Reached {
            mut connection,
            prefix,
            is_cluster,
        } = reached;
        let channels = if is_cluster {
            channels(&mut connection, &prefix).await?
        } else {
            Channels::Plain
        };
        let link = RedisLink {
            connection,
            prefix,
            channels,
            is_cluster,
            waiting: Arc::clone(&waiting),
        };
        Ok((link, PushedMessages { messages, waiting }))
    }
}

/// What this server of a cluster can do.
async fn channels(
    connection: &mut MultiplexedConnection,
    prefix: &str,
) -> Result<Channels, LinkError> {
    let mut command = redis::cmd("SPUBLISH");
    let published = command.arg(format!("{prefix}probe")).arg("");
    match published.exec_async(connection).await {
        Ok(()) => Ok(Channels::Sharded),
        // Before Redis 7.
        Err(error) if is_unknown(&error) => Ok(Channels::Plain),
        Err(error) => Err(error.into()),
    }
}

fn is_unknown(error: &redis::RedisError) -> bool {
    let why = error.detail().unwrap_or_default();
    why.contains("unknown command")
}

impl PushedMessages {
    /// The next messages, up to `max`, in the order in which they came.
    pub(super) async fn next(&mut self, max: usize) -> Result<Vec<Bytes>, LinkError> {
        let mut messages = Vec::new();
        self.messages.recv_many(&mut messages, max).await;
        if self.waiting.overflown.load(Ordering::Acquire) {
            // Something is missing behind these.
            return Err(LinkError::Overflow);
        }
        let count = messages.len();
        let messages: Vec<Bytes> = messages.into_iter().map_while(|message| message).collect();
        let bytes = messages.iter().map(Bytes::len).sum();
        self.waiting.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if messages.is_empty() || messages.len() < count {
            return Err(LinkError::Ended);
        }
        Ok(messages)
    }
}

impl RedisLink {
    /// Subscribes to these channels; when this is done, what is published there comes.
    pub(super) async fn subscribe(&self, channels: Vec<String>) -> Result<(), LinkError> {
        let channels = self.full_names(channels);
        let mut connection = self.connection.clone();
        match self.channels {
            Channels::Plain => Ok(connection.subscribe(channels).await?),
            Channels::Sharded => self.each("SSUBSCRIBE", &channels).await,
        }
    }

    /// Ends subscriptions.
    pub(super) async fn unsubscribe(&self, channels: Vec<String>) -> Result<(), LinkError> {
        let channels = self.full_names(channels);
        let mut connection = self.connection.clone();
        match self.channels {
            Channels::Plain => Ok(connection.unsubscribe(channels).await?),
            Channels::Sharded => {
                let count = channels.len();
                self.waiting.leaving.fetch_add(count, Ordering::AcqRel);
                self.each("SUNSUBSCRIBE", &channels).await
            }
        }
    }

    /// Publishes all of these in one go, in this order. The server is asked for its role behind them: a replica takes what is
    /// published and passes it to nobody, so that it counts as not published.
    pub(super) async fn publish(&self, messages: &[(String, Vec<u8>)]) -> Result<(), LinkError> {
        let command = match self.channels {
            Channels::Plain => "PUBLISH",
            Channels::Sharded => "SPUBLISH",
        };
        let mut pipeline = redis::pipe();
        for (channel, message) in messages {
            let name = format!("{}{channel}", self.prefix);
            let command = pipeline.cmd(command);
            command.arg(name).arg(message.as_slice()).ignore();
        }
        self.with_role(pipeline).await
    }

    /// Whether it answers, takes writes, and still has our names. What was published before has come before the answer.
    pub(super) async fn ping(&self) -> Result<(), LinkError> {
        let mut pipeline = redis::pipe();
        if self.is_cluster {
            pipeline.add_command(where_it_is(&self.prefix)).ignore();
        }
        self.with_role(pipeline).await
    }

    /// What Redis tells of this machine's clock; nothing where its user may not ask.
    pub(super) async fn clock(&self) -> Option<ClockOffset> {
        let (command, asked) = (redis::cmd("TIME"), OffsetDateTime::now_utc());
        let time = command.query_async(&mut self.connection.clone()).await;
        let (seconds, micros): (i64, i64) = time.ok()?;
        let theirs = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
        Some(ClockOffset::new(
            theirs,
            1,
            asked,
            OffsetDateTime::now_utc(),
        ))
    }

    async fn with_role(&self, mut pipeline: Pipeline) -> Result<(), LinkError> {
        pipeline.add_command(role_command());
        let (answer,): (Value,) = pipeline.query_async(&mut self.connection.clone()).await?;
        refuse_replica(&answer)
    }

    /// The library waits for one answer to each command, and Redis gives one for each channel.
    async fn each(&self, command: &str, channels: &[String]) -> Result<(), LinkError> {
        let mut pipeline = redis::pipe();
        for channel in channels {
            pipeline.cmd(command).arg(channel).ignore();
        }
        Ok(pipeline.exec_async(&mut self.connection.clone()).await?)
    }

    fn full_names(&self, channels: Vec<String>) -> Vec<String> {
        let named = |channel: String| format!("{}{channel}", self.prefix);
        channels.into_iter().map(named).collect()
    }
}
