//! Commands: units of work inside the writer's transaction.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::engine::dialect;
use crate::ids::IdentityKey;
use crate::limits::Owner;
use crate::model::{NewMessage, Quotas, Submission, SubmitOutcome};

use super::fees::DeliveryFees;
use super::message_store::{Acknowledge, BoxIds, Retention};
use super::session_step::{SessionStep, SessionSteps};
use super::totals::TotalChanges;

/// The context of a command.
pub(in crate::db) struct Work<'a> {
    pub(in crate::db) connection: &'a mut AnyConnection,
    pub(in crate::db) boxes: &'a mut BoxIds,
    pub(in crate::db) now: &'a Now,
    pub(in crate::db) fees: &'a DeliveryFees,
    /// How long messages live in single boxes.
    pub(in crate::db) retention: &'a Retention,
    pub(in crate::db) quotas: &'a Quotas,
    /// The group's changes of stored totals.
    pub(in crate::db) totals: &'a mut TotalChanges,
    /// The results of the group's session steps.
    pub(in crate::db) sessions: &'a SessionSteps,
}

/// A unit of work that writes.
pub(in crate::db) trait Command: Send + 'static {
    /// The result of the command.
    type Output: Send + 'static;

    /// Runs inside a group's transaction. A failed group is retried in smaller parts, so this may run twice. Only the
    /// committed run counts.
    fn run(&self, work: &mut Work<'_>) -> QueryResult<Self::Output>;

    /// The identity that the command works for.
    fn owner(&self) -> Option<IdentityKey> {
        None
    }

    /// The owner of the command's queue and budget.
    fn holder(&self) -> Owner {
        self.owner().map_or(Owner::Server, Owner::Identity)
    }

    /// How the command joins its group. A command that is decided in memory is not run.
    fn part(&self) -> Part<'_> {
        Part::Rare
    }

    /// Converts a decision made in memory to the command's output.
    fn output_of(&self, _settled: Settled) -> Option<Self::Output> {
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
pub(in crate::db) enum Part<'a> {
    /// The group decides its outcome in memory.
    Submission(&'a Submission),
    /// The group decides its outcome in memory.
    Acknowledge(&'a Acknowledge),
    /// Runs no statement of its own.
    Stateless,
    /// Runs its own statements at its position in the group.
    Rare,
}

/// The outcome of a command that was decided in memory.
#[derive(Debug)]
pub(in crate::db) enum Settled {
    Submission(SubmitOutcome),
    Acknowledged(usize),
}

/// Runs `steps` under a savepoint: a refusal rolls back these steps and nothing else of the group.
pub(in crate::db) fn all_or_nothing<T>(
    work: &mut Work<'_>,
    steps: impl FnOnce(&mut Work<'_>) -> QueryResult<Result<T, T>>,
) -> QueryResult<T> {
    dialect::set_savepoint(work.connection)?;
    work.totals.mark();
    match steps(work)? {
        Ok(done) => {
            dialect::release_savepoint(work.connection)?;
            Ok(done)
        }
        Err(refusal) => {
            dialect::return_to_savepoint(work.connection)?;
            work.totals.take_back();
            // Boxes created since the savepoint are rolled back too.
            work.boxes.forget();
            Ok(refusal)
        }
    }
}
