//! The connection to Redis for room events: one for both directions, with pushed messages (RESP3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, PushKind, Value};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::outbound::ClockOffset;

use super::address::{Reached, RedisAddress, config, where_it_is};
use super::error::LinkError;
use super::role::{refuse_replica, role_command};

/// Largest number of received messages that are not handled yet, beside the bound of their bytes.
const MAX_WAITING: usize = 65_536;

/// Received messages that are not handled yet.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    overflown: AtomicBool,
    /// Channels of a shard that this node is unsubscribing from.
    leaving: AtomicUsize,
}

impl Backlog {
    /// Whether this node asked for the unsubscription that Redis reports.
    fn is_expected(&self) -> bool {
        let leave = |leaving: usize| leaving.checked_sub(1);
        let left = self
            .leaving
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, leave);
        left.is_ok()
    }
}

/// The receiving half of a connection.
#[derive(Debug)]
pub(crate) struct PushedMessages {
    messages: mpsc::Receiver<Option<Bytes>>,
    backlog: Arc<Backlog>,
}

/// The kind of channels. All nodes find the same kind, because all ask the server that has the slot of our names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channels {
    /// Channels of any server. Servers of a cluster forward all messages to each other.
    Plain,
    /// Channels of one shard of a cluster. Its messages are not forwarded to other shards.
    Sharded,
}

/// The sending half of a connection.
#[derive(Clone)]
pub(crate) struct RedisLink {
    connection: MultiplexedConnection,
    prefix: String,
    channels: Channels,
    /// Whether the server belongs to a cluster, which may move our slot to another server.
    is_cluster: bool,
    backlog: Arc<Backlog>,
}

impl RedisAddress {
    /// Connects. Received messages that are not handled yet may have up to `max_bytes`.
    pub(crate) async fn connect(
        &self,
        max_bytes: usize,
    ) -> Result<(RedisLink, PushedMessages), LinkError> {
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let backlog = Arc::new(Backlog::default());
        let counted = Arc::clone(&backlog);
        let config = config().set_push_sender(move |info: PushInfo| -> Result<(), LinkError> {
            let message = match info.kind {
                PushKind::SUnsubscribe if counted.is_expected() => return Ok(()),
                // An unexpected unsubscription: the channel has moved to another server.
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
            backlog: Arc::clone(&backlog),
        };
        Ok((link, PushedMessages { messages, backlog }))
    }
}

/// The kind of channels that this server of a cluster supports.
async fn channels(
    connection: &mut MultiplexedConnection,
    prefix: &str,
) -> Result<Channels, LinkError> {
    let mut command = redis::cmd("SPUBLISH");
    let published = command.arg(format!("{prefix}probe")).arg("");
    match published.exec_async(connection).await {
        Ok(()) => Ok(Channels::Sharded),
        // Versions before Redis 7 have no shard channels.
        Err(error) if is_unknown(&error) => Ok(Channels::Plain),
        Err(error) => Err(error.into()),
    }
}

fn is_unknown(error: &redis::RedisError) -> bool {
    let why = error.detail().unwrap_or_default();
    why.contains("unknown command")
}

impl PushedMessages {
    /// The next messages, up to `max`, in the order of arrival.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Vec<Bytes>, LinkError> {
        let mut messages = Vec::new();
        self.messages.recv_many(&mut messages, max).await;
        if self.backlog.overflown.load(Ordering::Acquire) {
            // A message after these was dropped.
            return Err(LinkError::Overflow);
        }
        let count = messages.len();
        let messages: Vec<Bytes> = messages.into_iter().map_while(|message| message).collect();
        let bytes = messages.iter().map(Bytes::len).sum();
        self.backlog.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if messages.is_empty() || messages.len() < count {
            return Err(LinkError::Ended);
        }
        Ok(messages)
    }
}

impl RedisLink {
    /// Subscribes to channels. Messages published after this returns arrive.
    pub(crate) async fn subscribe(&self, channels: Vec<String>) -> Result<(), LinkError> {
        let channels = self.full_names(channels);
        let mut connection = self.connection.clone();
        match self.channels {
            Channels::Plain => Ok(connection.subscribe(channels).await?),
            Channels::Sharded => self.each("SSUBSCRIBE", &channels).await,
        }
    }

    /// Unsubscribes from these channels.
    pub(crate) async fn unsubscribe(&self, channels: Vec<String>) -> Result<(), LinkError> {
        let channels = self.full_names(channels);
        let mut connection = self.connection.clone();
        match self.channels {
            Channels::Plain => Ok(connection.unsubscribe(channels).await?),
            Channels::Sharded => {
                let count = channels.len();
                self.backlog.leaving.fetch_add(count, Ordering::AcqRel);
                self.each("SUNSUBSCRIBE", &channels).await
            }
        }
    }

    /// Publishes messages in one pipeline, in this order. The pipeline ends with a question for the server's role.
    ///
    /// A replica accepts messages without forwarding them, so they count as not published.
    pub(crate) async fn publish(&self, messages: &[(String, Vec<u8>)]) -> Result<(), LinkError> {
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

    /// Checks that the server answers, takes writes and has our names. Messages published earlier arrive before the answer.
    pub(crate) async fn ping(&self) -> Result<(), LinkError> {
        let mut pipeline = redis::pipe();
        if self.is_cluster {
            pipeline.add_command(where_it_is(&self.prefix)).ignore();
        }
        self.with_role(pipeline).await
    }

    /// The offset of this machine's clock; `None` if the user may not ask for the time.
    pub(crate) async fn clock(&self) -> Option<ClockOffset> {
        let (command, sent) = (redis::cmd("TIME"), OffsetDateTime::now_utc());
        let time = command.query_async(&mut self.connection.clone()).await;
        let (seconds, micros): (i64, i64) = time.ok()?;
        let theirs = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
        Some(ClockOffset::new(theirs, 1, sent, OffsetDateTime::now_utc()))
    }

    async fn with_role(&self, mut pipeline: Pipeline) -> Result<(), LinkError> {
        pipeline.add_command(role_command());
        let (answer,): (Value,) = pipeline.query_async(&mut self.connection.clone()).await?;
        refuse_replica(&answer)
    }

    /// Sends one command for each channel: the library expects one answer to a command, but Redis sends one for each channel.
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
