//! What is done in a transaction of the writer, and whom to tell when it is durable.

use std::fmt;

use diesel::prelude::*;

use super::clock::Now;
use super::connection::DbConnection;
use super::error::DbError;
use super::fees::DeliveryFees;
use super::message::NewMessage;
use super::message_store::BoxIds;

/// What a command works with.
pub(super) struct Work<'a> {
    pub(super) connection: &'a mut DbConnection,
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

    /// How many of the places in the queue it takes.
    fn places(&self) -> usize {
        1
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
    fn places(&self) -> usize;
    fn run(&mut self, work: &mut Work<'_>) -> QueryResult<()>;
    /// It is durable: answers, and gives the messages that it stored.
    fn committed(self: Box<Self>) -> Vec<NewMessage>;
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
    })
}

impl<C, R> Write for Job<C, R>
where
    C: Command,
    R: FnOnce(Result<C::Output, DbError>) + Send,
{
    fn places(&self) -> usize {
        self.command.places()
    }

    fn run(&mut self, work: &mut Work<'_>) -> QueryResult<()> {
        self.output = Some(self.command.run(work)?);
        Ok(())
    }

    fn committed(self: Box<Self>) -> Vec<NewMessage> {
        let Self {
            command,
            output,
            reply,
        } = *self;
        let Some(output) = output else {
            reply(Err(DbError::Panicked));
            return Vec::new();
        };
        let stored = command.stored(&output);
        reply(Ok(output));
        stored
    }

    fn fail(self: Box<Self>, error: DbError) {
        (self.reply)(Err(error));
    }
}
