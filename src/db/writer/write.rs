//! A command in the queue of the writer, and whom to tell when it is durable.

use std::fmt;

use diesel::prelude::*;

use crate::db::engine::error::DbError;
use crate::db::store::command::{Command, Part, Settled, Work};
use crate::db::store::lane::Lane;
use crate::db::store::session_step::SessionStep;
use crate::limits::AddressKey;
use crate::model::{ClaimRefusal, NewMessage, RequestClaim};
use crate::panics;
use crate::telemetry::{self, TraceId};

/// A command with its answer, as the queue holds it.
pub(in crate::db) trait Write: Send {
    /// Whose turn and whose share it is.
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
    address: Option<AddressKey>,
    /// Of the last run.
    refusal: Option<ClaimRefusal>,
    /// The answer comes on the writer's thread.
    trace: Option<TraceId>,
}

/// Puts a command and its answer together; the command counts a request if one is given. `address` is where its client is.
pub(in crate::db) fn write<C: Command>(
    command: C,
    claim: Option<RequestClaim>,
    address: Option<AddressKey>,
    reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
) -> Box<dyn Write> {
    Box::new(Job {
        command,
        output: None,
        reply,
        claim,
        address,
        refusal: None,
        trace: telemetry::current(),
    })
}

impl<C, R> Write for Job<C, R>
where
    C: Command,
    R: FnOnce(Result<C::Output, DbError>) + Send,
{
    fn lane(&self) -> Lane {
        Lane::new(self.command.holder(), self.address)
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
            ..
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
