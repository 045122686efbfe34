//! What is done in a transaction of the writer, and whom to tell when it is durable.

use std::fmt;

use diesel::prelude::*;

use crate::ids::IdentityKey;
use crate::panics;
use crate::telemetry::{self, TraceId};

use super::any_connection::AnyConnection;
use super::clock::Now;
use super::error::DbError;
use super::fees::DeliveryFees;
use super::message::NewMessage;
use super::message_store::BoxIds;

/// What a command works with.
pub(super) struct Work<'a> {
    pub(super) connection: &'a mut AnyConnection,
    pub(super) boxes: &'a mut BoxIds,
    pub(super) now: &'a Now,
    pub(super) fees: &'a DeliveryFees,
}

/// Something to write.
pub(super) trait Command: Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Runs inside the transaction of a group. A group that fails is tried again write by write, so this may
    /// run twice; what counts is the run that is committed.
    fn run(&self, work: &mut Work<'_>) -> QueryResult<Self::Output>;

    /// For whom it is done: each has a turn, however many writes others have waiting.
    fn owner(&self) -> Option<IdentityKey> {
        None
    }

    /// How many of the places in the queue it takes.
    fn places(&self) -> usize {
        1
    }

    /// How many bytes of messages it holds while it waits.
    fn bytes(&self) -> usize {
        0
    }

    /// How many messages it may store.
    fn messages(&self) -> usize {
        0
    }

    /// Whether its messages came with a payment.
    fn has_payment(&self) -> bool {
        false
    }

    /// The messages that are durable now, in order.
    fn stored(self, _output: &Self::Output) -> Vec<NewMessage>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// A command with its answer, as the queue holds it.
pub(super) trait Write: Send {
    fn owner(&self) -> Option<IdentityKey>;
    fn places(&self) -> usize;
    fn bytes(&self) -> usize;
    fn messages(&self) -> usize;
    fn run(&mut self, work: &mut Work<'_>) -> QueryResult<()>;
    /// Whether its messages came with a payment.
    fn has_payment(&self) -> bool;
    /// It is durable: answers, and gives the messages that it stored, with the id of what they belong to in the log.
    fn committed(self: Box<Self>) -> (Vec<NewMessage>, Option<TraceId>);
    /// Answers with a failure.
    fn fail(self: Box<Self>, error: DbError);
}

impl fmt::Debug for dyn Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Write")
    }
}

struct Job<C: Command, R> {
    command: C,
    output: Option<C::Output>,
    reply: R,
    /// The answer comes on the writer's thread.
    trace: Option<TraceId>,
}

/// Puts a command and its answer together.
pub(super) fn write<C: Command>(
    command: C,
    reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
) -> Box<dyn Write> {
    Box::new(Job {
        command,
        output: None,
        reply,
        trace: telemetry::current(),
    })
}

impl<C, R> Write for Job<C, R>
where
    C: Command,
    R: FnOnce(Result<C::Output, DbError>) + Send,
{
    fn owner(&self) -> Option<IdentityKey> {
        self.command.owner()
    }

    fn places(&self) -> usize {
        self.command.places()
    }

    fn bytes(&self) -> usize {
        self.command.bytes()
    }

    fn messages(&self) -> usize {
        self.command.messages()
    }

    fn has_payment(&self) -> bool {
        self.command.has_payment()
    }

    fn run(&mut self, work: &mut Work<'_>) -> QueryResult<()> {
        self.output = Some(self.command.run(work)?);
        Ok(())
    }

    fn committed(self: Box<Self>) -> (Vec<NewMessage>, Option<TraceId>) {
        let Self {
            command,
            output,
            reply,
            trace,
        } = *self;
        let answer = |result| telemetry::within(trace, || reply(result));
        let Some(output) = output else {
            answer(Err(DbError::Panicked));
            return (Vec::new(), trace);
        };
        let stored = command.stored(&output);
        // The answer is somebody else's code.
        let _ = panics::contain("DbExecutor", || answer(Ok(output)));
        (stored, trace)
    }

    fn fail(self: Box<Self>, error: DbError) {
        let answer = || telemetry::within(self.trace, || (self.reply)(Err(error)));
        let _ = panics::contain("DbExecutor", answer);
    }
}
