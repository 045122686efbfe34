//! What the routes of admins use, and how they ask the actors.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message};
use tokio::sync::{Notify, Semaphore};

use crate::admin::{
    Admin, DEADLINE, GetHistory, GetServerStatus, Guard, HistoryReport, ServerStatus,
};
use crate::authsocket::AuthSocketSession;
use crate::db::{DbError, DbHandle};
use crate::engineio::CloseReason;
use crate::http::error::{ApiError, store_error};
use crate::ids::IdentityKey;
use crate::live::Live;
use crate::rooms::{RoomRegistry, RoomsHandle};
use crate::socket::SocketTable;

/// How long a route waits for the admin actor, whose own deadlines are shorter.
const ADMIN_DEADLINE: Duration = DEADLINE.saturating_mul(4);

/// What the routes of admins use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// Collects the status and the history.
    pub admin: Addr<Admin>,
    /// Admits admins by token, key or machine.
    pub guard: Live<Guard>,
    /// Whether `/metrics` is open to everybody.
    pub public_metrics: bool,
    /// The sockets of this server.
    pub sockets: Arc<SocketTable<AuthSocketSession>>,
    /// The rooms of this server.
    pub rooms: RoomsHandle,
    /// The database of the server.
    pub db: DbHandle,
    /// Notified when an admin wants the server to shut down.
    pub drain: Arc<Notify>,
    /// Permits for event streams of the dashboard.
    pub streams: Arc<Semaphore>,
}

impl AdminState {
    pub(super) async fn status(&self) -> Result<Arc<ServerStatus>, ApiError> {
        let status = ask(&self.admin, GetServerStatus, ADMIN_DEADLINE).await?;
        status.ok_or_else(unresponsive)
    }

    pub(super) async fn history(&self) -> Result<HistoryReport, ApiError> {
        let history = ask(&self.admin, GetHistory, ADMIN_DEADLINE).await?;
        history.ok_or_else(unresponsive)
    }

    /// Asks the registry of rooms.
    pub(super) async fn ask_rooms<M>(&self, message: M) -> Result<M::Result, ApiError>
    where
        M: Message<Result: Send> + Send + 'static,
        RoomRegistry: Handler<M>,
    {
        ask(self.rooms.registry(), message, DEADLINE).await
    }
}

async fn ask<A, M>(actor: &Addr<A>, message: M, deadline: Duration) -> Result<M::Result, ApiError>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message<Result: Send> + Send + 'static,
{
    let answer = tokio::time::timeout(deadline, actor.send(message)).await;
    answer.ok().and_then(Result::ok).ok_or_else(unresponsive)
}

fn unresponsive() -> ApiError {
    ApiError::unavailable(
        "ERR_UNRESPONSIVE",
        "The actor that knows it did not answer in time.",
    )
}

/// For `map_err`: the failure of a query.
pub(super) fn database_error(error: DbError) -> ApiError {
    store_error("ERR_DATABASE_ERROR", "The database could not be asked.")(error)
}

/// Closes the sockets of these identities, and counts them.
pub(super) fn close_sockets(
    sockets: &SocketTable<AuthSocketSession>,
    is_meant: impl Fn(IdentityKey) -> bool,
) -> usize {
    let mut sids = Vec::new();
    sockets.for_each(|sid, record| {
        if record.identity().is_some_and(&is_meant) {
            sids.push(sid);
        }
    });
    // Only now: closing a socket changes the table.
    let close = |sid| sockets.close(sid, CloseReason::ForcedClose);
    sids.into_iter().filter(|sid| close(*sid)).count()
}
