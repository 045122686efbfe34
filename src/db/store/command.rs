//! Commands: units of work inside the writer's transaction.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::transaction;
use crate::ids::IdentityKey;
use crate::limits::Owner;
use crate::model::{NewMessage, Quotas, Submission, SubmitOutcome};

use super::fees::DeliveryFees;
use super::messages::box_ids::{BoxIds, Retention};
use super::sessions::session_step::{SessionStep, SessionSteps};
use super::totals::changes::TotalChanges;

/// The context of a command.
pub(crate) struct WriteScope<'a> {
    pub(crate) connection: &'a mut AnyConnection,
    pub(crate) boxes: &'a mut BoxIds,
    pub(crate) now: &'a Now,
    pub(crate) fees: &'a DeliveryFees,
    /// How long messages live in single boxes.
    pub(crate) retention: &'a Retention,
    pub(crate) quotas: &'a Quotas,
    /// The group's changes of stored totals.
    pub(crate) totals: &'a mut TotalChanges,
    /// The results of the group's session steps.
    pub(crate) sessions: &'a SessionSteps,
}

/// A unit of work that writes.
pub(crate) trait WriteCommand: Send + 'static {
    /// The result of the command.
    type Output: Send + 'static;

    /// Runs inside a group's transaction. A failed group is retried in smaller parts, so this may run twice. Only the
    /// committed run counts.
    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<Self::Output>;

    /// The identity that the command works for.
    fn owner(&self) -> Option<IdentityKey> {
        None
    }

    /// The owner of the command's queue and budget.
    fn holder(&self) -> Owner {
        self.owner().map_or(Owner::Server, Owner::Identity)
    }

    /// How the command joins its group. A command that is decided in memory is not run.
    fn batching(&self) -> Batching<'_> {
        Batching::Individual
    }

    /// Converts a decision made in memory to the command's output.
    fn output_of(&self, _decided: Decided) -> Option<Self::Output> {
        None
    }

    /// A session step, applied for the whole group before any command runs.
    fn session_step(&self) -> Option<&SessionStep> {
        None
    }

    /// Places that the command takes in the queue.
    fn places(&self) -> usize {
        1
    }

    /// Bytes of messages that the command holds while it is queued.
    fn bytes(&self) -> usize {
        0
    }

    /// Maximum number of messages that the command stores.
    fn messages(&self) -> usize {
        0
    }

    /// Whether its messages came with a payment.
    fn has_payment(&self) -> bool {
        false
    }

    /// The messages that are now durable, in order.
    fn stored(self, _output: &Self::Output) -> Vec<NewMessage>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// How a command joins its group.
#[derive(Debug)]
pub(crate) enum Batching<'a> {
    /// The group decides its outcome in memory.
    Submission(&'a Submission),
    /// The group decides its outcome in memory.
    Acknowledge {
        recipient: IdentityKey,
        message_ids: &'a [String],
    },
    /// Runs no statement of its own.
    NoStatements,
    /// Runs its own statements at its position in the group.
    Individual,
}

/// The outcome of a command that was decided in memory.
#[derive(Debug)]
pub(crate) enum Decided {
    Submission(SubmitOutcome),
    Acknowledged(usize),
}

/// The end of steps that count all or not at all.
pub(crate) enum Attempt<T> {
    Done(T),
    /// The steps must be rolled back.
    Refused(T),
}

/// Runs `steps` under a savepoint: a refusal rolls back these steps and nothing else of the group.
pub(crate) fn all_or_nothing<T>(
    scope: &mut WriteScope<'_>,
    steps: impl FnOnce(&mut WriteScope<'_>) -> QueryResult<Attempt<T>>,
) -> QueryResult<T> {
    transaction::set_savepoint(scope.connection)?;
    scope.totals.mark();
    match steps(scope)? {
        Attempt::Done(done) => {
            transaction::release_savepoint(scope.connection)?;
            Ok(done)
        }
        Attempt::Refused(refusal) => {
            transaction::return_to_savepoint(scope.connection)?;
            scope.totals.take_back();
            // Boxes created since the savepoint are rolled back too.
            scope.boxes.forget();
            Ok(refusal)
        }
    }
}
