//! Finds sockets by session id, and bounds how many there are.
//!
//! A shared map rather than an actor: every polling request looks its socket up, and a mailbox would put
//! all of them in one line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Addr;
use dashmap::DashMap;
use thiserror::Error;

use crate::engineio::CloseReason;
use crate::ids::Sid;
use crate::limits::{AddressKey, KeyedBudget, OutboundMemory, Permit, share};

use super::actor::Socket;
use super::application::{Application, Opening};
use super::commands::Close;
use super::record::{SocketCounts, SocketRecord};

/// The server, or this address, has as many sockets as it may have, or the server is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many sockets, of this address or of all, or the server is going down")]
pub struct TableFull;

#[derive(Debug)]
struct Entry<A: Application> {
    socket: Addr<Socket<A>>,
    record: Arc<SocketRecord>,
}

/// The sockets of one endpoint.
#[derive(Debug)]
pub struct SocketTable<A: Application> {
    sockets: DashMap<Sid, Entry<A>>,
    /// How many began and ended.
    pub counts: SocketCounts,
    places: KeyedBudget<AddressKey>,
    max_sockets: usize,
    draining: AtomicBool,
    /// The memory of what waits for all of them.
    outbound: OutboundMemory,
}

impl<A: Application> SocketTable<A> {
    /// An empty table for at most `max_sockets`.
    #[must_use]
    pub fn new(max_sockets: usize) -> Self {
        Self {
            sockets: DashMap::new(),
            counts: SocketCounts::default(),
            places: KeyedBudget::of_places(share(max_sockets), max_sockets).named("sockets"),
            max_sockets,
            draining: AtomicBool::new(false),
            outbound: OutboundMemory::default(),
        }
    }

    /// Counts in this memory what waits for a socket.
    #[must_use]
    pub fn with_outbound(self, outbound: OutboundMemory) -> Self {
        Self { outbound, ..self }
    }

    /// Sockets that are open now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.held()
    }

    /// As many as there may be.
    #[must_use]
    pub const fn max_sockets(&self) -> usize {
        self.max_sockets
    }

    /// Whether no socket is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The socket of this session.
    #[must_use]
    pub fn get(&self, sid: Sid) -> Option<Addr<Socket<A>>> {
        self.sockets.get(&sid).map(|entry| entry.socket.clone())
    }

    /// What a socket says of itself.
    #[must_use]
    pub fn record(&self, sid: Sid) -> Option<Arc<SocketRecord>> {
        self.sockets
            .get(&sid)
            .map(|entry| Arc::clone(&entry.record))
    }

    /// Shows what every socket says of itself; a part of the table waits while it is shown.
    pub fn for_each(&self, mut show: impl FnMut(Sid, &Arc<SocketRecord>)) {
        for entry in &self.sockets {
            show(*entry.key(), &entry.record);
        }
    }

    /// The memory of what waits for all of them.
    #[must_use]
    pub const fn outbound(&self) -> &OutboundMemory {
        &self.outbound
    }

    /// The socket for which most waits.
    #[must_use]
    pub fn slowest(&self) -> Option<Sid> {
        let waiting = self.sockets.iter().map(|entry| {
            let bytes = entry.record.outbound_bytes();
            (bytes, *entry.key())
        });
        let waiting = waiting.filter(|(bytes, _)| *bytes > 0);
        let (_, slowest) = waiting.max_by_key(|(bytes, _)| *bytes)?;
        Some(slowest)
    }

    /// Tells one socket to end; `false` where there is none of this id.
    pub fn close(&self, sid: Sid, reason: CloseReason) -> bool {
        let socket = self.get(sid);
        socket.is_some_and(|socket| socket.try_send(Close(reason)).is_ok())
    }

    /// Takes a place for a socket that is about to start. One address has a sixteenth of them.
    pub(super) fn reserve(self: &Arc<Self>, opening: &Opening) -> Result<Place<A>, TableFull> {
        if self.draining.load(Ordering::Acquire) {
            return Err(TableFull);
        }
        let permit = self.places.take(opening.counted_for);
        Ok(Place {
            table: Arc::clone(self),
            sid: opening.sid,
            permit: Some(permit.map_err(|_| TableFull)?),
        })
    }

    /// Makes a socket findable.
    pub(super) fn insert(&self, sid: Sid, socket: Addr<Socket<A>>, record: Arc<SocketRecord>) {
        self.counts.opened.add_one();
        self.sockets.insert(sid, Entry { socket, record });
    }

    /// Takes no more sockets, and tells every one to end.
    pub fn drain(&self, reason: CloseReason) {
        self.draining.store(true, Ordering::Release);
        self.close_all(reason);
    }

    /// Tells every socket to end.
    pub fn close_all(&self, reason: CloseReason) {
        for entry in &self.sockets {
            entry.socket.do_send(Close(reason));
        }
    }
}

/// A socket's place in the table. It is given back at the latest when it is dropped, however its socket ends.
#[derive(Debug)]
pub(super) struct Place<A: Application> {
    table: Arc<SocketTable<A>>,
    sid: Sid,
    permit: Option<Permit<AddressKey>>,
}

impl<A: Application> Place<A> {
    /// Makes its socket unfindable; the place is kept.
    pub(super) fn forget(&self) {
        self.table.sockets.remove(&self.sid);
    }

    /// Counts why its socket ended.
    pub(super) fn count_end(&self, reason: CloseReason) {
        self.table.counts.ended(reason);
    }

    /// Gives the place back.
    pub(super) fn give_up(&mut self) {
        if self.permit.take().is_some() {
            self.forget();
        }
    }
}

impl<A: Application> Drop for Place<A> {
    fn drop(&mut self) {
        self.give_up();
    }
}
