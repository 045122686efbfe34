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
pub(crate) trait QueuedWrite: Send {
    /// The requester whose turn and share it uses.
    fn requester(&self) -> Requester;
    fn session_step(&self) -> Option<&SessionStep>;
    /// The request that it claims.
    fn claim(&self) -> Option<&RequestClaim>;
    /// Marks the write as refused, so it is not run.
    fn refuse(&mut self, refusal: ClaimRefusal);
    fn places(&self) -> usize;
    fn bytes(&self) -> usize;
    fn messages(&self) -> usize;
    fn batching(&self) -> Batching<'_>;
    fn decide(&mut self, decided: Decided);
    fn run(&mut self, scope: &mut WriteScope<'_>) -> QueryResult<()>;
    /// Whether its messages came with a payment.
    fn has_payment(&self) -> bool;
    /// Sends the reply after the commit. Returns the stored messages and the trace id for the log.
    fn committed(self: Box<Self>) -> (Vec<NewMessage>, Option<TraceId>);
    /// Replies with an error.
    fn fail(self: Box<Self>, error: DbError);
}

impl fmt::Debug for dyn QueuedWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Write")
    }
}

struct Job<C: WriteCommand, R> {
    command: C,
    output: Option<C::Output>,
    reply: R,
    claim: Option<RequestClaim>,
    address: Option<AddressKey>,
    /// Set by the last run.
    refusal: Option<ClaimRefusal>,
    /// The reply runs on the writer's thread.
    trace: Option<TraceId>,
}

/// Combines a command with its reply. The command claims a request if one is given. `address` is the client's address.
pub(crate) fn write<C: WriteCommand>(
    command: C,
    claim: Option<RequestClaim>,
    address: Option<AddressKey>,
    reply: impl FnOnce(Result<C::Output, DbError>) + Send + 'static,
) -> Box<dyn QueuedWrite> {
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

impl<C, R> QueuedWrite for Job<C, R>
where
    C: WriteCommand,
    R: FnOnce(Result<C::Output, DbError>) + Send,
{
    fn requester(&self) -> Requester {
        Requester::new(self.command.holder(), self.address)
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

    fn batching(&self) -> Batching<'_> {
        self.command.batching()
    }

    fn decide(&mut self, decided: Decided) {
        self.refusal = None;
        self.output = self.command.output_of(decided);
    }

    fn run(&mut self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        self.refusal = None;
        self.output = Some(self.command.run(scope)?);
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
        // The reply runs the caller's code.
        let _ = panics::contain("DbExecutor", || answer(Ok(output)));
        (stored, trace)
    }

    fn fail(self: Box<Self>, error: DbError) {
        let answer = || telemetry::within(self.trace, || (self.reply)(Err(error)));
        let _ = panics::contain("DbExecutor", answer);
    }
}
