//! A queued command with its reply.

use std::fmt;

use diesel::prelude::*;

use crate::db::engine::error::DbError;
use crate::db::store::command::{Batching, Decided, WriteCommand, WriteScope};
use crate::db::store::requester::Requester;
use crate::db::store::sessions::session_step::SessionStep;
use crate::limits::AddressKey;
use crate::model::{ClaimRefusal, NewMessage, RequestClaim};
use crate::panics;
use crate::telemetry::{self, TraceId};

/// A command with its reply, as the queue holds it.
pub(crate) struct QueuedWrite {
    pub(crate) requester: Requester,
    /// Places that it takes in the queue.
    pub(crate) places: usize,
    /// Bytes of messages that it holds.
    pub(crate) bytes: usize,
    /// Maximum number of messages that it stores.
    pub(crate) messages: usize,
    pub(crate) has_payment: bool,
    /// The request that it claims.
    pub(crate) claim: Option<RequestClaim>,
    /// Set by the last run.
    refusal: Option<ClaimRefusal>,
    /// The reply runs on the writer's thread.
    trace: Option<TraceId>,
    job: Box<dyn Job>,
}

impl fmt::Debug for QueuedWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueuedWrite")
    }
}

impl QueuedWrite {
    /// Combines a command with its reply. The command claims a request if one is given. `address` is the client's
    /// address.
    pub(crate) fn new<C: WriteCommand>(
        command: C,
        claim: Option<RequestClaim>,
        address: Option<AddressKey>,
        reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
    ) -> Self {
        Self {
            requester: Requester::new(command.holder(), address),
            places: command.places(),
            bytes: command.bytes(),
            messages: command.messages(),
            has_payment: command.has_payment(),
            claim,
            refusal: None,
            trace: telemetry::current(),
            job: Box::new(Task {
                command,
                output: None,
                reply,
            }),
        }
    }

    pub(crate) fn session_step(&self) -> Option<&SessionStep> {
        self.job.session_step()
    }

    pub(crate) fn batching(&self) -> Batching<'_> {
        self.job.batching()
    }

    /// Marks the write as refused, so it is not run.
    pub(crate) const fn refuse(&mut self, refusal: ClaimRefusal) {
        self.refusal = Some(refusal);
    }

    pub(crate) fn decide(&mut self, decided: Decided) {
        self.refusal = None;
        self.job.decide(decided);
    }

    pub(crate) fn run(&mut self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        self.refusal = None;
        self.job.run(scope)
    }

    /// Sends the reply after the commit. Returns the stored messages and the trace id for the log.
    pub(crate) fn committed(self) -> (Vec<NewMessage>, Option<TraceId>) {
        let (trace, job) = (self.trace, self.job);
        let stored = match self.claim.zip(self.refusal) {
            Some((claim, refusal)) => {
                claim.refuse(refusal);
                telemetry::within(trace, || job.fail(DbError::NotCounted(refusal)));
                Vec::new()
            }
            None => telemetry::within(trace, || job.committed()),
        };
        (stored, trace)
    }

    /// Replies with an error.
    pub(crate) fn fail(self, error: DbError) {
        telemetry::within(self.trace, || self.job.fail(error));
    }
}

/// A command of any type with its reply.
trait Job: Send {
    fn session_step(&self) -> Option<&SessionStep>;
    fn batching(&self) -> Batching<'_>;
    fn decide(&mut self, decided: Decided);
    fn run(&mut self, scope: &mut WriteScope<'_>) -> QueryResult<()>;
    fn committed(self: Box<Self>) -> Vec<NewMessage>;
    fn fail(self: Box<Self>, error: DbError);
}

struct Task<C: WriteCommand, R> {
    command: C,
    output: Option<C::Output>,
    reply: R,
}

impl<C, R> Job for Task<C, R>
where
    C: WriteCommand,
    R: FnOnce(Result<C::Output, DbError>) + Send,
{
    fn session_step(&self) -> Option<&SessionStep> {
        self.command.session_step()
    }

    fn batching(&self) -> Batching<'_> {
        self.command.batching()
    }

    fn decide(&mut self, decided: Decided) {
        self.output = self.command.output_of(decided);
    }

    fn run(&mut self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        self.output = Some(self.command.run(scope)?);
        Ok(())
    }

    fn committed(mut self: Box<Self>) -> Vec<NewMessage> {
        let Some(output) = self.output.take() else {
            self.fail(DbError::Panicked);
            return Vec::new();
        };
        let Self { command, reply, .. } = *self;
        let stored = command.stored(&output);
        // The reply runs the caller's code.
        let _ = panics::contain("DbExecutor", || reply(Ok(output)));
        stored
    }

    fn fail(self: Box<Self>, error: DbError) {
        let _ = panics::contain("DbExecutor", || (self.reply)(Err(error)));
    }
}
