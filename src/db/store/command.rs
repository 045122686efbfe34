//! What is done in a transaction of the writer.

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

/// What a command works with.
pub(in crate::db) struct Work<'a> {
    pub(in crate::db) connection: &'a mut AnyConnection,
    pub(in crate::db) boxes: &'a mut BoxIds,
    pub(in crate::db) now: &'a Now,
    pub(in crate::db) fees: &'a DeliveryFees,
    /// How long messages of single boxes are kept.
    pub(in crate::db) retention: &'a Retention,
    pub(in crate::db) quotas: &'a Quotas,
    /// What the group changes of what identities have stored.
    pub(in crate::db) totals: &'a mut TotalChanges,
    /// What came of the group's steps of sessions.
    pub(in crate::db) sessions: &'a SessionSteps,
}

/// Something to write.
pub(in crate::db) trait Command: Send + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Runs inside the transaction of a group. A group that fails is tried again write by write, so this may
    /// run twice; what counts is the run that is committed.
    fn run(&self, work: &mut Work<'_>) -> QueryResult<Self::Output>;

    /// For whom it is done.
    fn owner(&self) -> Option<IdentityKey> {
        None
    }

    /// The same, with those that are nobody in particular.
    fn holder(&self) -> Owner {
        self.owner().map_or(Owner::Server, Owner::Identity)
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

/// The part that a command has in its group.
#[derive(Debug)]
pub(in crate::db) enum Part<'a> {
    /// Settled in memory.
    Submission(&'a Submission),
    /// Settled in memory.
    Acknowledge(&'a Acknowledge),
    /// Runs no statement of its own.
    Stateless,
    /// Runs its own statements, in its place.
    Rare,
}

/// The outcome of a command that was settled in memory.
#[derive(Debug)]
pub(in crate::db) enum Settled {
    Submission(SubmitOutcome),
    Acknowledged(usize),
}

/// Runs `steps` so that a refusal takes back what they did, and nothing else of the group.
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
            // Boxes that were made have gone with the rest.
            work.boxes.forget();
            Ok(refusal)
        }
    }
}
