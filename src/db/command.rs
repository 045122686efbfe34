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
use super::group::{Part, Settled};
use super::lane::Lane;
use super::message::NewMessage;
use super::message_store::BoxIds;
use super::request_claim::{ClaimRefusal, RequestClaim};
use super::session_steps::{SessionStep, SessionSteps};

/// What a command works with.
pub(super) struct Work<'a> {
    pub(super) connection: &'a mut AnyConnection,
    pub(super) boxes: &'a mut BoxIds,
    pub(super) now: &'a Now,
    pub(super) fees: &'a DeliveryFees,
    /// What came of the group's steps of sessions.
    pub(super) sessions: &'a SessionSteps,
}

/// Something to write.
pub(super) trait Command: Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Runs inside the transaction of a group. A group that fails is tried again write by write, so this may
    /// run twice; what counts is the run that is committed.
    fn run(&self, work: &mut Work<'_>) -> QueryResult<Self::Output>;

    /// For whom it is done.
    fn owner(&self) -> Option<IdentityKey> {
        None
    }

    /// Each has a turn, however many writes others have waiting.
    fn lane(&self) -> Lane {
        self.owner().into()
    }

    /// Its part in a group. One that is settled in memory is not run.
    fn part(&self) -> Part<'_> {
        Part::Rare
    }

    /// Its output, where it was settled in memory.
    fn output_of(&self, _settled: Settled) -> Option<Self::Output> {
        None
    }

    /// A step of a session, which is taken for the whole group before any write is run.
    fn session_step(&self) -> Option<&SessionStep> {
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
    fn lane(&self) -> Lane;
    fn session_step(&self) -> Option<&SessionStep>;
    /// The request that it counts.
    fn claim(&self) -> Option<&RequestClaim>;
    /// It is not run: its request does not count.
    fn refuse(&mut self, refusal: ClaimRefusal);
    fn places(&self) -> usize;
    fn bytes(&self) -> usize;
    fn messages(&self) -> usize;
    fn part(&self) -> Part<'_>;
    fn settle(&mut self, settled: Settled);
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
    claim: Option<RequestClaim>,
    /// Of the last run.
    refusal: Option<ClaimRefusal>,
    /// The answer comes on the writer's thread.
    trace: Option<TraceId>,
}

/// Puts a command and its answer together; the command counts a request if one is given.
pub(super) fn write<C: Command>(
    command: C,
    claim: Option<RequestClaim>,
    reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
) -> Box<dyn Write> {
    Box::new(Job {
        command,
        output: None,
        reply,
        claim,
        refusal: None,
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

    fn lane(&self) -> Lane {
        self.command.lane()
    }

    fn session_step(&self) -> Option<&SessionStep> {
        self.command.session_step()
    }

    fn claim(&self) -> Option<&RequestClaim> {
        self.claim.as_ref()
    }

    fn refuse(&mut self, refusal: ClaimRefusal) {
        self.refusal = Some(refusal);
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

    fn part(&self) -> Part<'_> {
        self.command.part()
    }

    fn settle(&mut self, settled: Settled) {
        self.refusal = None;
        self.output = self.command.output_of(settled);
    }

    fn run(&mut self, work: &mut Work<'_>) -> QueryResult<()> {
        self.refusal = None;
        self.output = Some(self.command.run(work)?);
        Ok(())
    }

    fn committed(self: Box<Self>) -> (Vec<NewMessage>, Option<TraceId>) {
        let Self {
            command,
            output,
            reply,
            claim,
            refusal,
            trace,
        } = *self;
        let answer = |result| telemetry::within(trace, || reply(result));
        if let (Some(claim), Some(refusal)) = (claim, refusal) {
            claim.refuse(refusal);
            let refused = || answer(Err(DbError::NotCounted(refusal)));
            let _ = panics::contain("DbExecutor", refused);
            return (Vec::new(), trace);
        }
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
