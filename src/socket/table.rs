//! Finds sockets by session id, and bounds how many there are.
//!
//! A shared map rather than an actor: every polling request looks its socket up, and a mailbox would put
//! all of them in one line.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix::Addr;
use dashmap::DashMap;
use thiserror::Error;

use crate::engineio::CloseReason;
use crate::ids::Sid;

use super::actor::Socket;
use super::application::Application;
use super::commands::Close;

/// The server has as many sockets as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the server has as many sockets as it may have")]
pub struct TableFull;

/// The sockets of one endpoint.
#[derive(Debug)]
pub struct SocketTable<A: Application> {
    sockets: DashMap<Sid, Addr<Socket<A>>>,
    reserved: AtomicUsize,
    max_sockets: usize,
}

impl<A: Application> SocketTable<A> {
    /// An empty table for at most `max_sockets`.
    #[must_use]
    pub fn new(max_sockets: usize) -> Self {
        Self {
            sockets: DashMap::new(),
            reserved: AtomicUsize::new(0),
            max_sockets,
        }
    }

    /// Sockets that are open now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Whether no socket is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The socket of this session.
    #[must_use]
    pub fn get(&self, sid: Sid) -> Option<Addr<Socket<A>>> {
        self.sockets.get(&sid).map(|entry| entry.value().clone())
    }

    /// Takes a place for a socket that is about to start.
    pub(super) fn reserve(&self) -> Result<(), TableFull> {
        let reserve = |count| (count < self.max_sockets).then_some(count + 1);
        self.reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
            .map(drop)
            .map_err(|_| TableFull)
    }

    /// Makes a socket findable.
    pub(super) fn insert(&self, sid: Sid, socket: Addr<Socket<A>>) {
        self.sockets.insert(sid, socket);
    }

    /// Forgets a socket's session id; its place is kept until [`Self::release`].
    pub(super) fn forget(&self, sid: Sid) {
        self.sockets.remove(&sid);
    }

    /// Gives the place of a socket back.
    pub(super) fn release(&self) {
        self.reserved.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells every socket to end.
    pub fn close_all(&self, reason: CloseReason) {
        for entry in &self.sockets {
            entry.value().do_send(Close(reason));
        }
    }
}
