//! Finds sockets by session id, and bounds their number.
//!
//! A shared map, not an actor: every polling request looks up its socket, and all of them would wait in one mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::*;
use dashmap::DashMap;
use thiserror::Error;

use crate::engineio::CloseReason;
use crate::ids::Sid;
use crate::limits::{AddressKey, KeyedBudget, OutboundMemory, Permit, share};

use super::commands::Close;
use super::record::{SocketCounts, SocketRecord};

/// There are too many sockets, or the server is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many sockets, of this address or of all, or the server is shutting down")]
pub struct TableFull;

#[derive(Debug)]
struct Entry<S: Actor> {
    socket: Addr<S>,
    record: Arc<SocketRecord>,
}

/// The sockets of one endpoint; `S` is their actor.
#[derive(Debug)]
pub struct ActorTable<S: Actor> {
    sockets: DashMap<Sid, Entry<S>>,
    /// The number of opened and of closed sockets.
    pub counts: SocketCounts,
    places: KeyedBudget<AddressKey>,
    max_sockets: usize,
    draining: AtomicBool,
    outbound: OutboundMemory,
}

impl<S: Actor<Context = Context<S>> + Handler<Close>> ActorTable<S> {
    /// Creates an empty table for at most `max_sockets`.
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

    /// Counts the outbound buffers of all sockets in this memory.
    #[must_use]
    pub fn with_outbound(self, outbound: OutboundMemory) -> Self {
        Self { outbound, ..self }
    }

    /// The number of open sockets.
    pub fn len(&self) -> usize {
        self.places.held()
    }

    /// The largest number of open sockets.
    pub const fn max_sockets(&self) -> usize {
        self.max_sockets
    }

    /// Whether no socket is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The socket of this session.
    pub fn get(&self, sid: Sid) -> Option<Addr<S>> {
        self.sockets.get(&sid).map(|entry| entry.socket.clone())
    }

    /// The record of a socket's state.
    pub fn record(&self, sid: Sid) -> Option<Arc<SocketRecord>> {
        self.sockets
            .get(&sid)
            .map(|entry| Arc::clone(&entry.record))
    }

    /// Calls `show` with the record of every socket. A part of the table is locked meanwhile.
    pub fn for_each(&self, mut show: impl FnMut(Sid, &Arc<SocketRecord>)) {
        for entry in &self.sockets {
            show(*entry.key(), &entry.record);
        }
    }

    /// The memory that counts the outbound buffers of all sockets.
    pub const fn outbound(&self) -> &OutboundMemory {
        &self.outbound
    }

    /// The socket with the largest outbound buffer.
    pub fn slowest(&self) -> Option<Sid> {
        let buffers = self.sockets.iter().map(|entry| {
            let bytes = entry.record.outbound_bytes();
            (bytes, *entry.key())
        });
        let buffers = buffers.filter(|(bytes, _)| *bytes > 0);
        let (_, slowest) = buffers.max_by_key(|(bytes, _)| *bytes)?;
        Some(slowest)
    }

    /// Closes one socket; `false` if there is none with this id.
    pub fn close(&self, sid: Sid, reason: CloseReason) -> bool {
        let socket = self.get(sid);
        socket.is_some_and(|socket| socket.try_send(Close(reason)).is_ok())
    }

    /// Reserves a place for a socket that is about to start. One address may have a sixteenth of all places.
    pub(super) fn reserve(
        self: &Arc<Self>,
        sid: Sid,
        address: Option<AddressKey>,
    ) -> Result<TablePlace<S>, TableFull> {
        if self.draining.load(Ordering::Acquire) {
            return Err(TableFull);
        }
        let permit = self.places.take(address);
        Ok(TablePlace {
            table: Arc::clone(self),
            sid,
            permit: Some(permit.map_err(|_| TableFull)?),
        })
    }

    /// Adds a started socket.
    pub(super) fn insert(&self, sid: Sid, socket: Addr<S>, record: Arc<SocketRecord>) {
        self.counts.opened.add_one();
        self.sockets.insert(sid, Entry { socket, record });
    }

    /// Accepts no more sockets, and closes all.
    pub fn drain(&self, reason: CloseReason) {
        self.draining.store(true, Ordering::Release);
        self.close_all(reason);
    }

    /// Closes every socket for this reason.
    pub fn close_all(&self, reason: CloseReason) {
        for entry in &self.sockets {
            entry.socket.do_send(Close(reason));
        }
    }
}

/// A socket's place in the table. Dropping it frees the place, however the socket ends.
#[derive(Debug)]
pub(super) struct TablePlace<S: Actor> {
    table: Arc<ActorTable<S>>,
    sid: Sid,
    permit: Option<Permit<AddressKey>>,
}

impl<S: Actor> TablePlace<S> {
    /// Removes the socket from the table, but keeps its place.
    pub(super) fn forget(&self) {
        self.table.sockets.remove(&self.sid);
    }

    /// Counts why the socket ended.
    pub(super) fn count_end(&self, reason: CloseReason) {
        self.table.counts.ended(reason);
    }

    /// Frees the place before it is dropped.
    pub(super) fn release(&mut self) {
        if self.permit.take().is_some() {
            self.forget();
        }
    }
}

impl<S: Actor> Drop for TablePlace<S> {
    fn drop(&mut self) {
        self.release();
    }
}
